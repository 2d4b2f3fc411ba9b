//! The end of a call: who is told, and when the legs close.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_media::session::LegKey;
use ringback_sip::dialog::Dialog;
use ringback_sip::header::Reason;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::transaction::ServerId;

use super::{Call, CallNumber, LegMedia, Renegotiation, Signalling};
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Timer, Use, warning};
use crate::media::MediaCommand;

/// How long the reports of the media workers are waited for.
const REPORTS_WITHIN: Duration = Duration::from_secs(2);

/// Q.850 causes: the call was cleared by a party; it ended for another reason.
pub(super) const CLEARED: u32 = 16;
const UNSPECIFIED: u32 = 31;

impl Exchange {
    /// Ends an answered or a ringing call. Legs that are over already are left alone.
    pub(crate) fn end(&mut self, now: Instant, call: &mut Call, ended_by: EndedBy, reason: &str) {
        if matches!(call.caller.signalling, Signalling::Invited { .. }) {
            let status = if ended_by == EndedBy::Caller { 487 } else { 480 };
            return self.fail_with(now, call, status, ended_by, reason, |reply| reply);
        }
        self.conclude(now, call, ended_by, reason);
    }

    /// Refuses the caller's INVITE with a sentence of ours and cancels what was begun for it.
    pub(crate) fn fail(&mut self, now: Instant, call: &mut Call, status: u16, sentence: &str) {
        let retry_after = (status == 503).then(|| self.retry_after());
        self.fail_with(now, call, status, EndedBy::Exchange, sentence, |reply| {
            let reply = reply.header(Name::Warning, warning(sentence));
            match retry_after {
                Some(seconds) => reply.header(Name::RetryAfter, seconds),
                None => reply,
            }
        });
    }

    /// The same with header fields of one's own.
    pub(crate) fn fail_with(
        &mut self,
        now: Instant,
        call: &mut Call,
        status: u16,
        ended_by: EndedBy,
        reason: &str,
        add: impl FnOnce(Builder) -> Builder,
    ) {
        self.provisionals_over(call);
        match std::mem::replace(&mut call.caller.signalling, Signalling::Over) {
            Signalling::Invited { server, invite, dialog } => {
                call.record.status = status;
                self.invited.remove(&server);
                let reply = Builder::reply(&invite, status).to_tag(&dialog.id.local_tag);
                self.respond(now, server, add(reply).finish());
            }
            other => call.caller.signalling = other,
        }
        self.conclude(now, call, ended_by, reason);
    }

    /// A response to the caller's INVITE, with the one To tag that its dialog has; `None` when it has its final one.
    pub(crate) fn reply_to_caller(call: &Call, status: u16) -> Option<(ServerId, Builder)> {
        match &call.caller.signalling {
            Signalling::Invited { server, invite, dialog } => {
                Some((*server, Builder::reply(invite, status).to_tag(&dialog.id.local_tag)))
            }
            _ => None,
        }
    }

    /// Says goodbye to every leg that is still there and closes the media.
    fn conclude(&mut self, now: Instant, call: &mut Call, ended_by: EndedBy, reason: &str) {
        if !call.ending(ended_by, reason) {
            return;
        }
        call.record.ended = self.settings.epoch.unix_ms(now);
        self.deadlines.cancel(&Timer::Probe(call.number));
        self.deadlines.cancel(&Timer::Reoffer(call.number));
        self.drop_transfer(now, call);
        self.drop_renegotiation(now, call);
        let given = call.given_reason.clone();
        self.cancel_branches(now, call, None, &given);
        let reason = farewell(call);
        let keys: Vec<LegKey> = call.legs().map(|leg| leg.key).collect();
        for key in keys {
            self.hang_up(now, call, key, &reason);
        }
        self.deadlines.set(Timer::Reports(call.number), now + REPORTS_WITHIN);
    }

    /// The call ends while an offer is under way: its sender gets 487 (RFC 3261 §15.1.2), and what was sent on for it
    /// is followed to its end.
    fn drop_renegotiation(&mut self, now: Instant, call: &mut Call) {
        self.give_up_postponed(now, call, 487);
        let (to, client) = match std::mem::replace(&mut call.renegotiation, Renegotiation::Idle) {
            Renegotiation::Relaying { server, request, to, client, .. } => {
                self.invited.remove(&server);
                self.respond(now, server, self.reply(&request, 487).finish());
                (to, client)
            }
            Renegotiation::Asking { to, client } => (to, client),
            Renegotiation::Idle | Renegotiation::Postponed { .. } | Renegotiation::Offered { .. } => return,
            orphaned @ Renegotiation::Orphaned { .. } => return call.renegotiation = orphaned,
        };
        self.deadlines.cancel(&Timer::Offer(call.number));
        self.transactions.cancel(now, client);
        // A far end that has said BYE has given its INVITEs up.
        if let Some(dialog) = call.leg(to).and_then(|leg| leg.dialog()) {
            call.renegotiation = Renegotiation::Orphaned { client, dialog: Box::new(dialog.clone()) };
        }
    }

    /// Ends one leg with BYE, at once or as soon as its ACK has come; `reason` is the value of its Reason header field.
    pub(crate) fn hang_up(&mut self, now: Instant, call: &mut Call, key: LegKey, reason: &Bytes) {
        let number = call.number;
        let Some(leg) = call.leg_mut(key) else { return };
        leg.session_timer = None;
        self.cancel_timers(number, key);
        match std::mem::replace(&mut leg.signalling, Signalling::Over) {
            Signalling::Confirmed { dialog, unacknowledged: Some(server) } => {
                leg.signalling =
                    Signalling::Leaving { dialog, reason: reason.clone(), unacknowledged: server };
            }
            Signalling::Confirmed { dialog, unacknowledged: None } => self.bye(now, dialog, reason),
            Signalling::Idle { .. } => {}
            other => leg.signalling = other,
        }
        self.command_close(call, key);
    }

    /// Forgets what was to happen to a leg by itself.
    pub(crate) fn cancel_timers(&mut self, call: CallNumber, key: LegKey) {
        self.deadlines.cancel(&Timer::Bye(call, key));
        self.deadlines.cancel(&Timer::Session(call, key));
        // One that has moved to another call is looked for by that.
        if self.call_of(key) == call {
            self.stranded_no_more(key);
        }
    }

    /// The far end has left by itself: its dialog is over, and nothing of ours in it is repeated.
    pub(crate) fn leg_left(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(leg) = call.leg_mut(key) else { return };
        match std::mem::replace(&mut leg.signalling, Signalling::Over) {
            Signalling::Confirmed { unacknowledged: Some(server), .. }
            | Signalling::Leaving { unacknowledged: server, .. } => {
                self.unacknowledged.remove(&server);
                self.transactions.stop_2xx(now, server);
            }
            _ => {}
        }
    }

    /// The ACK that a BYE had to wait for has come, or will not come any more.
    pub(crate) fn bye_due(&mut self, now: Instant, call: &mut Call, key: LegKey) {
        let Some(leg) = call.leg_mut(key) else { return };
        match std::mem::replace(&mut leg.signalling, Signalling::Over) {
            Signalling::Leaving { dialog, reason, .. } => self.bye(now, dialog, &reason),
            other => leg.signalling = other,
        }
    }

    /// Ends a dialog with BYE.
    pub(crate) fn bye(&mut self, now: Instant, mut dialog: Dialog, reason: &[u8]) {
        let flow = dialog.flow;
        let request = self.dialog_request(&mut dialog, Method::Bye).header(Name::Reason, reason).finish();
        self.send_request(now, flow, request, Use::Bye);
    }

    /// Closes the media of one leg, once. A leg that is being opened is closed after that: a worker does what it is told
    /// in order.
    pub(crate) fn command_close(&mut self, call: &mut Call, key: LegKey) {
        let worker = call.worker;
        let Some(leg) = call.leg_mut(key) else { return };
        match leg.media {
            LegMedia::Opening | LegMedia::Open(_) | LegMedia::Returning(_) => {
                leg.media = LegMedia::Closing;
                self.command(worker, key, MediaCommand::Close);
            }
            LegMedia::Bypassed(_) => leg.media = LegMedia::Closed(None),
            LegMedia::Refused(_) | LegMedia::Closing | LegMedia::Closed(_) => {}
        }
    }

    /// The Reason that a party gives for ending the call goes to the other parties.
    pub(crate) fn take_reason(call: &mut Call, request: &Message) {
        if let Some(reason) = request.header(Name::Reason).filter(|value| Reason::parse(value).is_ok()) {
            call.given_reason = Bytes::copy_from_slice(reason);
        }
    }
}

/// The Reason of a BYE that ends a leg of a call which is over.
pub(crate) fn farewell(call: &Call) -> Bytes {
    let cause = match call.record.ended_by {
        _ if !call.given_reason.is_empty() => return call.given_reason.clone(),
        EndedBy::Caller | EndedBy::Callee => CLEARED,
        EndedBy::Exchange => UNSPECIFIED,
    };
    Reason::write("Q.850", cause, &call.record.reason).into()
}
