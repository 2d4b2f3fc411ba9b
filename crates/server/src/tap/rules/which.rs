//! Which messages a rule is about.

use ringback_sip::message::{Message, Method};

use crate::tap::Side;

/// What a message has to be; every part that is given has to fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Which {
    /// Any of these.
    pub(super) whats: Vec<What>,
    /// Of responses, what they answer: any of these, or anything.
    pub(super) to: Vec<Method>,
    /// Who has sent it.
    pub(super) from: Option<Side>,
    /// The number of the browser.
    pub(super) browser: Option<u32>,
    /// A header whose value contains a text.
    pub(super) contains: Option<(String, String)>,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Anything.
    Message,
    /// Any request.
    Request,
    /// Any response.
    Response,
    /// A request of this method.
    Method(Method),
    /// A response with a status in this range.
    Status(u16, u16),
}

impl Which {
    /// Whether `message`, which came from `from` of browser number `browser`, is meant.
    pub(super) fn fits(&self, from: Side, browser: u32, message: &Message) -> bool {
        self.from.is_none_or(|side| side == from)
            && self.browser.is_none_or(|number| number == browser)
            && self.whats.iter().any(|what| what.fits(message))
            && (self.to.is_empty() || self.to.contains(message.method_ref()))
            && self.contains.as_ref().is_none_or(|(header, text)| has_text(message, header, text))
    }
}

impl What {
    fn fits(&self, message: &Message) -> bool {
        match self {
            What::Message => true,
            What::Request => message.is_request(),
            What::Response => !message.is_request(),
            What::Method(method) => message.is_request() && message.method_ref() == method,
            What::Status(first, last) => {
                message.status().is_some_and(|status| (*first..=*last).contains(&status))
            }
        }
    }
}

fn has_text(message: &Message, header: &str, text: &str) -> bool {
    let named = ringback_sip::message::Name::parse(header.as_bytes());
    message
        .lines()
        .filter(|line| match named {
            ringback_sip::message::Name::Other => line.raw_name().eq_ignore_ascii_case(header.as_bytes()),
            known => line.name() == known,
        })
        .any(|line| String::from_utf8_lossy(line.value()).contains(text))
}
