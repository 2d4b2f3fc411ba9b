//! What cannot be taken: answered with the reason where the way back can be read, else dropped and counted.

use std::time::Instant;

use bytes::Bytes;
use ringback_sansio::Flow;
use ringback_sip::message::{Builder, Invalid, Message, ParseError};

use crate::exchange::Exchange;

impl Exchange {
    /// Bytes that are no SIP message.
    pub(crate) fn refuse_unparsed(&mut self, now: Instant, flow: Flow, bytes: &Bytes, error: ParseError) {
        match error.reply(bytes) {
            Ok(reply) if self.is_listened_to(now, flow) => {
                self.stats.messages_unparsed_answered += 1;
                self.answer_unmatched(flow, &reply);
            }
            Ok(_) => {}
            Err(_) => self.stats.messages_unparsed_dropped += 1,
        }
    }

    /// A message that breaks a rule of RFC 3261.
    pub(crate) fn refuse_invalid(&mut self, now: Instant, flow: Flow, message: &Message, invalid: &Invalid) {
        if invalid.reply(message).is_none() {
            self.stats.messages_invalid_dropped += 1;
        } else if self.is_listened_to(now, flow) {
            self.stats.requests_invalid += 1;
            let reply = Builder::reply_with_phrase(message, invalid.status(), &invalid.reason());
            let reply = reply.to_tag(self.stateless_tag(message).as_bytes()).finish();
            self.answer_unmatched(flow, &reply);
        }
    }

    fn is_listened_to(&mut self, now: Instant, flow: Flow) -> bool {
        let admitted = self.admission.admits(now, flow);
        self.stats.requests_banned += u64::from(!admitted);
        admitted
    }

    /// Answers what never became a transaction, over the flow that it came by; the Via says where that was
    /// (RFC 3261 §18.2.1).
    fn answer_unmatched(&mut self, flow: Flow, reply: &Message) {
        // A Via that cannot be read is echoed as it is.
        let stamped = reply.with_source(flow.remote()).unwrap_or_else(|_| reply.clone());
        self.transactions.send(flow, stamped);
    }
}
