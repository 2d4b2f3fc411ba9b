//! A REFER in the dialog of a leg ([RFC 3515 §2.4.2]): read, judged, and answered at once.
//!
//! What is known to be wrong is refused there and then, so that a phone which hangs up after the 202 keeps its call. It
//! is never refused with 481, which would end the dialog that it came in.
//!
//! [RFC 3515 §2.4.2]: https://www.rfc-editor.org/rfc/rfc3515#section-2.4.2

use std::time::Instant;

use ringback_media::session::LegKey;
use ringback_sip::header::{HeaderError, Join, ReferTo, Replaces};
use ringback_sip::message::{Message, Method, Name, reason_phrase};
use ringback_sip::transaction::ServerId;
use ringback_sip::uri::Uri;

use super::super::fork::ELSEWHERE;
use super::super::refused::CallRefused;
use super::super::setup::{hops_left, sip_uri};
use super::super::{Call, CallNumber, Phase};
use super::attended::Consult;
use super::join::{JoinRefused, NO_NAME, can_be_mixed};
use super::{AskedBy, MOST_LEGS};
use crate::ask::User;
use crate::cdr::EndedBy;
use crate::exchange::Exchange;
use crate::features::Code;
use crate::routing::Destination;

/// Why a REFER is refused; `Display` is the sentence of the Warning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReferRefused {
    #[error("a REFER has one Refer-To")]
    Count,
    #[error("the Refer-To cannot be read: {0}")]
    ReferTo(HeaderError),
    #[error("the Replaces in the Refer-To cannot be read: {0}")]
    Replaces(HeaderError),
    #[error("a call can be transferred by INVITE only")]
    Method,
    #[error("a call can be transferred when it is answered")]
    Unanswered,
    #[error("there is nobody in this call who could be transferred")]
    Nobody,
    #[error("another transfer of this call is under way")]
    UnderWay,
    #[error("this call was transferred too often")]
    TooOften,
    #[error("the call that is to be joined is not there")]
    NoConsult,
    #[error("the call that is to be joined is somebody else's")]
    Foreign,
    #[error("the call that is to be joined is being changed")]
    ConsultBusy,
    #[error("the two calls are on different media workers; media.workers = 1 has them on one")]
    Apart,
    #[error("{0}")]
    Join(JoinRefused),
    #[error("a feature code is for who dials it; a call cannot be transferred there")]
    Code,
    #[error("{0}")]
    Call(CallRefused),
}

/// Whom a REFER names.
pub(super) enum Order {
    /// Somebody to be called.
    Blind {
        destination: Destination,
        dialled: String,
        /// A call of the transferor that ends for it.
        gives_up: Option<CallNumber>,
    },
    /// The far end of a call of the transferor.
    Attended { consult: LegKey },
    /// Both parties of another call of the transferor.
    Join { joined: LegKey },
}

impl ReferRefused {
    fn status(&self) -> u16 {
        match self {
            ReferRefused::Count | ReferRefused::ReferTo(_) | ReferRefused::Replaces(_) => 400,
            ReferRefused::Method => 400,
            ReferRefused::Unanswered | ReferRefused::Nobody | ReferRefused::Foreign | ReferRefused::Code => {
                403
            }
            ReferRefused::UnderWay | ReferRefused::ConsultBusy => 491,
            ReferRefused::TooOften => 503,
            // A 481 would end the dialog that the REFER came in.
            ReferRefused::NoConsult | ReferRefused::Join(JoinRefused::NoDialog) => 404,
            ReferRefused::Join(refused) => refused.status(),
            ReferRefused::Apart => 488,
            ReferRefused::Call(refused) => refused.status(),
        }
    }
}

impl Exchange {
    /// Leg `key` asks for a transfer.
    pub(crate) fn refer_received(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: &Message,
    ) {
        let (transferee, order) = match self.read_refer(call, key, request) {
            Ok(read) => read,
            Err(refused) => {
                self.stats.transfers_refused += 1;
                return self.refuse(now, server, request, refused.status(), &refused.to_string());
            }
        };
        let Some(leg) = call.leg(key) else { return };
        let mut reply = self.reply(request, 202).header(Name::Contact, self.contact(&leg.flow));
        // RFC 4488 §4: who does not want to be told is told that it will not be.
        let is_silent = refer_sub(request) == Some(false);
        if is_silent {
            reply = reply.header(Name::ReferSub, "false");
        }
        self.respond(now, server, reply.finish());
        self.stats.transfers_started += 1;
        if !is_silent {
            let id = request.cseq().map_or(0, |cseq| cseq.number);
            self.subscribe_referrer(now, call, key, id);
        }
        match order {
            Order::Blind { destination, dialled, gives_up } => {
                if let Some(number) = gives_up {
                    self.on_call(now, number, |exchange, other| {
                        other.given_reason = ELSEWHERE;
                        exchange.end(now, other, EndedBy::Caller, "given up for a transfer");
                    });
                }
                let asked_by = match &destination {
                    Destination::Code(_) => AskedBy::Park,
                    _ => AskedBy::Refer,
                };
                self.call_target(now, call, [key, transferee], destination, &dialled, asked_by);
            }
            Order::Attended { consult } => self.join_calls(now, call, [key, transferee], consult),
            Order::Join { joined } => match self.confer(now, joined, call.worker) {
                Ok(conference) => {
                    let destination = Destination::Conference(conference);
                    let parties = [key, transferee];
                    self.call_target(now, call, parties, destination, NO_NAME, AskedBy::Refer);
                }
                Err(refused) => {
                    self.stats.transfers_failed += 1;
                    let status = refused.status();
                    self.tell(now, call, key, status, reason_phrase(status));
                }
            },
        }
    }

    /// Who is to be transferred, and whereto.
    fn read_refer(
        &mut self,
        call: &Call,
        key: LegKey,
        request: &Message,
    ) -> Result<(LegKey, Order), ReferRefused> {
        let mut values = request.headers(Name::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(ReferRefused::Count) };
        let refer_to = ReferTo::parse(value).map_err(ReferRefused::ReferTo)?;
        let uri = Uri::parse(refer_to.uri).map_err(|_| ReferRefused::Call(CallRefused::BadUri))?;
        let method = uri.params.get(b"method").flatten();
        if method.is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return Err(ReferRefused::Method);
        }
        if !matches!(call.phase, Phase::Answered(_)) {
            return Err(ReferRefused::Unanswered);
        }
        if call.transfer.is_some() {
            return Err(ReferRefused::UnderWay);
        }
        let transferee = call.other(key).ok_or(ReferRefused::Nobody)?;
        if call.callees.len() >= MOST_LEGS || call.subscriptions.len() >= MOST_SUBSCRIPTIONS {
            return Err(ReferRefused::TooOften);
        }
        if let Some(replaces) = refer_to.replaces() {
            let replaces = Replaces::parse(&replaces).map_err(ReferRefused::Replaces)?;
            let order = match self.consult(call, key, &replaces)? {
                Consult::Joinable(consult) => Order::Attended { consult },
                Consult::Conference(conference) => Order::Blind {
                    destination: Destination::Conference(conference),
                    dialled: NO_NAME.to_owned(),
                    gives_up: None,
                },
                Consult::Unjoinable { number, dialled } => {
                    let host = call.leg(key).map(|leg| self.identity_host(&leg.flow)).unwrap_or_default();
                    self.dial_for(call, key, request, sip_uri(&dialled, &host).as_bytes(), Some(number))?
                }
            };
            return Ok((transferee, order));
        }
        if let Some(join) = refer_to.join() {
            let join =
                Join::parse(&join).map_err(|error| ReferRefused::Join(JoinRefused::Malformed(error)))?;
            let user = call.leg(key).map(|leg| leg.aor.as_str()).unwrap_or_default();
            let joined = self.joined(&join, user).map_err(ReferRefused::Join)?;
            self.joinable(joined, call.worker).map_err(ReferRefused::Join)?;
            if !call.leg(transferee).is_some_and(can_be_mixed) {
                return Err(ReferRefused::Join(JoinRefused::NotMixed));
            }
            return Ok((transferee, Order::Join { joined }));
        }
        let order = self.dial_for(call, key, request, refer_to.target(), None)?;
        Ok((transferee, order))
    }

    /// Where the number leads by the dial rules of leg `key`, as if its user had dialled it (SECURITY: toll fraud).
    fn dial_for(
        &mut self,
        call: &Call,
        key: LegKey,
        request: &Message,
        target: &[u8],
        gives_up: Option<CallNumber>,
    ) -> Result<Order, ReferRefused> {
        let leg = call.leg(key).ok_or(ReferRefused::Nobody)?;
        let (flow, user) = (leg.flow, User { name: leg.aor.clone(), display: None, ha1: Vec::new() });
        let invite = self
            .request(Method::Invite, target, flow)
            .header(Name::MaxForwards, hops_left(request).to_string())
            .copy(request, Name::From)
            .header(Name::To, [b"<", target, b">"].concat())
            .copy(request, Name::CallId)
            .header(Name::CSeq, "1 INVITE")
            .finish();
        self.admit_call(&invite, &user).map_err(ReferRefused::Call)?;
        let destination = self.route(&user.name, flow, &invite).map_err(ReferRefused::Call)?;
        match destination {
            Destination::Absent { .. } => return Err(ReferRefused::Call(CallRefused::Absent)),
            Destination::Code(Code::Park(_)) => {}
            Destination::Code(_) => return Err(ReferRefused::Code),
            Destination::Conference(conference) => {
                let admitted = self.admit_to_conference(conference, Some(call.worker));
                admitted.map_err(ReferRefused::Call)?;
            }
            Destination::Echo | Destination::Hear(_) | Destination::Targets { .. } => {}
        }
        Ok(Order::Blind { destination, dialled: crate::routing::dialled(&invite), gives_up })
    }
}

/// What a `Refer-Sub` says (RFC 4488 §4).
fn refer_sub(request: &Message) -> Option<bool> {
    let value = request.header(Name::ReferSub)?;
    let word = value.split(|&byte| byte == b';').next()?.trim_ascii();
    Some(!word.eq_ignore_ascii_case(b"false"))
}

/// Transferors of one call that wait to be told.
const MOST_SUBSCRIPTIONS: usize = 8;
