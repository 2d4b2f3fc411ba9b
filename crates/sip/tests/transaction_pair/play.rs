//! Two users: Alice calls, Bob does what the plan says.

use std::time::Duration;

use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Message, Method};
use ringback_sip::transaction::{ClientId, Event, ServerId};

use super::{Alice, Bob, Pair, Who};

/// What Bob does with the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Rings for a second and answers; Alice hangs up a second later.
    Accept,
    /// Rings for a second and answers with this failure.
    Refuse(u16),
    /// Rings; Alice gives up after a second.
    Cancelled,
}

/// What the two users saw, in order, and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Final responses that Alice got: method and status.
    pub finals: Vec<(Method, u16)>,
    /// Whether Bob's user got the ACK of its 2xx.
    pub acknowledged: bool,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// Plays a call to its end: until nothing is left to happen.
pub fn play(pair: &mut Pair, plan: Plan) -> Outcome {
    let mut outcome = Outcome::default();
    let invite = pair.new_request(Alice, Method::Invite);
    let (now, flow) = (pair.now(), pair.flow(Alice));
    let call = pair.layer(Alice).request(now, flow, invite.clone());
    let mut ringing: Option<(ServerId, Message)> = None;
    let mut hung_up = false;
    let mut ack: Option<Message> = None;
    loop {
        let Some((who, event)) = pair.next_event() else {
            // Nobody cancelled: Bob's patience ends.
            let Some((id, message)) = ringing.take() else { return outcome };
            pair.respond(Bob, id, &message, 480);
            continue;
        };
        match (who, event) {
            (Bob, Event::Request { id, message, .. }) if message.method() == Method::Invite => {
                pair.respond(Bob, id, &message, 180);
                let status = match plan {
                    Plan::Accept => 200,
                    Plan::Refuse(status) => status,
                    Plan::Cancelled => {
                        ringing = Some((id, message));
                        continue;
                    }
                };
                pair.run_for(SECOND);
                pair.respond(Bob, id, &message, status);
            }
            (Bob, Event::Request { id, message, .. }) => pair.respond(Bob, id, &message, 200),
            (Bob, Event::Cancel { id, invite, message, .. }) => {
                pair.respond(Bob, id, &message, if invite.is_some() { 200 } else { 481 });
                if let (Some(_), Some((id, message))) = (invite, ringing.take()) {
                    pair.respond(Bob, id, &message, 487);
                }
            }
            (Bob, Event::Ack { invite, .. }) => outcome.acknowledged |= invite.is_some(),
            (Alice, Event::Response { id, message }) => {
                let status = message.status().unwrap();
                let is_invite = message.method() == Method::Invite;
                match (status, &ack) {
                    (..200, _) if is_invite && plan == Plan::Cancelled && !hung_up => {
                        hung_up = true;
                        pair.run_for(SECOND);
                        let now = pair.now();
                        pair.layer(Alice).cancel(now, call);
                    }
                    (..200, _) => {}
                    // A copy that was on its way when the user had not acknowledged the first.
                    (200..300, Some(ack)) if is_invite => pair.layer(Alice).ack_2xx(id, flow, ack.clone()),
                    (200..300, None) if is_invite => {
                        outcome.finals.push((Method::Invite, status));
                        ack = Some(answered(pair, id, &invite, &message));
                    }
                    _ => outcome.finals.push((message.method(), status)),
                }
            }
            (Alice, Event::Terminated { .. }) => {}
            (who, bad) => outcome.failures.push(format!("{who:?}: {bad:?}")),
        }
    }
}

/// Alice acknowledges, talks for a second and hangs up; returns the ACK.
fn answered(pair: &mut Pair, id: ClientId, invite: &Message, response: &Message) -> Message {
    let flow = pair.flow(Alice);
    let mut dialog = Dialog::uac(invite, response, flow).unwrap();
    let sent_by = Who::address(Alice).to_string();
    let branch = pair.layer(Alice).new_branch();
    let ack = dialog.ack(1, &branch, sent_by.as_bytes()).finish();
    pair.layer(Alice).ack_2xx(id, flow, ack.clone());
    pair.run_for(SECOND);
    let branch = pair.layer(Alice).new_branch();
    let bye = dialog.request(Method::Bye, &branch, sent_by.as_bytes()).finish();
    let now = pair.now();
    pair.layer(Alice).request(now, flow, bye);
    ack
}

const SECOND: Duration = Duration::from_secs(1);
