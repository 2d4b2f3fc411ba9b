//! A fax in the place of the audio of a leg: `m=image PORT udptl t38` ([RFC 3362], [ITU-T T.38] annex D).
//!
//! Machines and gateways call each other as telephones do, and change to it in mid-call when one hears the other's
//! tones; some begin with it. What T.38 says of itself (`a=T38...`) passes to the other end as it is, and the addresses
//! are ours. What comes is passed on as it is too: nothing of RTP holds of it ([`LegSettings::is_fax`]).
//!
//! - A far end puts the fax into the m= line of the audio, as [RFC 3264 §8.3.3] has it, or beside it, with the audio
//!   rejected or still there. Ours is in the m= line of the audio, unless the far end has one for faxes.
//! - There is audio or a fax and never both. Where an offer has both, a fax that it did not have before is meant: who
//!   had it beside the audio from the beginning says what it can. Such an offer is served by its audio where the other
//!   leg takes no fax.
//! - The audio comes back by any later offer of it, with the protection that it had, and with other keys than before.
//! - A fax is in the clear: what encrypts UDPTL ([RFC 7345]) is rare, and telephones that encrypt their audio send a
//!   fax in the clear. So a leg takes it where its audio may be in the clear too. One whose audio may not
//!   ([`Srtp::Required`], [`Srtp::Handshake`]) takes none, and neither does one of WebRTC, which has no words for it.
//!
//! Left out: what T.38 says over TCP and over RTP, the conversion between T.38 and tones in the audio, and video beside
//! it.
//!
//! [ITU-T T.38]: https://www.itu.int/rec/T-REC-T.38
//! [RFC 3264 §8.3.3]: https://www.rfc-editor.org/rfc/rfc3264#section-8.3.3
//! [RFC 3362]: https://www.rfc-editor.org/rfc/rfc3362
//! [RFC 7345]: https://www.rfc-editor.org/rfc/rfc7345
//!
//! [`LegSettings::is_fax`]: super::LegSettings::is_fax

use bytes::Bytes;

use super::acceptance::{check_address, choose_audio, meant_direction};
use super::agreed::{Agreed, Resting};
use super::party::Pending;
use super::video::choose_video;
use super::writing::{Content, Frame};
use super::{Local, Party, Profile, Refusal, Srtp};
use crate::sdp::{Crypto, Description, Direction, Feedback, Host, MediaType, Section};

impl Party {
    /// Offers to this party what another one offers: its audio, where a fax cannot pass and there is some beside it.
    pub fn pass_on(&mut self, from: &mut Party) -> Result<Bytes, Refusal> {
        match self.offer(from) {
            Err(Refusal::NoFax) if from.decline_fax() => self.offer(from),
            offer => offer,
        }
    }

    /// Serves the offer that waits by the audio beside its fax, because no fax can pass; says whether there is any.
    pub fn decline_fax(&mut self) -> bool {
        let last = self.agreed.as_ref();
        let (last_audio, last_video) = (last.map(|last| last.served), last.and_then(|last| last.video));
        let Some(Pending::Theirs { offer, served, video }) = &mut self.pending else { return false };
        if !offer.sections.get(*served).is_some_and(is_live_fax) {
            return false;
        }
        let Ok(audio) = choose_audio(offer, self.local.profile, self.local.srtp, last_audio) else {
            return false;
        };
        *served = audio;
        *video = choose_video(offer, &self.local, audio, last_video);
        true
    }

    /// Offers to this party again what was agreed with it last, as something new: it has answered an offer of ours by
    /// rejecting all of it, and would be left without any media.
    pub fn offer_anew(&mut self) -> Option<Bytes> {
        let agreed = self.agreed.as_ref().filter(|_| self.pending.is_none())?;
        let (served, frame) = (agreed.served, agreed.frame_at(agreed.served));
        let mut description = agreed.ours.description.clone();
        let section = description.sections.get_mut(served)?;
        section.setup = section.setup.map(|_| frame.setup);
        section.has_crypto = !frame.crypto.is_empty();
        section.crypto = frame.crypto;
        Some(self.offer_as_new(description, served))
    }

    /// Whether a fax may be offered to this party.
    const fn takes_fax(&self) -> bool {
        matches!(self.local.profile, Profile::Rtp) && !self.local.srtp.is_required()
    }

    /// Whether the offer of this party that is to be answered is served by its fax.
    pub(super) fn offers_fax(&self) -> bool {
        self.offer_of_theirs()
            .is_ok_and(|(offer, served)| offer.sections.get(served).is_some_and(is_live_fax))
    }

    /// Offers the fax that another party described last.
    pub(super) fn offer_fax(&mut self, from: &Party, direction: Direction) -> Result<Bytes, Refusal> {
        let section = from.described().ok_or(Refusal::NoDescription)?;
        if !self.takes_fax() {
            return Err(Refusal::NoFax);
        }
        self.face(from);
        Ok(self.offer_content(Content::of_fax(section, direction), None))
    }

    /// Answers an offer of a fax with what another party said to it.
    pub(super) fn answer_fax(&mut self, from: &Party) -> Result<Bytes, Refusal> {
        let section = from.described().filter(|section| is_fax(section)).ok_or(Refusal::NoFax)?;
        let direction = meant_direction(section, from.local().profile);
        self.answer_content(Content::of_fax(section, direction), None)
    }

    /// Where the audio or the fax of an offer of ours stands, and how it is framed.
    pub(super) fn offered_place(&self, content: &Content) -> (usize, Frame) {
        let is_fax = content.fax.is_some();
        let Some(agreed) = &self.agreed else {
            return (
                0,
                if is_fax { Frame::of_fax(None) } else { Frame::first(&self.local, self.has_feedback) },
            );
        };
        let sections = &agreed.ours.description.sections;
        let place_of = |media: MediaType| sections.iter().position(|section| section.media == media);
        if agreed.serves_fax() == is_fax {
            return (agreed.served, agreed.frame_at(agreed.served));
        }
        if is_fax {
            let place = place_of(MediaType::Image).unwrap_or(agreed.served);
            return (place, Frame::of_fax(sections.get(place).and_then(|section| section.mid.clone())));
        }
        match agreed.resting.as_deref() {
            Some(Resting { place, frame, .. }) => {
                let crypto = frame.crypto.iter().filter_map(|line| self.rekeyed(line, agreed)).collect();
                (*place, Frame { crypto, ..frame.clone() })
            }
            None => (
                place_of(MediaType::Audio).unwrap_or(agreed.served),
                Frame::first(&self.local, self.has_feedback),
            ),
        }
    }

    /// The line with the key that is in force after a fax.
    fn rekeyed(&self, line: &Crypto, agreed: &Agreed) -> Option<Crypto> {
        let [changes, _] = agreed.key_changes;
        let crypto = self.local.seed.as_ref()?.crypto(line.tag, line.master.suite, changes)?;
        Some(crypto.with_mki(line.master.mki))
    }

    /// What an exchange leaves of the audio, when it agrees on a fax, and how often keys have changed then: that of the
    /// audio does while it rests, because some far ends begin anew with it and some go on.
    pub(super) fn rest_audio(&self, is_fax: bool, key_changes: [u32; 2]) -> (Option<Box<Resting>>, [u32; 2]) {
        match &self.agreed {
            Some(agreed) if is_fax && agreed.serves_fax() => (agreed.resting.clone(), key_changes),
            Some(agreed) if is_fax => {
                let [audio, video] = key_changes;
                let (place, frame) = (agreed.served, agreed.frame_at(agreed.served));
                let sections = [agreed.our_section(), agreed.their_section()];
                let codecs = sections.into_iter().flatten().flat_map(|it| it.codecs.clone()).collect();
                let resting = Resting { place, frame, codecs };
                (Some(Box::new(resting)), [audio + 1, video])
            }
            Some(_) | None => (None, key_changes),
        }
    }
}

impl Agreed {
    /// Whether it is a fax.
    pub(super) fn serves_fax(&self) -> bool {
        self.our_section().is_some_and(is_fax)
    }
}

impl Content {
    /// The fax of a section that another party described.
    fn of_fax(section: &Section, direction: Direction) -> Content {
        Content {
            codecs: Vec::new(),
            fax: Some(section.t38.clone()),
            direction,
            ptime: None,
            maxptime: None,
            rtcp_mux: false,
            feedback: Feedback::default(),
        }
    }
}

/// The fax of an offer that is served; `None` where it has none, or where its audio is served.
pub(super) fn choose_fax(
    offer: &Description,
    profile: Profile,
    srtp: Srtp,
    last: Option<&Agreed>,
) -> Option<Result<usize, Refusal>> {
    let is_live_at = |index: &usize| offer.sections.get(*index).is_some_and(is_live_fax);
    let served = last.map(|last| last.served);
    let index = served.into_iter().chain(0..offer.sections.len()).find(is_live_at)?;
    let has_audio = offer.sections.iter().any(|it| it.media == MediaType::Audio && it.is_live());
    let is_meant = !has_audio
        || last.is_some_and(|last| last.serves_fax() || !last.theirs.sections.iter().any(is_live_fax));
    let section = offer.sections.get(index).filter(|_| is_meant && profile == Profile::Rtp)?;
    let taken = match srtp.is_required() {
        true if has_audio => return None,
        true => Err(Refusal::SrtpRequired),
        false => match check_address(section) {
            Err(_) if has_audio => return None,
            taken => taken,
        },
    };
    Some(taken.map(|()| index))
}

/// Checks the section of an answer to an offer of a fax.
pub(super) fn check_fax(answer: Option<&Section>) -> Result<(), Refusal> {
    let section = answer.filter(|section| is_live_fax(section)).ok_or(Refusal::FaxRejected)?;
    check_address(section)
}

/// The section of a fax of ours.
pub(super) fn serve_fax(local: &Local, frame: Frame, content: Content) -> Section {
    Section {
        connection: Some(Host::Address(local.address)),
        direction: content.direction,
        mid: frame.mid,
        t38: content.fax.unwrap_or_default(),
        ..Section::new(MediaType::Image, local.rtp, &frame.protocol, T38)
    }
}

/// Whether a section is a fax over UDPTL, in use or not.
pub(super) fn is_fax(section: &Section) -> bool {
    section.media == MediaType::Image
        && section.protocol.eq_ignore_ascii_case(UDPTL)
        && section.formats.split_ascii_whitespace().any(|format| format.eq_ignore_ascii_case(T38))
}

fn is_live_fax(section: &Section) -> bool {
    is_fax(section) && section.port != 0
}

/// The transport protocol of a fax.
pub(super) const UDPTL: &str = "udptl";
/// Its format, and the name of what is agreed.
pub(super) const T38: &str = "t38";
