//! Offers and answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use ringback_media::negotiation::{
    Credentials, Local, Party, Patch, Profile, Signalled, Srtp, Transcoding, offers_video, patch, payload_map,
};
use ringback_media::sdp::{Codec, Kind};
use ringback_media::session::LegKey;
use ringback_sansio::Flow;

use super::calls::{Call, Side, State};
use super::command::Exchange;
use super::edit::edited;
use super::engine::{Engine, Step, Timer, ok};
use super::flags::{Switch, TransportProtocol};
use super::recording::with_recordings;
use super::refusal::Reason;
use super::value::Value;
use super::{codecs, passing, plan};
use crate::media::{MediaCommand, Medium, Route};
use crate::owner;

impl Engine {
    /// Passes an offer on, once both sides are open.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        call: &mut Call,
        exchange: &Exchange,
        sides: &mut Option<(LegKey, LegKey)>,
        warnings: &mut Vec<&'static str>,
    ) -> Result<Step, Reason> {
        let (a, b) = match *sides {
            Some(sides) => sides,
            None => *sides.insert(self.sides_of_offer(now, call, exchange, warnings)?),
        };
        let (Some(mut from), Some(mut to)) = (open(call, a)?, open(call, b)?) else { return Ok(Step::Wait) };
        // What waited in the other direction was refused over SIP without a word to us. What waited in this one is
        // replaced, and is the same text again when it says the same.
        if from.offered().is_some() {
            from.rollback();
        }
        if to.offered().is_none() {
            to.rollback();
        }
        let sdp = edited(&exchange.sdp, &exchange.flags, warnings);
        from.handle_offer(&sdp)?;
        let transcoding =
            if codecs::are_ours_wanted(&exchange.flags) { Transcoding::Always } else { Transcoding::Never };
        if self.opens_video(call, (a, &from), (b, &to)) {
            return Ok(Step::Wait);
        }
        from.set_transcoding(transcoding);
        to.set_transcoding(transcoding);
        let ours = codecs::chosen(&to.pass_on(&mut from)?, &sdp, &exchange.flags, warnings);
        let sdp = passing::passed_on(&exchange.sdp, &ours, to.local(), &exchange.flags);
        put(call, a, from);
        put(call, b, to);
        // Who talks again is not deleted.
        self.deadlines.cancel(&Timer::Delete(call.number));
        self.deadlines.cancel(&Timer::DeleteSide(a));
        self.deadlines.cancel(&Timer::DeleteSide(b));
        if let Some(side) = call.side_mut(b).filter(|side| side.tags.is_empty()) {
            side.branch = exchange.whose.via.as_ref().map(owned).or(side.branch.take());
        }
        self.note_exclusion(call, a, &exchange.flags, warnings);
        self.record_as_said(call, &exchange.flags, warnings);
        Ok(Step::Done(with_recordings(ok().with("sdp", Value::Text(sdp)), call)))
    }

    /// Passes an answer on to who offered, and lets the two hear each other.
    pub(super) fn answer_offer(
        &mut self,
        call: &mut Call,
        exchange: &Exchange,
        warnings: &mut Vec<&'static str>,
    ) -> Result<Step, Reason> {
        let whose = &exchange.whose;
        let offerer = whose.from.as_ref().and_then(|tag| call.tagged(tag)).ok_or(Reason::NoTag)?;
        let (a, profile) = (offerer.leg, offerer.profile);
        let is_partner = |side: &&Side| call.partners(a).any(|partner| partner.leg == side.leg);
        // A request that forks after us is answered under tags that nobody has seen.
        let sole =
            || call.partners(a).next().filter(|_| whose.via.is_none() && call.partners(a).count() == 1);
        let answerer = call.partner(a, whose).filter(is_partner).or_else(|| call.untagged(a)).or_else(sole);
        let answerer = answerer.ok_or(Reason::NoOffer)?;
        let (b, answerer_profile) = (answerer.leg, answerer.profile);
        // The offerer's side is what it is: what the flags of an answer say of it cannot change it.
        let asked = plan::towards(&exchange.flags, answerer.profile, &exchange.sdp, Some(profile), warnings);
        if asked.is_err() {
            warnings.push("the transport of who offered stays as it was offered");
        }
        let (Some(mut to), Some(mut from)) = (open(call, a)?, open(call, b)?) else {
            return Err(Reason::NoOffer);
        };
        from.handle_answer(&edited(&exchange.sdp, &exchange.flags, warnings))?;
        let restart = to.restarts_ice().then(|| self.credentials());
        if let Some(credentials) = &restart {
            to.set_ice(credentials.clone());
        }
        let ours = to.answer(&from)?;
        let sdp = passing::passed_on(&exchange.sdp, &ours, to.local(), &exchange.flags);
        put(call, a, to);
        put(call, b, from);
        // Until it answered, nobody knew where it is.
        if answerer_profile == Profile::Rtp
            && !exchange.flags.has(Switch::TrustAddress)
            && let Some(source) = exchange.flags.received_from.filter(|source| !source.is_unspecified())
            && let Some(side) = call.side_mut(b).filter(|side| side.source != Some(source))
        {
            side.source = Some(source);
            // What is opened later for its video is opened for the same.
            side.signalling = Flow::datagram(side.signalling.local(), SocketAddr::new(source, 0));
            self.command(b, MediaCommand::Locate(source));
        }
        if let Some(credentials) = restart {
            self.command(a, MediaCommand::Restart(Box::new(credentials)));
        }
        if let Some(side) = call.side_mut(b) {
            if let Some(tag) = &whose.to {
                side.take_tag(&owned(tag));
            }
            side.label = whose.label.as_ref().map(owned).or(side.label.take());
        }
        call.is_answered = true;
        self.deadlines.cancel(&Timer::Unanswered(call.number));
        self.note_exclusion(call, b, &exchange.flags, warnings);
        self.join(call, a, b);
        self.record_as_said(call, &exchange.flags, warnings);
        Ok(Step::Done(with_recordings(ok().with("sdp", Value::Text(sdp)), call)))
    }

    /// Tells the media workers what two sides have agreed on, and that they hear each other.
    fn join(&mut self, call: &mut Call, a: LegKey, b: LegKey) {
        for side in &mut call.sides {
            if side.leg == a || side.leg == b {
                side.peer = Some(if side.leg == a { b } else { a });
                side.gone = None;
            } else {
                side.peer = side.peer.filter(|peer| *peer != a && *peer != b);
            }
        }
        self.configure(call, a);
        self.configure(call, b);
        self.command(a, MediaCommand::Join(b));
        self.record_pair(call, a, b);
    }

    /// Tells the media workers what a side has agreed on, and what of it passes to the side that it talks to.
    pub(super) fn configure(&mut self, call: &mut Call, leg: LegKey) {
        let Some(side) = call.side(leg) else { return };
        let Some((party, peer)) = side.party().zip(side.peer.and_then(|peer| call.side(peer)?.party()))
        else {
            return;
        };
        let Some(mut agreed) = party.agreed() else { return };
        // Who may not be heard sends no fax either.
        agreed.sends &= !agreed.is_fax || side.lets_pass(call, Kind::Audio, false);
        agreed.is_silenced = side.is_silenced(call);
        let passes = |number: u8| {
            let (kind, silence) =
                agreed.payloads.meaning(number).map_or((Kind::Audio, None), |it| (it.kind, it.silence));
            side.lets_pass(call, kind, silence.is_some())
        };
        let patch = patch(party, peer, Signalled::default()).map(|patch| {
            let from = patch.from.into_iter().filter(|codec| passes(codec.payload_type)).collect();
            Patch { from, ..patch }
        });
        let is_audio = |codec: &Codec| codec.kind() == Kind::Audio;
        let route = match patch.filter(|patch| patch.from.iter().any(is_audio)).zip(side.peer) {
            Some((patch, to)) => Route::Patched { to, patch: Box::new(patch) },
            None => {
                let map = payload_map(party, peer);
                Route::Direct(Box::new(map.iter().filter(|(number, _)| passes(*number)).collect()))
            }
        };
        self.command(leg, MediaCommand::Configure(Box::new(agreed), route));
        self.configure_video(call, leg);
        if let Some(side) = call.side_mut(leg) {
            self.play_on(side);
        }
    }

    fn credentials(&mut self) -> Credentials {
        let mut random = [0; Credentials::RANDOM_LEN];
        rand::Rng::fill_bytes(&mut self.random, &mut random);
        Credentials::from_random(&random)
    }

    /// Finds the sides of an offer, and has those opened that are new. Nothing is opened unless all can be.
    fn sides_of_offer(
        &mut self,
        now: Instant,
        call: &mut Call,
        exchange: &Exchange,
        warnings: &mut Vec<&'static str>,
    ) -> Result<(LegKey, LegKey), Reason> {
        let (whose, flags) = (&exchange.whose, &exchange.flags);
        let has_video = self.settings.video && offers_video(&exchange.sdp);
        let from = whose.from.as_ref().ok_or(Reason::NoTag)?;
        let offerer = call.tagged(from).map(|side| (side.leg, side.profile));
        let profile = match offerer {
            Some((_, profile)) => profile,
            None => Profile::of_offer(&exchange.sdp).ok_or_else(|| refusal_of(&exchange.sdp))?,
        };
        let answerer = match offerer {
            Some((a, _)) if whose.to.is_none() && whose.via.is_none() => call.untagged(a),
            Some((a, _)) => call.partner(a, whose),
            None => whose.to.as_ref().and_then(|tag| call.tagged(tag)),
        };
        let answerer = answerer.map(|side| (side.leg, side.profile));
        let known = answerer.map(|(_, profile)| profile);
        let towards = plan::towards(flags, profile, &exchange.sdp, known, warnings)?;

        let interfaces = &self.settings.interfaces;
        let interface = |at: usize| flags.direction.get(at).or(flags.interface.as_ref());
        let source = flags.received_from.or(flags.media_address);
        let way_from = plan::way(interfaces, interface(0), None, source)?;
        let way_to = plan::way(interfaces, interface(1), flags.family, None)?;

        let a = match offerer {
            Some((a, _)) => a,
            // It is answered in kind.
            None => {
                let towards = plan::Towards { profile, srtp: Srtp::Offered, has_feedback: false };
                self.open_side(now, call, towards, way_from, has_video)?
            }
        };
        let b = match answerer {
            Some((b, _)) => {
                // One that was refused with one protocol may be offered another.
                if flags.transport.is_some_and(|transport| transport != TransportProtocol::Accept)
                    && let Some(side) = call.side_mut(b)
                {
                    side.set_transport(towards.srtp, towards.has_feedback);
                }
                b
            }
            None => match self.open_side(now, call, towards, way_to, has_video) {
                Ok(b) => b,
                Err(reason) => {
                    if offerer.is_none() {
                        self.close(call, a);
                    }
                    return Err(reason);
                }
            },
        };
        if let Some(side) = call.side_mut(a) {
            side.take_tag(&owned(from));
            side.source = side.source.or(source);
            side.label = whose.label.as_ref().map(owned).or(side.label.take());
        }
        if let Some(side) = call.side_mut(b).filter(|_| answerer.is_none()) {
            side.branch = whose.via.as_ref().map(owned);
            if let Some(tag) = &whose.to {
                side.take_tag(&owned(tag));
            }
        }
        call.pair(a, b);
        Ok((a, b))
    }

    /// Opens a side. A browser has a place for video always, because it costs nothing; others get ports of their own for
    /// it.
    fn open_side(
        &mut self,
        now: Instant,
        call: &mut Call,
        towards: plan::Towards,
        way: plan::Way,
        has_video: bool,
    ) -> Result<LegKey, Reason> {
        let number = call.next_leg().ok_or(Reason::TooManySides)?;
        let leg = owner::leg_key(owner::NG_WORKER, call.number, number);
        let plan::Way { signalling, advertised } = way;
        let plan::Towards { profile, srtp, has_feedback } = towards;
        // Most calls have two sides and no more.
        call.sides.reserve_exact(if call.sides.is_empty() { 2 } else { 1 });
        call.sides.push(Side { advertised, srtp, has_feedback, ..Side::new(now, leg, profile, signalling) });
        let medium = match profile {
            Profile::WebRtc => Medium::WebRtc,
            Profile::Rtp => Medium::Rtp,
        };
        let video = has_video || self.settings.video && profile == Profile::WebRtc;
        self.command(leg, MediaCommand::Open { medium, signalling, video });
        Ok(leg)
    }
}

/// A copy of a side's state of offer and answer; `None` while it is opened.
fn open(call: &Call, leg: LegKey) -> Result<Option<Party>, Reason> {
    match call.side(leg).map(|side| &side.state) {
        Some(State::Open(party)) => Ok(Some(Party::clone(party))),
        Some(State::Opening) => Ok(None),
        Some(State::Failed(why)) => Err(Reason::NotOpened(why.clone())),
        None => Err(Reason::Deleted),
    }
}

fn put(call: &mut Call, leg: LegKey, party: Party) {
    if let Some(side) = call.side_mut(leg) {
        side.state = State::Open(Box::new(party));
    }
}

/// A name in memory of its own: what is kept must not keep the datagram.
fn owned(name: &bytes::Bytes) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(name)
}

/// Why neither profile takes an offer: the reason of the one that it is nearer to.
fn refusal_of(sdp: &[u8]) -> Reason {
    let has_ice = sdp.windows(12).any(|window| window == b"a=ice-ufrag:");
    let profile = if has_ice { Profile::WebRtc } else { Profile::Rtp };
    let local = Local {
        profile,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        rtp: 9,
        rtcp: 9,
        ice: None,
        candidates: Vec::new(),
        fingerprint: None,
        srtp: Srtp::Offered,
        seed: None,
        video: None,
    };
    match Party::new(local, 0).handle_offer(sdp) {
        Err(refusal) => Reason::Refused(refusal),
        Ok(()) => Reason::OtherTransport,
    }
}
