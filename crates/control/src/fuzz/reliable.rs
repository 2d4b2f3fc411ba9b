//! A phone that uses reliable provisional responses (RFC 3262).

use std::time::Duration;

use ringback_sansio::fuzz::Input;
use ringback_sip::message::{Builder, Method, Name};

use super::{Play, with_body};

/// The first opcode of such a phone.
pub(super) const FIRST_OPCODE: u8 = 240;

impl Play {
    /// What a phone does that uses reliable provisional responses.
    pub(super) fn rely(&mut self, opcode: u8, input: &mut Input<'_>) {
        match opcode % 4 {
            0 => self.call_reliably(input),
            1 => self.respond_reliably(input),
            _ => self.acknowledge_provisional(input),
        }
    }

    /// A call to somebody who is there, and what comes of it at once.
    fn call_reliably(&mut self, input: &mut Input<'_>) {
        let (from, callee) = (input.number(4), input.number(4));
        if input.number(4) > 0 {
            let register = self.request(callee, Method::Register, callee).finish();
            self.say_with_credentials(callee, register);
        }
        let name = if input.number(3) > 0 { Name::Require } else { Name::Supported };
        let invite = self.request(from, Method::Invite, callee).header(name, "100rel");
        let invite = with_body(invite, input.number(5)).finish();
        self.say_with_credentials(from, invite);
        self.carry();
        for _ in 0..input.number(4) {
            match input.number(6) {
                0..3 => self.respond_reliably(input),
                3 | 4 => self.acknowledge_provisional(input),
                _ => self.pass(Duration::from_secs(1 + 40 * input.number(2) as u64)),
            }
            self.carry();
        }
    }

    /// Answers an INVITE of the exchange with a reliable provisional response, in order or not.
    fn respond_reliably(&mut self, input: &mut Input<'_>) {
        let invites = self.heard.iter().filter(|(_, message)| *message.method_ref() == Method::Invite);
        let mut invites = invites.filter(|(_, message)| message.is_request());
        let Some((flow, request)) = invites.next() else { return };
        let flow = *flow;
        let tag: &[u8] = if input.number(8) == 0 { b"other" } else { b"usual" };
        let status = [180, 183, 200].get(input.number(3)).copied().unwrap_or(180);
        let response =
            Builder::reply(request, status).to_tag(tag).header(Name::Contact, "<sip:x@198.51.100.99>");
        let response = match status {
            200 => response,
            _ => {
                response.header(Name::Require, "100rel").header(Name::RSeq, (1 + input.number(3)).to_string())
            }
        };
        let response = with_body(response, input.number(6)).finish();
        self.say_over(flow, response.bytes().clone());
    }

    /// Sends the PRACK of a provisional response of the exchange, or one that is a little off.
    fn acknowledge_provisional(&mut self, input: &mut Input<'_>) {
        let responses = self.heard.iter().filter(|(_, message)| message.has(Name::RSeq));
        let Some((flow, of)) = responses.into_iter().nth(input.number(2)) else { return };
        let (flow, cseq) = (*flow, of.cseq().map_or(1, |cseq| cseq.number));
        let rseq = of.header(Name::RSeq).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        let rseq = rseq.unwrap_or(1_u32).saturating_add(u32::from(input.number(3) == 0));
        self.serial += 1;
        let prack = Builder::request(Method::Prack, b"sip:ringback@192.0.2.1")
            .header(Name::Via, format!("SIP/2.0/{} x;branch=z9hG4bKp{}", flow.transport(), self.serial))
            .copy(of, Name::From)
            .copy(of, Name::To)
            .copy(of, Name::CallId)
            .header(Name::CSeq, format!("{} PRACK", self.serial + 100))
            .header(Name::Rack, format!("{rseq} {cseq} INVITE"));
        let prack = with_body(prack, input.number(6)).finish();
        self.say_over(flow, prack.bytes().clone());
    }
}
