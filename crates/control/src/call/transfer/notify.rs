//! The implicit subscription of a REFER ([RFC 3515 §2.4.4]): what the transferor is told, one NOTIFY after the other.
//!
//! [RFC 3515 §2.4.4]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.4

use std::time::Instant;

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sip::message::{Method, Name};

use super::super::{Call, Signalling};
use crate::exchange::{Exchange, Use};

/// What a NOTIFY of a REFER carries (RFC 3420).
const SIPFRAG: &[u8] = b"message/sipfrag;version=2.0";

/// The Reason of the BYE to a transferor whose transfer is done.
pub(super) const TRANSFERRED: Bytes = Bytes::from_static(b"Q.850;cause=16;text=\"the call was transferred\"");

/// A party that is told what became of its REFER.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub leg: LegKey,
    /// The CSeq number of the REFER, which tells the subscriptions of a dialog apart.
    id: u32,
    /// What a NOTIFY said last.
    told: u16,
    /// Whether that NOTIFY has no answer yet.
    is_waiting: bool,
    /// What is to be told next.
    news: Option<(u16, String)>,
    /// Whether the dialog ends when the last NOTIFY is answered.
    ends_leg: bool,
}

impl Exchange {
    /// Promises a transferor to tell it of its transfer, and tells it that it is being tried.
    pub(super) fn subscribe_referrer(&mut self, now: Instant, call: &mut Call, leg: LegKey, id: u32) {
        let news = Some((100, "Trying".to_owned()));
        call.subscriptions.push(Subscription { leg, id, told: 0, is_waiting: false, news, ends_leg: false });
        self.notify_referrer(now, call, leg);
    }

    /// Tells a transferor, if it is promised to be told, the status that its transfer has come to. Each is told once, and
    /// the last one above all.
    pub(crate) fn tell(&mut self, now: Instant, call: &mut Call, leg: LegKey, status: u16, phrase: &str) {
        let open = |subscription: &&mut Subscription| subscription.leg == leg && !subscription.is_ending();
        let Some(subscription) = call.subscriptions.iter_mut().find(open) else { return };
        if subscription.told != status {
            subscription.news = Some((status, phrase.to_owned()));
            self.notify_referrer(now, call, leg);
        }
    }

    /// Ends the dialog of a transferor whose transfer is done, as soon as it knows.
    pub(super) fn dismiss(&mut self, now: Instant, call: &mut Call, leg: LegKey) {
        self.command_close(call, leg);
        self.cancel_timers(call.number, leg);
        let waits = call.subscriptions.iter_mut().find(|subscription| subscription.leg == leg);
        match waits {
            Some(subscription) => subscription.ends_leg = true,
            None => self.hang_up(now, call, leg, &TRANSFERRED),
        }
    }

    /// Sends what is to be told, unless something else is under way.
    fn notify_referrer(&mut self, now: Instant, call: &mut Call, leg: LegKey) {
        let (number, expires) = (call.number, self.settings.limits.ring.as_secs() + 60);
        let waits = |subscription: &&mut Subscription| subscription.leg == leg && !subscription.is_waiting;
        let Some(subscription) = call.subscriptions.iter_mut().find(waits) else { return };
        let Some((status, phrase)) = subscription.news.take() else { return };
        let state = match status {
            ..200 => format!("active;expires={expires}"),
            _ => "terminated;reason=noresource".to_owned(),
        };
        let id = subscription.id;
        subscription.is_waiting = true;
        subscription.told = status;
        let Some(party) = call.leg_mut(leg) else { return };
        let flow = party.flow;
        let Signalling::Confirmed { dialog, .. } = &mut party.signalling else { return };
        let request = self
            .dialog_request(dialog, Method::Notify)
            .header(Name::Contact, self.contact(&flow))
            .header(Name::Event, format!("refer;id={id}"))
            .header(Name::SubscriptionState, state)
            .body(SIPFRAG, format!("SIP/2.0 {status} {phrase}\r\n").as_bytes());
        self.send_request(now, flow, request.finish(), Use::Notify(number, leg));
    }

    /// A transferor answered a NOTIFY, or did not (`None`). One that does not know it is told no more; its call is
    /// another matter.
    pub(crate) fn notify_answered(
        &mut self,
        now: Instant,
        call: &mut Call,
        leg: LegKey,
        status: Option<u16>,
    ) {
        let waits = |subscription: &Subscription| subscription.leg == leg && subscription.is_waiting;
        let Some(index) = call.subscriptions.iter().position(waits) else { return };
        let is_refused = status.is_none_or(|status| status >= 300);
        self.stats.notifies_refused += u64::from(is_refused);
        if let Some(subscription) = call.subscriptions.get_mut(index) {
            subscription.is_waiting = false;
            let is_over = is_refused || subscription.told >= 200;
            if !is_over {
                return self.notify_referrer(now, call, leg);
            }
        }
        let subscription = call.subscriptions.swap_remove(index);
        if subscription.ends_leg {
            self.hang_up(now, call, leg, &TRANSFERRED);
        }
    }
}

impl Subscription {
    /// Whether the last that there is to tell is told or about to be.
    fn is_ending(&self) -> bool {
        self.told >= 200 || self.news.as_ref().is_some_and(|(status, _)| *status >= 200)
    }
}
