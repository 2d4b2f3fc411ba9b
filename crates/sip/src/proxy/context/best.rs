//! Which final response goes back ([RFC 3261 §16.7] steps 6 and 7).
//!
//! [RFC 3261 §16.7]: https://www.rfc-editor.org/rfc/rfc3261#section-16.7

use super::Role;
use crate::message::{Message, Method, Name};

/// How a branch ended.
#[derive(Debug, Clone)]
pub(super) enum Final {
    /// By a final response that was not sent on at once.
    Response(Box<Message>),
    /// Without one, as if by a 408.
    Timeout,
    /// By an error of its transport, as if by a 503.
    Transport,
}

/// What goes back.
#[derive(Debug)]
pub(super) enum Best {
    /// A response that was received, with the challenges of the others when it is one.
    Response(Box<Message>),
    /// A response of our own, and a word for its reason phrase.
    Own(u16, &'static str),
    /// Nothing: a 408 to a request other than INVITE would come too late for anybody ([RFC 4320 §4.2]).
    ///
    /// [RFC 4320 §4.2]: https://www.rfc-editor.org/rfc/rfc4320#section-4.2
    Nothing,
}

pub(super) fn best(finals: &[Final], request: &Message, role: Role, cancelled: bool) -> Best {
    let chosen = finals.iter().min_by_key(|end| rank(end, cancelled));
    match chosen {
        None if cancelled => Best::Own(487, ""),
        None => Best::Own(480, " (nobody to send it to)"),
        Some(end) if cancelled && end.status() != 487 && end.status() < 600 => Best::Own(487, ""),
        Some(Final::Response(response)) => match (end_status(response), role) {
            (408, _) if !is_invite(request) => Best::Nothing,
            // Who sends to us may take 503 for our own state, and would leave us alone.
            (503, _) => Best::Own(500, " (503 from the next hop)"),
            // The flow was ours to know; who sends to the user has no other.
            (430, Role::Home) => Best::Own(480, " (flow failed)"),
            (401 | 407, _) => Best::Response(Box::new(with_challenges(response, finals))),
            _ => Best::Response(response.clone()),
        },
        Some(Final::Timeout) if is_invite(request) => Best::Own(408, ""),
        Some(Final::Timeout) => Best::Nothing,
        Some(Final::Transport) => match role {
            Role::Home => Best::Own(480, " (no connection)"),
            Role::Edge => Best::Own(500, " (no connection to the next hop)"),
        },
    }
}

impl Final {
    fn status(&self) -> u16 {
        match self {
            Final::Response(response) => end_status(response),
            Final::Timeout => 408,
            Final::Transport => 503,
        }
    }
}

/// The lower, the better; of equals the first wins.
///
/// 6xx before all, else the lowest class. Within 4xx those that tell the caller what to mend, and last those that speak
/// of a branch and not of the request.
fn rank(end: &Final, cancelled: bool) -> u16 {
    match end.status() {
        status @ 600.. => status - 600,
        487 if cancelled => 100,
        status @ 300..=399 => status,
        401 | 407 => 400,
        415 | 420 | 484 => 401,
        408 => 403,
        430 | 481 | 487 => 404,
        400..=499 => 402,
        503 => 599,
        _ => 500,
    }
}

/// The response with every WWW-Authenticate and Proxy-Authenticate of the other challenges: the caller answers all.
fn with_challenges(chosen: &Message, finals: &[Final]) -> Message {
    let mut edit = chosen.edit();
    for end in finals {
        let Final::Response(other) = end else { continue };
        if !matches!(end_status(other), 401 | 407) || **other == *chosen {
            continue;
        }
        for line in other.lines() {
            if matches!(line.name(), Name::WwwAuthenticate | Name::ProxyAuthenticate) {
                edit.push_back(line.name(), &line.unfolded());
            }
        }
    }
    edit.finish()
}

fn end_status(response: &Message) -> u16 {
    response.status().unwrap_or(500)
}

fn is_invite(request: &Message) -> bool {
    *request.method_ref() == Method::Invite
}
