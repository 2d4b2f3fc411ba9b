//! What can be seen of a phone.

use ringback_sip::message::{Message, Name};

use super::phone::{Phone, Stage};

impl Phone {
    pub fn is_idle(&self) -> bool {
        self.call.is_none() && self.aside.is_empty()
    }

    pub fn is_up(&self) -> bool {
        self.stage() == Some(Stage::Up)
    }

    pub fn is_ringing(&self) -> bool {
        self.stage() == Some(Stage::Ringing)
    }

    pub fn stage(&self) -> Option<Stage> {
        self.call.as_ref().map(|call| call.stage)
    }

    /// The responses to requests of a method, in order.
    pub fn responses(&self, method: &str) -> Vec<&Message> {
        let is_one = |message: &&Message| !message.is_request() && message.method_ref().as_str() == method;
        self.heard.iter().filter(is_one).collect()
    }

    /// The requests of a method, in order.
    pub fn requests(&self, method: &str) -> Vec<&Message> {
        let is_one = |message: &&Message| message.is_request() && message.method_ref().as_str() == method;
        self.heard.iter().filter(is_one).collect()
    }

    pub fn statuses(&self, method: &str) -> Vec<u16> {
        self.responses(method).iter().filter_map(|message| message.status()).collect()
    }

    pub fn last_status(&self, method: &str) -> Option<u16> {
        self.statuses(method).last().copied()
    }

    /// The reason phrase of the last response to a method.
    pub fn last_phrase(&self, method: &str) -> Option<String> {
        let bytes = self.responses(method).last()?.bytes().to_vec();
        let line = String::from_utf8(bytes).unwrap().lines().next()?.to_owned();
        Some(line.splitn(3, ' ').nth(2)?.to_owned())
    }

    /// The last response to an INVITE that was a failure and no challenge.
    pub fn last_failure(&self) -> Option<u16> {
        self.statuses("INVITE").into_iter().rfind(|status| *status >= 300 && *status != 407)
    }

    /// A header field of the last response to a method.
    pub fn last_header(&self, method: &str, name: Name) -> Option<String> {
        let value = self.responses(method).last()?.header(name)?.to_vec();
        Some(String::from_utf8(value).unwrap())
    }
}
