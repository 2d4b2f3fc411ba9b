//! One leg's state of offer and answer.

use std::net::IpAddr;

use bytes::Bytes;
use ringback_nat::ice::Credentials;

use super::acceptance::{check_answer, choose, meant_direction, names, remote};
use super::agreed::{Agreed, Side, Written};
use super::bypass::Source;
use super::fax::{T38, is_fax};
use super::formats::{
    answered, answered_alone, is_ours, known_to_us, offered_alone, renumbered, supplemented, with_events,
};
use super::protection::{Protection, shakes_hands, to_answer};
use super::video::{check_video, choose_video, in_order};
use super::writing::{Content, Frame, Live, describe};
use super::{Candidates, Dtls, LegSettings, Local, Payload, Profile, Refusal, Sdes, Seed, Srtp, Transcoding};
use crate::dtls::Role;
use crate::sdp::{Codec, Crypto, Description, Direction, Feedback, Kind, MediaType, Origin, Section, Setup};
use crate::srtp::Mki;

/// One leg's state of offer and answer (RFC 3264): plain data, without a socket or a clock.
#[derive(Debug, Clone)]
pub struct Party {
    pub(super) local: Local,
    /// Where the far end's signalling comes from, while its media goes past us.
    pub(super) past: Option<Source>,
    transcoding: Transcoding,
    /// Whether our own first offer has the profile with feedback in its protocol.
    pub(super) has_feedback: bool,
    /// Whether there is music for it while others neither speak to it nor listen.
    has_music: bool,
    /// The address of our `o=` line, which stays as it is (RFC 3264 §8).
    origin: IpAddr,
    /// The session id of our `o=` line.
    session: u64,
    /// The highest version of our `o=` line so far; 0 before the first description.
    version: u64,
    /// The last exchange that was completed.
    pub(super) agreed: Option<Agreed>,
    /// An offer that waits for its answer.
    pub(super) pending: Option<Pending>,
}

#[derive(Debug, Clone)]
pub(super) enum Pending {
    /// The far end waits for our answer.
    Theirs { offer: Description, served: usize, video: Option<usize> },
    /// We wait for the far end's answer.
    Ours { offer: Written, served: usize },
}

impl Party {
    /// A leg without any description; `session` becomes the session id of our `o=` line.
    pub fn new(local: Local, session: u64) -> Party {
        Party {
            past: None,
            transcoding: Transcoding::default(),
            has_feedback: false,
            has_music: false,
            origin: local.address,
            local,
            session,
            version: 0,
            agreed: None,
            pending: None,
        }
    }

    /// Says when codecs of ours are offered to this party behind those of another.
    pub fn set_transcoding(&mut self, transcoding: Transcoding) {
        self.transcoding = transcoding;
    }

    /// Says how our first offer to this party is protected, and whether its protocol is that of the profile with feedback:
    /// `RTP/AVPF` ([RFC 4585]) or `RTP/SAVPF` ([RFC 5124]). An exchange that is completed stays as it is.
    ///
    /// [RFC 4585]: https://www.rfc-editor.org/rfc/rfc4585
    /// [RFC 5124]: https://www.rfc-editor.org/rfc/rfc5124
    pub fn set_transport(&mut self, srtp: Srtp, has_feedback: bool) {
        if self.agreed.is_none() {
            self.local.srtp = srtp;
            self.has_feedback = has_feedback;
        }
    }

    /// Says whether music is played to this party while others hold it: it is told to listen then, also where they are
    /// inactive.
    pub fn set_hold_music(&mut self, has_music: bool) {
        self.has_music = has_music;
    }

    /// The direction in which another party's is told to this one.
    fn towards(&self, direction: Direction) -> Direction {
        match direction {
            Direction::Inactive if self.has_music && self.past.is_none() => Direction::SendOnly,
            direction => direction,
        }
    }

    /// Takes an offer of this party, the first or a later one.
    ///
    /// It replaces an earlier one that has no answer yet. While an offer of ours waits, it is [`Refusal::Glare`]. A
    /// refused offer changes nothing.
    pub fn handle_offer(&mut self, sdp: &[u8]) -> Result<(), Refusal> {
        if let Some(Pending::Ours { .. }) = self.pending {
            return Err(Refusal::Glare);
        }
        let offer = Description::parse(sdp)?;
        let served = choose(&offer, self.local.profile, self.local.srtp, self.agreed.as_ref())?;
        let is_fax = offer.sections.get(served).is_some_and(is_fax);
        let last = self.agreed.as_ref().and_then(|agreed| agreed.video);
        let video = if is_fax { None } else { choose_video(&offer, &self.local, served, last) };
        self.pending = Some(Pending::Theirs { offer, served, video });
        Ok(())
    }

    /// Takes this party's answer to our offer, or to [`Party::current`] when that was sent as one.
    ///
    /// A further answer to the same offer replaces the one before (a 200 after a 183). A refused answer changes nothing.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<(), Refusal> {
        let (ours, served) = match (&self.pending, &self.agreed) {
            (Some(Pending::Ours { offer, served }), _) => (offer, *served),
            (None, Some(agreed)) => (&agreed.ours, agreed.served),
            (Some(Pending::Theirs { .. }), _) | (None, None) => return Err(Refusal::NoOffer),
        };
        let theirs = Description::parse(sdp)?;
        check_answer(&theirs, ours.description.sections.get(served), self.local.profile, served)?;
        let is_fax = ours.description.sections.get(served).is_some_and(is_fax);
        let (offered, taken) = (codecs_at(&ours.description, served), codecs_at(&theirs, served));
        if !is_fax && answered(offered, taken).is_empty() {
            return Err(Refusal::NoCommonCodec { offered: names(offered), supported: names(taken) });
        }
        let video = check_video(&ours.description, &theirs, &self.local, served);
        let (resting, key_changes) = self.rest_audio(is_fax, self.key_changes());
        let (ours, offerer) = (ours.clone(), Side::Us);
        self.agreed = Some(Agreed { ours, theirs, served, video, offerer, key_changes, resting });
        self.pending = None;
        Ok(())
    }

    /// Offers to this party what another described last: its codecs in its order, its direction and ptime.
    ///
    /// It replaces an offer of ours that waits; while one of theirs waits, it is [`Refusal::Glare`].
    pub fn offer(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        let direction = self.towards(from.direction().ok_or(Refusal::NoDescription)?);
        self.offer_in_direction(from, direction, from.video_direction())
    }

    /// The same, in both directions whatever was held: the 200 to a re-INVITE without an offer, which leaves the party
    /// free to resume ([RFC 3261 §14.2]).
    ///
    /// [RFC 3261 §14.2]: https://www.rfc-editor.org/rfc/rfc3261#section-14.2
    pub fn offer_afresh(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        let video = from.video_direction().map(|_| Direction::SendRecv);
        self.offer_in_direction(from, Direction::SendRecv, video)
    }

    /// Offers to this party what it described last, in both directions, when it comes to talk to nobody else: all of it
    /// to hear itself, and what we can make and understand when it is `mixed` with others.
    pub fn offer_itself(&mut self, mixed: bool) -> Result<Bytes, Refusal> {
        if self.described().is_some_and(is_fax) {
            return Err(Refusal::NoFax);
        }
        if mixed {
            return self.offer_ours();
        }
        let itself = self.clone();
        self.offer_afresh(&itself)
    }

    /// Offers to this party, in both directions, what it described last, as far as we can make it and understand it.
    fn offer_ours(&mut self) -> Result<Bytes, Refusal> {
        let mut described = self.clone();
        let description = match (&mut described.pending, &mut described.agreed) {
            (Some(Pending::Theirs { offer, served, .. }), _) => offer.sections.get_mut(*served),
            (_, Some(Agreed { theirs, served, .. })) => theirs.sections.get_mut(*served),
            (_, None) => None,
        };
        let codecs = &mut description.ok_or(Refusal::NoDescription)?.codecs;
        if !codecs.iter().any(is_ours) {
            return Err(Refusal::NoCommonCodec { offered: names(codecs), supported: names(&known_to_us()) });
        }
        codecs.retain(|codec| codec.kind() != Kind::Audio || is_ours(codec));
        self.offer_in_direction(&described, Direction::SendRecv, None)
    }

    /// Offers to this party what another answered to our own offer: the 200 to an INVITE without an offer.
    pub fn offer_from_answer(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        match &from.agreed {
            Some(Agreed { offerer: Side::Us, .. }) => self.offer(from),
            _ => Err(Refusal::NoDescription),
        }
    }

    /// Offers Opus, PCMA, PCMU and telephone-event: an INVITE on behalf of one that has no offer.
    ///
    /// It forgets an offer of theirs that waits: who offers of our own accord has refused that.
    pub fn offer_alone(&mut self) -> Bytes {
        let content = Content {
            codecs: offered_alone(),
            fax: None,
            direction: Direction::SendRecv,
            ptime: None,
            maxptime: None,
            rtcp_mux: false,
            feedback: Feedback::default(),
        };
        self.offer_content(content, None)
    }

    /// Answers this party's offer with what another described last.
    ///
    /// Called again with unchanged input, it gives the same bytes.
    pub fn answer(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        self.face(from);
        if self.offers_fax() {
            return self.answer_fax(from);
        }
        let section = from.described().ok_or(Refusal::NoDescription)?;
        let (offer, served) = self.offer_of_theirs()?;
        let offered = codecs_at(offer, served);
        let mut codecs = answered(offered, &section.codecs);
        if self.may_transcode() {
            codecs = with_events(codecs, offered);
        }
        if codecs.is_empty() && self.may_transcode() && section.codecs.iter().any(is_ours) {
            codecs = answered_alone(offered);
        }
        if codecs.is_empty() {
            return Err(Refusal::NoCommonCodec {
                offered: names(offered),
                supported: names(&section.codecs),
            });
        }
        let content = Content {
            codecs,
            fax: None,
            direction: self.towards(meant_direction(section, from.local.profile)),
            ptime: section.ptime,
            maxptime: section.maxptime,
            rtcp_mux: self.past.is_none() || section.rtcp_mux,
            feedback: Feedback::default(),
        };
        let video = self.video_to_answer(from);
        self.answer_content(content, video)
    }

    /// Answers this party's offer by ourselves, for an echo or an announcement: with the first of its codecs that we
    /// know and the telephone-event of that clock rate.
    pub fn answer_alone(&mut self) -> Result<Bytes, Refusal> {
        if self.offers_fax() && !self.decline_fax() {
            return Err(Refusal::NoFax);
        }
        let (offer, served) = self.offer_of_theirs()?;
        let offered = codecs_at(offer, served);
        let codecs = answered_alone(offered);
        if codecs.is_empty() {
            return Err(Refusal::NoCommonCodec { offered: names(offered), supported: names(&known_to_us()) });
        }
        let ptime = offer.sections.get(served).and_then(|section| section.ptime);
        let content = Content {
            codecs,
            fax: None,
            direction: Direction::SendRecv,
            ptime,
            maxptime: None,
            rtcp_mux: true,
            feedback: Feedback::default(),
        };
        self.answer_content(content, None)
    }

    /// Our current description again, unchanged: of the last exchange, or of an offer that waits.
    ///
    /// It may be sent as an offer too (a session refresh, a re-INVITE without one): [`Party::handle_answer`] takes the
    /// answer.
    pub fn current(&self) -> Option<Bytes> {
        match (&self.pending, &self.agreed) {
            (_, Some(agreed)) => Some(agreed.ours.text.clone()),
            (Some(Pending::Ours { offer, .. }), None) => Some(offer.text.clone()),
            _ => None,
        }
    }

    /// Our offer that waits for its answer.
    pub fn offered(&self) -> Option<Bytes> {
        match &self.pending {
            Some(Pending::Ours { offer, .. }) => Some(offer.text.clone()),
            _ => None,
        }
    }

    /// Forgets an offer that waits, ours or theirs, because it failed: the last exchange holds.
    pub fn rollback(&mut self) {
        self.pending = None;
    }

    /// What the media worker has to know, once offer and answer are both there.
    pub fn agreed(&self) -> Option<LegSettings> {
        let agreed = self.agreed.as_ref()?;
        self.agreed_at(agreed, agreed.served)
    }

    /// The same for the section of an index.
    pub(super) fn agreed_at(&self, agreed: &Agreed, index: usize) -> Option<LegSettings> {
        let (ours, theirs) = agreed.sections_at(index)?;
        let transport = agreed.theirs.transport_of(index)?;
        let direction = meant_direction(theirs, self.local.profile);
        let answer = match agreed.offerer {
            Side::Us => theirs,
            Side::Them => ours,
        };
        let is_webrtc = self.local.profile == Profile::WebRtc;
        let has_handshake = is_webrtc || shakes_hands(ours, theirs);
        Some(LegSettings {
            remote: if is_webrtc { None } else { remote(theirs, ours.rtcp_mux && theirs.rtcp_mux) },
            ice: transport.ice.clone().filter(|_| is_webrtc),
            candidates: Candidates::of(&transport.candidates),
            dtls: has_handshake
                .then(|| Dtls { role: agreed.role_at(index), fingerprints: transport.fingerprints.clone() }),
            sdes: agreed
                .keys_at(index)
                .filter(|_| !has_handshake)
                .map(|(ours, theirs)| Sdes { send: ours.master.clone(), receive: theirs.master.clone() }),
            sends: direction.sends() && ours.direction.receives(),
            receives: direction.receives() && ours.direction.sends(),
            payloads: sent_codecs(ours, theirs)
                .filter(|codec| codec.kind() != Kind::Wrapper)
                .map(|codec| (codec.payload_type, Payload::of(codec)))
                .collect(),
            is_silenced: false,
            is_fax: agreed.serves_fax() && index == agreed.served,
            codec: answer
                .codecs
                .iter()
                .find(|codec| matches!(codec.kind(), Kind::Audio | Kind::Video))
                .map(|codec| codec.name.clone())
                .or_else(|| is_fax(answer).then(|| T38.to_owned()))
                .unwrap_or_default(),
        })
    }

    /// The direction that this party described last, as it sees it.
    pub fn direction(&self) -> Option<Direction> {
        self.described().map(|section| meant_direction(section, self.local.profile))
    }

    /// Whether this party holds the other: it described last that it does not want to receive.
    pub fn is_on_hold(&self) -> bool {
        self.direction().is_some_and(|direction| !direction.receives())
    }

    /// Whether the offer that waits says the same as this party's last description: a session refresh, which
    /// [`Party::answer`] may answer without asking the other party.
    pub fn repeats_itself(&self) -> bool {
        let (Some(Pending::Theirs { offer, .. }), Some(agreed)) = (&self.pending, &self.agreed) else {
            return false;
        };
        let last = Description { origin: offer.origin, ..agreed.theirs.clone() };
        *offer == last
    }

    /// Whether the offer that waits restarts ICE ([RFC 8839 §4.4.1.1.1]): our answer then needs new credentials, by
    /// [`Party::set_ice`].
    ///
    /// [RFC 8839 §4.4.1.1.1]: https://www.rfc-editor.org/rfc/rfc8839#section-4.4.1.1.1
    pub fn restarts_ice(&self) -> bool {
        let (Some(Pending::Theirs { offer, served, .. }), Some(agreed)) = (&self.pending, &self.agreed)
        else {
            return false;
        };
        let new = offer.transport_of(*served).and_then(|section| section.ice.as_ref());
        let last = agreed.theirs.transport_of(agreed.served).and_then(|section| section.ice.as_ref());
        last.is_some() && new != last
    }

    /// Changes our ICE credentials in the descriptions to come.
    pub fn set_ice(&mut self, credentials: Credentials) {
        self.local.ice = Some(credentials);
    }

    /// The audio codecs that this party described last, such as `opus/48000/2`.
    pub fn codecs(&self) -> Vec<String> {
        self.described().map(|section| names(&section.codecs)).unwrap_or_default()
    }

    /// The payload type and clock rate of the telephone events that this party takes, if it takes any.
    pub fn events(&self) -> Option<(u8, u32)> {
        let codecs = self.remote_codecs()?;
        let audio = codecs.iter().find(|codec| codec.kind() == Kind::Audio)?;
        let events = codecs
            .iter()
            .find(|codec| codec.kind() == Kind::TelephoneEvent && codec.clock_rate == audio.clock_rate)?;
        Some((events.payload_type, events.clock_rate))
    }

    /// The transport protocol of the section that is served, as it stands in our last description; before it that of our
    /// own offers.
    pub fn protocol(&self) -> &str {
        let waiting = match &self.pending {
            Some(Pending::Ours { offer, served }) => offer.description.sections.get(*served),
            _ => None,
        };
        let section = self.last_written().or(waiting);
        section.map_or(self.local.profile.protocol(), |section| &section.protocol)
    }

    /// Our side of the leg.
    pub const fn local(&self) -> &Local {
        &self.local
    }

    /// The codecs that this party receives, in its numbers: those of its description that ours has too.
    pub(super) fn remote_codecs(&self) -> Option<Vec<Codec>> {
        let agreed = self.agreed.as_ref()?;
        let (ours, theirs) = (agreed.our_section()?, agreed.their_section()?);
        Some(theirs.codecs.iter().filter(|codec| is_listed(codec, &ours.codecs)).cloned().collect())
    }

    /// What a format is in the numbers of this party, when it receives it: before all one with the same parameters.
    pub(super) fn received_as(&self, codec: &Codec) -> Option<&Codec> {
        let agreed = self.agreed.as_ref()?;
        let (ours, theirs) = (agreed.our_section()?, agreed.their_section()?);
        let same = || {
            let codecs = theirs.codecs.iter().filter(|other| other.is_same_format(codec));
            codecs.filter(|other| is_listed(other, &ours.codecs))
        };
        same().find(|other| other.fmtp == codec.fmtp).or_else(|| same().next())
    }

    /// The codecs that this party sends, in the numbers it sends them with: those of our description that its own has
    /// too, and then its own numbers for them where they mean nothing else.
    pub(super) fn sent_codecs(&self) -> impl Iterator<Item = &Codec> {
        let sections =
            self.agreed.as_ref().and_then(|agreed| Some((agreed.our_section()?, agreed.their_section()?)));
        sections.into_iter().flat_map(|(ours, theirs)| sent_codecs(ours, theirs))
    }

    /// The served section of this party's last description.
    pub(super) fn described(&self) -> Option<&Section> {
        match (&self.pending, &self.agreed) {
            (Some(Pending::Theirs { offer, served, .. }), _) => offer.sections.get(*served),
            (_, Some(agreed)) => agreed.their_section(),
            (_, None) => None,
        }
    }

    /// The offer of this party that is to be answered, or that was answered last.
    pub(super) fn offer_of_theirs(&self) -> Result<(&Description, usize), Refusal> {
        match (&self.pending, &self.agreed) {
            (Some(Pending::Theirs { offer, served, .. }), _) => Ok((offer, *served)),
            (None, Some(Agreed { theirs, served, offerer: Side::Them, .. })) => Ok((theirs, *served)),
            _ => Err(Refusal::NoOffer),
        }
    }

    fn offer_in_direction(
        &mut self,
        from: &Party,
        direction: Direction,
        video: Option<Direction>,
    ) -> Result<Bytes, Refusal> {
        let section = from.described().ok_or(Refusal::NoDescription)?;
        if let Some(Pending::Theirs { .. }) = self.pending {
            return Err(Refusal::Glare);
        }
        if is_fax(section) {
            return self.offer_fax(from, direction);
        }
        let mut known = Vec::new();
        if let Some(Agreed { ours, theirs, served, resting, .. }) = &self.agreed {
            known.extend(resting.iter().flat_map(|resting| resting.codecs.iter().cloned()));
            known.extend_from_slice(codecs_at(&ours.description, *served));
            known.extend_from_slice(codecs_at(theirs, *served));
            // In a bundle a number means one thing in all sections.
            let others =
                ours.description.sections.iter().chain(&theirs.sections).flat_map(|section| &section.codecs);
            known.extend(
                others.filter(|codec| codec.kind() == Kind::Video || codec.kind() == Kind::Wrapper).cloned(),
            );
        }
        self.face(from);
        let codecs = match self.past {
            Some(_) => section.codecs.clone(),
            None => supplemented(&section.codecs, self.transcoding),
        };
        let content = Content {
            codecs: renumbered(&codecs, &known),
            fax: None,
            direction,
            ptime: section.ptime,
            maxptime: section.maxptime,
            rtcp_mux: self.past.is_some() && section.rtcp_mux,
            feedback: Feedback::default(),
        };
        let video = video.and_then(|direction| self.video_to_offer(from, direction, &content.codecs));
        Ok(self.offer_content(content, video))
    }

    /// Whether we may stand between this party and another: not while its media goes past us.
    pub(super) fn may_transcode(&self) -> bool {
        self.past.is_none() && self.transcoding != Transcoding::Never
    }

    pub(super) fn offer_content(&mut self, content: Content, video: Option<Content>) -> Bytes {
        let (served, frame) = self.offered_place(&content);
        let others = self.agreed.as_ref().map_or(&[][..], |agreed| &agreed.ours.description.sections);
        let frame = match self.past {
            // Whose media goes past us has no keys of ours.
            Some(_) => {
                Frame { rtcp_mux: content.rtcp_mux, crypto: Vec::new(), has_handshake: false, ..frame }
            }
            None => frame,
        };
        let video = video.map(|content| self.offered_video(others, served, &frame, content));
        let audio = Live { place: served, media: content.media(), frame, content };
        let description = describe(&self.local, self.first_origin(), others, in_order(audio, video));
        let offer = self.write(description);
        let text = offer.text.clone();
        self.pending = Some(Pending::Ours { offer, served });
        text
    }

    /// Our description as an offer that differs from all before, with this section served.
    pub(super) fn offer_as_new(&mut self, mut description: Description, served: usize) -> Bytes {
        self.version += 1;
        description.origin.version = self.version;
        let text = description.write();
        let offer = Written { text: text.clone(), description };
        self.pending = Some(Pending::Ours { offer, served });
        text
    }

    pub(super) fn answer_content(
        &mut self,
        content: Content,
        video: Option<Content>,
    ) -> Result<Bytes, Refusal> {
        let (offer, served) = self.offer_of_theirs()?;
        let section = offer.sections.get(served).ok_or(Refusal::NoAudio)?;
        let [mut key_changes, mut video_key_changes] = self.key_changes();
        let mut live = |media: MediaType, place, section: &Section, content: Content| {
            let allowed = meant_direction(section, self.local.profile).reversed();
            let content = Content { direction: content.direction.and(allowed), ..content };
            let (last, seed, changes) = match (media == MediaType::Video, &self.local.video) {
                (true, video) => (
                    self.agreed.as_ref().and_then(|agreed| agreed.video),
                    video.as_ref().and_then(|video| video.seed.as_ref()),
                    &mut video_key_changes,
                ),
                (false, _) => (
                    self.agreed.as_ref().map(|agreed| agreed.served),
                    self.local.seed.as_ref(),
                    &mut key_changes,
                ),
            };
            let protection = match self.local.profile {
                Profile::Rtp if media == MediaType::Image => Protection::Clear,
                Profile::WebRtc => Protection::Clear,
                Profile::Rtp => to_answer(section, &self.local, seed)?,
            };
            let crypto = match &protection {
                Protection::Sdes(first) => self.answer_crypto(first, section, last, seed, changes)?,
                Protection::Clear | Protection::Dtls => None,
            };
            let frame = Frame {
                protocol: section.protocol.clone(),
                mid: section.mid.clone(),
                bundled: section
                    .mid
                    .as_ref()
                    .is_some_and(|mid| offer.bundles.iter().any(|b| b.contains(mid))),
                rtcp_mux: section.rtcp_mux && content.rtcp_mux,
                setup: match self.local.profile {
                    // There is one association for all.
                    Profile::WebRtc => {
                        self.answer_setup(offer, served, self.agreed.as_ref().map(|agreed| agreed.served))
                    }
                    Profile::Rtp => self.answer_setup(offer, place, last),
                },
                crypto: crypto.into_iter().collect(),
                has_handshake: protection == Protection::Dtls,
            };
            Ok::<_, Refusal>(Live { place, media, frame, content })
        };
        let is_fax = content.fax.is_some();
        let audio = live(content.media(), served, section, content)?;
        let place = self.video_of_theirs();
        // Video that cannot be protected as its offer wants is refused, and the call goes on without.
        let video = video
            .zip(place.and_then(|place| Some((place, offer.sections.get(place)?))))
            .and_then(|(content, (place, section))| live(MediaType::Video, place, section, content).ok());
        let index = video.as_ref().map(|video| video.place);
        let description = describe(&self.local, self.first_origin(), &offer.sections, in_order(audio, video));
        let theirs = offer.clone();
        let ours = self.write(description);
        let text = ours.text.clone();
        let (resting, key_changes) = self.rest_audio(is_fax, [key_changes, video_key_changes]);
        let (video, offerer) = (index, Side::Them);
        self.agreed = Some(Agreed { ours, theirs, served, video, offerer, key_changes, resting });
        self.pending = None;
        Ok(text)
    }

    /// Our line that answers theirs, of which one may be in force already, and how often our key has changed with it: it
    /// does when theirs has ([RFC 4568 §7.1.4]), and when media was in the clear in between.
    ///
    /// [RFC 4568 §7.1.4]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.4
    fn answer_crypto(
        &self,
        first: &Crypto,
        section: &Section,
        last: Option<usize>,
        seed: Option<&Seed>,
        changes: &mut u32,
    ) -> Result<Option<Crypto>, Refusal> {
        if let Some((ours, last)) =
            self.agreed.as_ref().zip(last).and_then(|(agreed, last)| agreed.keys_at(last))
            && let Some(theirs) = section.crypto.iter().find(|crypto| crypto.master == last.master)
        {
            return Ok(Some(Crypto { tag: theirs.tag, ..ours.clone() }));
        }
        let seed = seed.ok_or(Refusal::NoCrypto)?;
        *changes += u32::from(self.agreed.is_some());
        // Who puts identifiers into its packets looks for them in ours.
        let mki = first.master.mki.filter(|mki| mki.len <= Mki::MAX_SENT);
        Ok(seed.crypto(first.tag, first.master.suite, *changes).map(|crypto| crypto.with_mki(mki)))
    }

    fn key_changes(&self) -> [u32; 2] {
        self.agreed.as_ref().map_or([0; 2], |agreed| agreed.key_changes)
    }

    fn first_origin(&self) -> Origin {
        Origin { session: self.session, version: 0, address: self.origin }
    }

    /// The served section of our last description that was answered, or that answers.
    pub(super) fn last_written(&self) -> Option<&Section> {
        self.agreed.as_ref()?.our_section()
    }

    /// Our role in the answer to an offer: what the offer leaves, or the one we have, or the server.
    fn answer_setup(&self, offer: &Description, index: usize, last: Option<usize>) -> Setup {
        let transport = offer.transport_of(index);
        match transport.and_then(|section| section.setup) {
            Some(Setup::Passive) => Setup::Active,
            // RFC 4145 §4.1: an offer without the attribute is active.
            Some(Setup::Active | Setup::HoldConn) | None => Setup::Passive,
            Some(Setup::ActPass) => {
                let last = self.agreed.as_ref().zip(last).filter(|(agreed, last)| {
                    agreed.theirs.transport_of(*last).map(|section| &section.fingerprints)
                        == transport.map(|section| &section.fingerprints)
                });
                match last.map(|(agreed, last)| agreed.role_at(last)) {
                    Some(Role::Client) => Setup::Active,
                    Some(Role::Server) | None => Setup::Passive,
                }
            }
        }
    }

    /// Gives a description its version and its text: those of our last one when nothing else differs.
    fn write(&mut self, mut description: Description) -> Written {
        let waiting = match &self.pending {
            Some(Pending::Ours { offer, .. }) => Some(offer),
            _ => None,
        };
        for last in self.agreed.as_ref().map(|agreed| &agreed.ours).into_iter().chain(waiting) {
            description.origin.version = last.description.origin.version;
            if description == last.description {
                return last.clone();
            }
        }
        self.version += 1;
        description.origin.version = self.version;
        Written { text: description.write(), description }
    }
}

pub(super) fn codecs_at(description: &Description, index: usize) -> &[Codec] {
    description.sections.get(index).map_or(&[], |section| &section.codecs)
}

/// The codecs of a section that its far end sends, in the numbers it sends them with; see [`Party::sent_codecs`].
pub(super) fn sent_codecs<'a>(ours: &'a Section, theirs: &'a Section) -> impl Iterator<Item = &'a Codec> {
    let rightly = ours.codecs.iter().filter(|codec| is_listed(codec, &theirs.codecs));
    let wrongly = theirs.codecs.iter().filter(|codec| {
        is_listed(codec, &ours.codecs)
            && ours.codecs.iter().all(|other| other.payload_type != codec.payload_type)
    });
    rightly.chain(wrongly)
}

pub(super) fn is_listed(codec: &Codec, list: &[Codec]) -> bool {
    list.iter().any(|other| other.is_same_format(codec))
}
