//! Calls that go to somebody else: forwarding that a user has set, and redirections of a user's phone.
//!
//! A call is forwarded to users and numbers of this exchange only, at most [`MOST`] times, and never twice by the same
//! user. What happened is told in History-Info ([RFC 7044]) and Diversion ([RFC 5806]); those of a peer do not cross.
//! Nobody on the way is named when the caller asks for that (`Privacy: history`, `header` or `session`), nobody so far
//! when the Contact of a 3xx does, and not the user whose phone does while it rings, refuses or redirects
//! ([RFC 7044 §10.1]): that somebody was there is told, and not who.
//!
//! Left out: forwarding to other networks, by time of day, and the entries of single contacts in History-Info.
//!
//! [RFC 7044]: https://www.rfc-editor.org/rfc/rfc7044
//! [RFC 7044 §10.1]: https://www.rfc-editor.org/rfc/rfc7044#section-10.1
//! [RFC 5806]: https://www.rfc-editor.org/rfc/rfc5806

use std::sync::Arc;
use std::time::Instant;

use ringback_sansio::Flow;
use ringback_sip::message::{Builder, Message, Name, reason_phrase};
use ringback_sip::uri::Uri;

use super::conference::conference_name;
use super::hunt::Target;
use super::identity::{ANONYMOUS, Identity, anonymous, asks_to_hide_history};
use super::refused::CallRefused;
use super::setup::sip_uri;
use super::transfer::AskedBy;
use super::{Call, CallNumber, Leg, Signalling};
use crate::exchange::Exchange;
use crate::features::Code;
use crate::routing::{Destination, ECHO};

/// How often one call is forwarded at the most.
const MOST: usize = 5;

/// The contacts of one 3xx that are looked at.
const MOST_CONTACTS: usize = 5;

/// Why a call went on to somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The user has every call forwarded.
    Always,
    Busy,
    NoAnswer,
    /// The user does not want to be disturbed.
    DoNotDisturb,
    /// Nobody is signed in.
    Absent,
    /// A phone of the user sent the caller elsewhere.
    Redirected,
}

/// One step on the way of a call: who sent it on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diversion {
    pub from: String,
    pub cause: Cause,
    /// Whether those that the call goes to may not know who it was.
    pub is_hidden: bool,
}

impl Cause {
    /// The reason in a Diversion (RFC 5806 §4).
    const fn reason(self) -> &'static str {
        match self {
            Cause::Always => "unconditional",
            Cause::Busy => "user-busy",
            Cause::NoAnswer => "no-answer",
            Cause::DoNotDisturb => "do-not-disturb",
            Cause::Absent => "unavailable",
            Cause::Redirected => "deflection",
        }
    }

    /// The response that History-Info gives as the reason (RFC 7044 §10.2); forwarding without ringing has none.
    const fn response(self) -> Option<u16> {
        match self {
            Cause::Always => None,
            Cause::Busy => Some(486),
            Cause::NoAnswer => Some(408),
            Cause::DoNotDisturb | Cause::Absent => Some(480),
            Cause::Redirected => Some(302),
        }
    }

    /// The `cause` of the new target (RFC 4458 §2).
    const fn of_target(self) -> u16 {
        match self {
            Cause::Always | Cause::Redirected => 302,
            Cause::Busy => 486,
            Cause::NoAnswer => 408,
            Cause::DoNotDisturb => 480,
            Cause::Absent => 503,
        }
    }
}

/// Writes how an INVITE came to be for `target`; nothing when it was meant for it.
pub(crate) fn tell_history(
    request: Builder,
    target: &str,
    host: &str,
    steps: &[Diversion],
    caller: &Identity,
) -> Builder {
    if steps.is_empty() {
        return request;
    }
    let hides = caller.hides_history();
    let mut request = request.header(Name::HistoryInfo, history(target, host, steps, hides));
    for Diversion { from, cause, is_hidden } in steps.iter().rev() {
        let reason = cause.reason();
        let value = match hides || *is_hidden {
            true => format!("{};reason={reason};counter=1;privacy=full", anonymous()),
            false => format!("<{}>;reason={reason};counter=1", sip_uri(from, host)),
        };
        request = request.header(Name::Diversion, value);
    }
    request
}

fn history(target: &str, host: &str, steps: &[Diversion], hides: bool) -> String {
    let mut value = String::new();
    let mut index = "1".to_owned();
    let mut came_by: Option<(Cause, String)> = None;
    let users = steps.iter().map(|step| (step.from.as_str(), step.is_hidden, Some(step.cause)));
    for (user, is_hidden, leaves_by) in users.chain([(target, false, None)]) {
        let uri = match hides || is_hidden {
            true => ANONYMOUS.to_owned(),
            false => sip_uri(user, host),
        };
        let cause = came_by.as_ref().map(|(cause, _)| format!(";cause={}", cause.of_target()));
        let reason =
            leaves_by.and_then(Cause::response).map(|response| format!("?Reason=SIP%3Bcause%3D{response}"));
        let mapped = came_by.as_ref().map(|(_, from)| format!(";mp={from}"));
        if !value.is_empty() {
            value.push_str(", ");
        }
        let part = |text: Option<String>| text.unwrap_or_default();
        value += &format!("<{uri}{}{}>;index={index}{}", part(cause), part(reason), part(mapped));
        came_by = leaves_by.map(|cause| (cause, index.clone()));
        index.push_str(".1");
    }
    value
}

/// Whether a Contact of a 3xx asks in its URI that the new request not tell its history.
fn hides_history(contact: &Uri<'_>) -> bool {
    contact.header(b"Privacy").is_some_and(|value| asks_to_hide_history(&value))
}

impl Exchange {
    /// Where a call for `user` goes, by what that user has set and by what those have set that it is forwarded to.
    pub(crate) fn destination_of(
        &self,
        user: &str,
        caller: &str,
        flow: Flow,
        steps: &[Diversion],
    ) -> Result<Destination, CallRefused> {
        let mut user = user.to_owned();
        let mut steps = steps.to_vec();
        loop {
            if ECHO.contains(&user.as_str()) {
                return Ok(Destination::Echo);
            }
            if let Some(name) = conference_name(&user) {
                return Ok(Destination::Conference(self.conference_of(&name)));
            }
            if let Some(number) = self.number_to_hear(&user) {
                return Ok(Destination::Hear(number));
            }
            if steps.iter().any(|step| step.from == user) {
                return Err(CallRefused::ForwardedInCircle);
            }
            if steps.len() > MOST {
                return Err(CallRefused::ForwardedTooOften);
            }
            let features = self.features_of(&user);
            // Who is forwarded to can still call who forwards.
            if let Some(to) = features.always.filter(|to| to != caller) {
                steps.push(Diversion::by(std::mem::replace(&mut user, to), Cause::Always));
                continue;
            }
            let is_busy = self.is_busy(&user, features.waiting);
            let (cause, to, refused) = if features.do_not_disturb {
                (Cause::DoNotDisturb, features.no_answer, CallRefused::DoNotDisturb)
            } else if is_busy {
                (Cause::Busy, features.busy, CallRefused::Busy)
            } else {
                let targets = self.groups_of(&user, caller, flow);
                let steps: Arc<[Diversion]> = steps.clone().into();
                if !targets.is_empty() {
                    return Ok(Destination::Targets { user, groups: targets, steps });
                }
                match features.no_answer {
                    None => return Ok(Destination::Absent { user, is_forwarded: !steps.is_empty() }),
                    to => (Cause::Absent, to, CallRefused::Absent),
                }
            };
            let Some(to) = to else { return Err(refused) };
            steps.push(Diversion::by(std::mem::replace(&mut user, to), cause));
        }
    }

    /// Whether a user has as many calls as it takes at a time.
    pub(crate) fn is_busy(&self, user: &str, waiting: Option<u32>) -> bool {
        waiting.is_some_and(|most| self.calls_of(user) >= most as usize)
    }

    /// In how many calls a user is, as one who called, who is called or who talks.
    ///
    /// Asked only of users with a limit, so that nobody else pays for it.
    fn calls_of(&self, user: &str) -> usize {
        let takes_part = |leg: &Leg| match leg.signalling {
            Signalling::Invited { .. } | Signalling::Confirmed { .. } => true,
            _ => leg.is_pending(),
        };
        let mut calls: Vec<CallNumber> =
            self.legs_of(user).filter(|(_, leg)| takes_part(leg)).map(|(call, _)| call.number).collect();
        calls.dedup();
        calls.len()
    }

    /// Nobody of the user that is being rung took the call: it goes where that user wants it to go. Says whether it
    /// does, or has been refused on the way.
    pub(crate) fn forward(&mut self, now: Instant, call: &mut Call, cause: Cause) -> bool {
        if call.hunt.is_for_device {
            return false;
        }
        let features = self.features_of(&call.hunt.user);
        let to = match cause {
            Cause::Busy => features.busy,
            _ => features.no_answer,
        };
        match to {
            Some(to) => {
                let steps = call.steps_on(cause);
                self.send_on(now, call, &to, steps);
                true
            }
            None => false,
        }
    }

    /// The call leaves the user that is being rung for another one; that is the last of the steps.
    fn send_on(&mut self, now: Instant, call: &mut Call, to: &str, steps: Vec<Diversion>) {
        let dialler = call.dialler();
        let destination = self.destination_of(to, &dialler.aor, dialler.flow, &steps);
        self.give_up_branches(now, call);
        call.best_refusal = None;
        let refused = match destination {
            Ok(Destination::Targets { user, groups, steps }) => {
                self.stats.calls_forwarded += 1;
                self.tell_of_forwarding(now, call);
                return self.hunt(now, call, user, groups, steps);
            }
            Ok(Destination::Echo) => {
                self.stats.calls_forwarded += 1;
                self.cancel_branches(now, call, None, b"");
                if call.is_ringing_transfer() {
                    return self.target_is_echo(now, call);
                }
                self.refuse_late_pickup(now, call);
                return self.answer_alone(now, call);
            }
            // A user cannot forward calls there.
            Ok(
                Destination::Absent { .. }
                | Destination::Code(_)
                | Destination::Conference(_)
                | Destination::Hear(_),
            ) => CallRefused::Absent,
            Err(refused) => refused,
        };
        self.count_refused(&refused);
        if call.is_ringing_transfer() {
            self.transfer_failed(now, call, refused.status(), &refused.to_string());
        } else {
            self.fail(now, call, refused.status(), &refused.to_string());
        }
    }

    /// 181: the caller, or who transfers it, sees that it will not be the one that was called.
    fn tell_of_forwarding(&mut self, now: Instant, call: &mut Call) {
        if let Some(transferor) = call.transfer.as_deref().map(|transfer| transfer.transferor) {
            self.tell(now, call, transferor, 181, reason_phrase(181));
        }
        if let Some((server, reply)) = Exchange::reply_to_caller(call, 181) {
            let contact = self.contact(&call.caller.flow);
            self.send_provisional(now, call, server, reply.header(Name::Contact, contact), None);
        }
    }

    /// A phone of the callee sent the caller elsewhere (RFC 3261 §8.1.3.4). Says whether that is followed: to users and
    /// the echo of this exchange only, because the caller has not chosen where its call goes.
    ///
    /// While other phones of the callee ring on, the users named are rung beside them; otherwise the call leaves the
    /// callee as if it had been forwarded there.
    pub(crate) fn redirected(&mut self, now: Instant, call: &mut Call, response: &Message) -> bool {
        let dialler = call.dialler();
        let (caller, flow) = (dialler.aor.clone(), dialler.flow);
        let names: Vec<(String, bool)> = response
            .contacts()
            .take(MOST_CONTACTS)
            .filter_map(|contact| {
                let contact = contact.ok()?;
                let uri =
                    Uri::parse(contact.uri).ok().filter(|uri| uri.is_sip() && self.is_local(uri, flow))?;
                let user = uri.user_unescaped()?;
                let user = String::from_utf8_lossy(&user).into_owned();
                let is_user = user != call.hunt.user && Code::parse(&user).is_none();
                is_user.then(|| (user, hides_history(&uri)))
            })
            .collect();
        let Some((first, hides_all)) = names.first() else {
            self.stats.redirections_refused += 1;
            return false;
        };
        self.stats.redirections_followed += 1;
        let mut steps = call.steps_on(Cause::Redirected);
        if let Some(own) = steps.last_mut() {
            own.is_hidden |= response.headers(Name::Privacy).any(asks_to_hide_history);
        }
        let steps_for = |hides_all: bool| -> Vec<Diversion> {
            let step =
                |step: &Diversion| Diversion { is_hidden: hides_all || step.is_hidden, ..step.clone() };
            steps.iter().map(step).collect()
        };
        if !call.is_hunting() {
            self.send_on(now, call, first, steps_for(*hides_all));
            return true;
        }
        let mut beside = Vec::<Target>::new();
        for (name, hides_all) in &names {
            let found = self.destination_of(name, &caller, flow, &steps_for(*hides_all));
            if let Ok(Destination::Targets { mut groups, steps, .. }) = found {
                let targets = groups.pop_front().into_iter().flatten();
                beside.extend(targets.map(|target| Target { steps: steps.clone(), ..target }));
            }
        }
        self.ring(now, call, beside);
        true
    }
}

impl Diversion {
    /// By a user who has nothing against being named.
    fn by(from: String, cause: Cause) -> Self {
        Diversion { from, cause, is_hidden: false }
    }
}

impl Call {
    /// The steps of the call when it leaves the user that is being rung.
    fn steps_on(&self, cause: Cause) -> Vec<Diversion> {
        let mut phones = self.callees.iter().filter(|leg| leg.aor == self.hunt.user);
        let is_hidden = phones.any(|leg| leg.hides_history);
        let own = Diversion { is_hidden, ..Diversion::by(self.hunt.user.clone(), cause) };
        self.hunt.steps.iter().cloned().chain([own]).collect()
    }

    /// By whose dial rules it rings: the caller, or who transfers the call.
    fn dialler(&self) -> &Leg {
        let transferor = self.transfer.as_deref().filter(|transfer| transfer.asked_by == AskedBy::Refer);
        transferor.and_then(|transfer| self.leg(transfer.transferor)).unwrap_or(&self.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_names_everyone_on_the_way_and_why() {
        let step = |from: &str, cause| Diversion::by(from.to_owned(), cause);
        let mut steps = [step("bob", Cause::Busy), step("carol", Cause::Always)];
        assert_eq!(
            history("dave", "h", &steps, false),
            "<sip:bob@h?Reason=SIP%3Bcause%3D486>;index=1, <sip:carol@h;cause=486>;index=1.1;mp=1, \
             <sip:dave@h;cause=302>;index=1.1.1;mp=1.1"
        );
        steps[0].is_hidden = true;
        assert_eq!(
            history("dave", "h", &steps, false),
            "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1, <sip:carol@h;cause=486>;index=1.1;mp=1, \
             <sip:dave@h;cause=302>;index=1.1.1;mp=1.1"
        );
    }
}
