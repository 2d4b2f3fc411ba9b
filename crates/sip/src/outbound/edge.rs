//! What an edge proxy does: it puts itself into the Path of a registration and finds the flow again by its token
//! ([RFC 5626 §5]).
//!
//! [RFC 5626 §5]: https://www.rfc-editor.org/rfc/rfc5626#section-5

use ringback_sansio::Flow;

use super::flow_token::FlowTokens;
use crate::message::{Builder, Message, Method, Name};
use crate::proxy::OwnRoute;
use crate::uri::Uri;

/// The REGISTER with our own Path above those of others ([RFC 3327 §5.1]).
///
/// `route` carries the token of the flow that the REGISTER came by. The client's first hop says by `ob` that it keeps
/// flows; any other proxy must not, for it does not see the client's flow ([RFC 5626 §5.1]).
///
/// [RFC 3327 §5.1]: https://www.rfc-editor.org/rfc/rfc3327#section-5.1
/// [RFC 5626 §5.1]: https://www.rfc-editor.org/rfc/rfc5626#section-5.1
pub fn add_path(register: &Message, route: &OwnRoute<'_>) -> Message {
    let is_first_hop = register.values(Name::Via).count() == 1 && route.token.is_some();
    let value = if is_first_hop { route.value(&["ob"]) } else { route.value(&[]) };
    let mut edit = register.edit();
    edit.push_front(Name::Path, &value);
    edit.finish()
}

/// Where a request goes on that had a URI of ours on top of its Route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onwards {
    /// By its next Route or its Request-URI: there is no token, or the request came from the client whose it is.
    ByUri,
    /// Over the flow, which that worker owns.
    Over {
        /// The worker.
        owner: u16,
        /// The flow.
        flow: Flow,
    },
}

/// Why a request cannot go on over the flow that its Route names; who sends to the client shall take another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FlowFailed {
    /// The token is of an earlier run of the process, or forged: nobody can tell, for a run signs with its number.
    #[error("Flow Failed (the token in the Route is of no flow of this run)")]
    Unreadable,
    /// The flow is gone.
    #[error("Flow Failed (the connection is gone)")]
    Gone,
}

/// Reads the token in a URI of ours that was taken from the top of a Route ([RFC 5626 §5.3]).
///
/// `came_by` is the flow of the request, `is_open` says whether one can be sent over.
///
/// [RFC 5626 §5.3]: https://www.rfc-editor.org/rfc/rfc5626#section-5.3
pub fn follow(
    tokens: &FlowTokens,
    own: &[u8],
    came_by: &Flow,
    is_open: impl FnOnce(&Flow) -> bool,
) -> Result<Onwards, FlowFailed> {
    let Some(token) = Uri::parse(own).ok().and_then(|uri| uri.user) else { return Ok(Onwards::ByUri) };
    match tokens.decode(token) {
        Ok((_, flow)) if flow == *came_by => Ok(Onwards::ByUri),
        Ok((owner, flow)) if is_open(&flow) => Ok(Onwards::Over { owner, flow }),
        Ok(_) => Err(FlowFailed::Gone),
        Err(_) => Err(FlowFailed::Unreadable),
    }
}

impl FlowFailed {
    /// The answer, a 430 ([RFC 5626 §11.5]); `None` to an ACK, which has none.
    ///
    /// [RFC 5626 §11.5]: https://www.rfc-editor.org/rfc/rfc5626#section-11.5
    pub fn answer(self, request: &Message) -> Option<Message> {
        if *request.method_ref() == Method::Ack {
            return None;
        }
        let answer = Builder::reply_with_phrase(request, 430, &self.to_string());
        Some(answer.stateless_to_tag(request).finish())
    }
}
