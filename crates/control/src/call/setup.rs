//! The first half of a call: an INVITE comes in, its legs are opened, every contact of the callee is alerted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::Rng;
use ringback_media::negotiation::{Local, Party, Profile, Refusal, Srtp};
use ringback_media::session::LegKey;
use ringback_sansio::Flow;
use ringback_sip::dialog::Dialog;
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::uri::{Uri, escape_user};

use super::body::{SDP, session_description};
use super::divert::tell_history;
use super::headers::pass_request;
use super::hunt::{Hunt, Target};
use super::identity::{Identity, is_to_temporary_gruu};
use super::refused::{CallRefused, Caller};
use super::service::Service;
use super::{ALLOW, Call, Leg, LegMedia, LegVideo, Phase, SUPPORTED, Signalling};
use crate::ask::User;
use crate::cdr::EndedBy;
use crate::exchange::{Exchange, Incoming, Timer, Use, unsupported, warning_of};
use crate::media::{MediaCommand, Medium};
use crate::owner;
use crate::routing::Destination;

/// How long the media workers may take to open the legs of a call.
pub(super) const OPEN_WITHIN: Duration = Duration::from_secs(5);

impl Exchange {
    /// Starts the call that an authenticated INVITE asks for.
    pub(crate) fn start_call(&mut self, now: Instant, incoming: Incoming, caller: &User) {
        if incoming.message.has(Name::Replaces) {
            return self.take_over(now, incoming, caller);
        }
        if incoming.message.has(Name::Join) {
            return self.join_by_invite(now, incoming, caller);
        }
        let admitted = self
            .admit_call(&incoming.message, caller)
            .and_then(|offer| Ok((offer, self.route(&caller.name, incoming.flow, &incoming.message)?)));
        match admitted {
            Ok((_, Destination::Absent { user, is_forwarded: false })) => {
                self.ask_for_callee(now, incoming, caller, user);
            }
            Ok((_, Destination::Absent { .. })) => {
                self.refuse_call(now, incoming, Caller(caller.name.clone()), CallRefused::Absent);
            }
            Ok((offer, Destination::Echo)) => self.open_service(now, incoming, caller, offer, Service::Echo),
            Ok((offer, Destination::Hear(number))) => {
                self.open_service(now, incoming, caller, offer, Service::Play(number));
            }
            Ok((offer, Destination::Conference(key))) => match self.admit_to_conference(key, None) {
                Ok(()) => self.open_service(now, incoming, caller, offer, Service::Conference(key)),
                Err(refused) => self.refuse_call(now, incoming, Caller(caller.name.clone()), refused),
            },
            Ok((offer, Destination::Code(code))) => self.code_dialled(now, incoming, caller, offer, code),
            Ok((offer, Destination::Targets { user, groups, steps })) => {
                self.open_call(now, incoming, caller, offer, Hunt::new(user, groups, steps), Service::Echo);
            }
            Err(refused) => self.refuse_call(now, incoming, Caller(caller.name.clone()), refused),
        }
    }

    /// Makes the call and asks the media workers for its legs.
    pub(crate) fn open_call(
        &mut self,
        now: Instant,
        incoming: Incoming,
        caller: &User,
        offer: Option<Bytes>,
        hunt: Hunt,
        service: Service,
    ) {
        let Incoming { server, flow, message: invite } = incoming;
        let callee = Some(hunt.user.as_str()).filter(|user| !user.is_empty());
        let held_at = match service {
            Service::Conference(key) => self.conferences.worker(key),
            Service::Joining(leg) => self.calls.get(&self.call_of(leg)).map(|call| call.worker),
            _ => None,
        };
        let number = match held_at {
            Some(worker) => self.next_call_at(worker),
            None => self.next_call([caller.name.as_str()].into_iter().chain(callee)),
        };
        let key = owner::leg_key(self.settings.worker, number, 0);
        let tag = self.local_tag(key);
        let dialog = match Dialog::uas(&invite, tag.as_bytes(), flow) {
            Ok(dialog) => dialog,
            Err(error) => {
                let incoming = Incoming { server, flow, message: invite };
                let refused = CallRefused::NoDialog(error);
                return self.refuse_call(now, incoming, Caller(caller.name.clone()), refused);
            }
        };
        self.respond(now, server, self.reply(&invite, 100).finish());

        // An offer tells what the caller speaks; a phone over UDP may well speak WebRTC.
        let profile = offer.as_deref().and_then(Profile::of_offer).unwrap_or_else(|| profile_of(flow));
        let fingerprint = self.fingerprint(&invite);
        let incoming = Incoming { server, flow, message: invite };
        let identity = Identity::of(caller, &incoming.message);
        let record = self.record_begun(now, caller.name.clone(), crate::routing::dialled(&incoming.message));
        let leg = Leg::invited(key, &caller.name, profile, incoming, dialog);
        let worker = owner::media_worker_of(number, self.settings.workers);
        let mut call = Call::new(number, worker, leg, identity, record);
        call.is_late = offer.is_none();
        *call.hunt = hunt;
        call.payers.push((key, caller.name.clone()));
        call.fingerprint = Some(fingerprint);
        self.stats.calls_started += 1;
        self.invited.insert(server, number);
        self.fingerprints.insert(fingerprint, server);
        *self.calls_by_user.entry(caller.name.clone()).or_default() += 1;
        self.deadlines.set(Timer::Ring(number), now + OPEN_WITHIN);
        if self.may_bypass(&call, offer.as_deref()) {
            self.let_past(&mut call.caller);
            call.is_local = true;
        } else {
            self.command_open(call.worker, &call.caller, call.has_video());
        }
        self.serve_alone(&mut call, service);
        self.add_next_group(&mut call);
        self.place(&mut call, key);
        self.event_state.calls.note(&call);
        let is_open = !call.is_opening();
        self.calls.insert(number, call);
        if is_open {
            self.on_call(now, number, |exchange, call| exchange.alert(now, call));
        }
    }

    /// Asks a media worker for the local side of a leg.
    ///
    /// A browser has a place for video always, because it costs nothing; a telephone gets ports of its own for it in
    /// calls that have some.
    pub(crate) fn command_open(&mut self, worker: u16, leg: &Leg, has_video: bool) {
        let medium = match leg.profile {
            Profile::WebRtc => Medium::WebRtc,
            Profile::Rtp => Medium::Rtp,
        };
        let video = self.settings.video && (has_video || leg.profile == Profile::WebRtc);
        self.command(worker, leg.key, MediaCommand::Open { medium, signalling: leg.flow, video });
    }

    /// A media worker has opened a leg or could not; with the last one the call goes on.
    pub(crate) fn leg_opened(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        result: Result<Box<Local>, String>,
    ) {
        let session = self.random.next_u64() >> 2; // RFC 3264 §5: fits into 63 bits
        let transcoding = self.settings.transcoding;
        let hold_music = self.settings.hold_music;
        let Some(leg) = call.leg_mut(key) else { return };
        let srtp = self.srtp_of(leg.flow);
        let result = result.map(|local| Local { srtp, ..*local });
        match leg.media {
            LegMedia::Opening => {}
            LegMedia::Returning(_) => return self.leg_returned(now, call, key, result),
            _ => return,
        }
        leg.media = match result {
            Ok(local) => {
                let mut party = Party::new(local, session);
                party.set_transcoding(transcoding);
                party.set_hold_music(hold_music);
                LegMedia::Open(Box::new(party))
            }
            Err(sentence) => LegMedia::Refused(sentence),
        };
        match call.phase {
            Phase::Opening if !call.is_opening() => self.alert(now, call),
            Phase::Opening | Phase::Ending => {}
            _ if call.leg(key).is_some_and(|leg| matches!(leg.signalling, Signalling::Invited { .. })) => {
                self.transfer_opened(now, call, key);
            }
            Phase::Ringing => {
                if let Some(index) = call.callees.iter().position(|leg| leg.key == key) {
                    self.invite(now, call, index);
                    self.branches_failed(now, call);
                }
            }
            Phase::Answered(_) => self.transfer_opened(now, call, key),
        }
    }

    /// Whether the media of a leg that is no browser's is encrypted.
    ///
    /// `a=crypto` is as secret as the signalling that it comes by ([RFC 4568 §8.2]), so we offer it over TLS. Over UDP and
    /// TCP it would tell everyone on the way what it protects, and a phone that wants it there says so itself.
    ///
    /// [RFC 4568 §8.2]: https://www.rfc-editor.org/rfc/rfc4568#section-8.2
    pub(super) fn srtp_of(&self, flow: Flow) -> Srtp {
        let by_transport = if flow.transport().is_secure() { Srtp::Preferred } else { Srtp::Offered };
        self.settings.srtp.unwrap_or(by_transport)
    }

    /// Reads the caller's offer and sends an INVITE to every callee, or answers by ourselves.
    fn alert(&mut self, now: Instant, call: &mut Call) {
        call.phase = Phase::Ringing;
        if let LegMedia::Refused(sentence) = &call.caller.media {
            let sentence = sentence.clone();
            return self.fail(now, call, 503, &sentence);
        }
        let Signalling::Invited { invite, .. } = &call.caller.signalling else { return };
        // The body was found to be one when the call began.
        let offer = session_description(invite).ok().flatten();
        if let (Some(offer), Some(party)) = (offer, call.caller.party_mut())
            && let Err(refusal) = party.handle_offer(&offer)
        {
            return self.refuse_media(now, call, &refusal);
        }
        if call.callees.is_empty() {
            return self.answer_alone(now, call);
        }
        let ring = self.features_of(&call.hunt.user).ring(&self.settings.limits);
        self.deadlines.set(Timer::Ring(call.number), now + ring);
        self.arm_fork_timer(now, call);
        for index in 0..call.callees.len() {
            self.invite(now, call, index);
        }
        self.branches_failed(now, call);
    }

    /// Sends the INVITE of one branch.
    pub(super) fn invite(&mut self, now: Instant, call: &mut Call, index: usize) {
        let Call { number, caller, callees, identity, is_late, hunt, .. } = call;
        let Signalling::Invited { invite, .. } = &caller.signalling else { return };
        let Some(leg) = callees.get_mut(index) else { return };
        leg.is_hidden |= is_to_temporary_gruu(invite);
        let Signalling::Idle { target, routes, steps } = &leg.signalling else { return };
        let target = Target {
            aor: leg.aor.clone(),
            flow: leg.flow,
            uri: target.clone(),
            routes: routes.clone(),
            spares: Vec::new(),
            is_device: hunt.is_for_device,
            steps: steps.clone(),
        };
        let (Some(party), Some(caller_party)) = (leg.party_mut(), caller.party()) else {
            leg.signalling = Signalling::Over;
            return;
        };
        let offer = if *is_late { Ok(party.offer_alone()) } else { party.offer(caller_party) };
        let Ok(offer) = offer else {
            // What the caller offered was read before, so this party has something to be told.
            leg.signalling = Signalling::Over;
            let key = leg.key;
            return self.command_close(call, key);
        };
        let mut request = self.invite_to(invite, leg, &target, identity, &offer);
        if target.routes.is_empty()
            && let Some(stream) = self.stream_for(request.bytes().len(), leg.flow)
        {
            leg.flow = stream;
            request = self.invite_to(invite, leg, &target, identity, &offer);
            hunt.keep_for_later(leg.key, target);
        }
        leg.invite = request.bytes().clone();
        let client = self.send_request(now, leg.flow, request, Use::Invite(*number, leg.key));
        leg.signalling = Signalling::Inviting { client, early: None, cancelled: false };
    }

    /// The INVITE of a branch.
    fn invite_to(
        &mut self,
        invite: &Message,
        leg: &Leg,
        target: &Target,
        identity: &Identity,
        offer: &[u8],
    ) -> Message {
        let tag = self.local_tag(leg.key);
        let host = self.identity_host(&leg.flow);
        let request = self
            .request_along(Method::Invite, &target.uri, &target.routes, leg.flow)
            .header(Name::MaxForwards, hops_left(invite).to_string())
            .header(Name::From, identity.as_from(&host, &tag))
            .header(Name::To, format!("<{}>", sip_uri(&leg.aor, &host)))
            .header(Name::CallId, &leg.call_id)
            .header(Name::CSeq, "1 INVITE")
            .header(Name::Contact, self.contact(&leg.flow))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED);
        let request = identity.assert(request, &host, &self.settings.headers.users);
        let request = tell_history(request, &leg.aor, &host, &target.steps, identity);
        let request = pass_request(invite, request, identity, &self.settings.headers.users);
        request.body(SDP, offer).finish()
    }

    pub(super) fn callee_leg(&mut self, key: LegKey, target: Target) -> Leg {
        let profile = profile_behind(&target);
        Leg {
            key,
            aor: target.aor,
            flow: target.flow,
            profile,
            signalling: Signalling::Idle { target: target.uri, routes: target.routes, steps: target.steps },
            media: LegMedia::Opening,
            session_timer: None,
            is_missed: false,
            signals_keys: false,
            refuses_info: false,
            keys: None,
            hears_music: None,
            call_id: self.random_token(),
            is_hidden: false,
            hides_history: false,
            is_called: true,
            invite: Bytes::new(),
            early_dialogs: Vec::new(),
            video: LegVideo::default(),
            reported: None,
        }
    }

    /// The offer of an INVITE that is one we can serve, if one more call of this user is within the limits.
    pub(super) fn admit_call(&self, invite: &Message, caller: &User) -> Result<Option<Bytes>, CallRefused> {
        if let Some(options) = unsupported(invite) {
            return Err(CallRefused::Extension(options));
        }
        if invite.max_forwards().ok().flatten() == Some(0) {
            return Err(CallRefused::TooManyHops);
        }
        let offer = session_description(invite).map_err(|_| CallRefused::NotSdp)?;
        if self.draining {
            return Err(CallRefused::Draining);
        }
        if self.calls.len() >= self.settings.limits.calls {
            return Err(CallRefused::AllLinesBusy);
        }
        let mine = self.calls_by_user.get(&caller.name).copied().unwrap_or_default();
        if mine >= self.settings.limits.calls_per_user {
            return Err(CallRefused::TooManyCalls);
        }
        Ok(offer)
    }

    /// Ends a call whose media cannot be agreed on.
    pub(crate) fn refuse_media(&mut self, now: Instant, call: &mut Call, refusal: &Refusal) {
        self.stats.offers_refused += 1;
        let (status, words) = (refusal.status(), refusal.to_string());
        self.fail_with(now, call, status, EndedBy::Exchange, &words, |reply| refused(reply, refusal));
    }
}

/// A response that says in a Warning why the media was refused.
pub(crate) fn refused(reply: Builder, refusal: &Refusal) -> Builder {
    reply.header(Name::Warning, warning_of(refusal.warning(), &refusal.to_string()))
}

/// The media profile of a leg follows from where its contact is reached.
pub(crate) fn profile_of(flow: Flow) -> Profile {
    if flow.transport().is_websocket() { Profile::WebRtc } else { Profile::Rtp }
}

/// The same of a contact that may be behind other proxies: it says itself by which transport it is reached there.
pub(super) fn profile_behind(target: &Target) -> Profile {
    let transport = Uri::parse(&target.uri).ok().and_then(|uri| uri.params.get(b"transport").flatten());
    let is_websocket = |name: &[u8]| name.eq_ignore_ascii_case(b"ws") || name.eq_ignore_ascii_case(b"wss");
    match transport {
        Some(name) if !target.routes.is_empty() && is_websocket(name) => Profile::WebRtc,
        _ => profile_of(target.flow),
    }
}

/// What is left of the hop count: the exchange is a hop, or two of them facing each other would never stop.
pub(super) fn hops_left(invite: &Message) -> u8 {
    invite.max_forwards().ok().flatten().map_or(70, |hops| hops.saturating_sub(1))
}

/// A user's address; what may not stand in a user part is escaped.
pub(crate) fn sip_uri(user: &str, host: &str) -> String {
    format!("sip:{}@{host}", String::from_utf8_lossy(&escape_user(user.as_bytes())))
}
