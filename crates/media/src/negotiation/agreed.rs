//! A completed exchange of offer and answer, and what follows from it.

use std::fmt;

use bytes::Bytes;

use super::protection::{chosen, shakes_hands};
use super::writing::Frame;
use crate::dtls::Role;
use crate::sdp::{Codec, Crypto, Description, Section, Setup};

/// A completed exchange.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    pub(super) ours: Written,
    pub(super) theirs: Description,
    /// The index of the audio section that is served.
    pub(super) served: usize,
    /// The same of video, when there is one.
    pub(super) video: Option<usize>,
    pub(super) offerer: Side,
    /// How often our SDES keys have changed: of audio and of video.
    pub(super) key_changes: [u32; 2],
    /// The audio that a fax has taken the place of.
    pub(super) resting: Option<Box<Resting>>,
}

/// Where audio stood, how it was framed, with the key that was in force, and what its payload types meant.
#[derive(Debug, Clone)]
pub(super) struct Resting {
    pub(super) place: usize,
    pub(super) frame: Frame,
    pub(super) codecs: Vec<Codec>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Us,
    Them,
}

/// A description of ours and its text.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) description: Description,
    pub(super) text: Bytes,
}

impl Agreed {
    pub(super) fn our_section(&self) -> Option<&Section> {
        self.ours.description.sections.get(self.served)
    }

    pub(super) fn their_section(&self) -> Option<&Section> {
        self.theirs.sections.get(self.served)
    }

    /// The section of an index, of ours and of theirs.
    pub(super) fn sections_at(&self, index: usize) -> Option<(&Section, &Section)> {
        Some((self.ours.description.sections.get(index)?, self.theirs.sections.get(index)?))
    }

    /// Our line and theirs that the keys of a section are taken from.
    pub(super) fn keys_at(&self, index: usize) -> Option<(&Crypto, &Crypto)> {
        let (ours, theirs) = self.sections_at(index)?;
        match self.offerer {
            Side::Us => chosen(ours, theirs),
            Side::Them => chosen(theirs, ours).map(|(theirs, ours)| (ours, theirs)),
        }
    }

    /// Our DTLS role for a section: the answer's word, or what it leaves us.
    pub(super) fn role_at(&self, index: usize) -> Role {
        let ours = self.ours.description.sections.get(index).and_then(|section| section.setup);
        let theirs = self.theirs.transport_of(index).and_then(|section| section.setup);
        match (self.offerer, ours, theirs) {
            (Side::Them, Some(Setup::Active), _) | (Side::Us, _, Some(Setup::Passive)) => Role::Client,
            // An answer must choose; one that says actpass or nothing is taken for the usual `active`.
            _ => Role::Server,
        }
    }

    /// How a section is framed in a later offer: as it is, with the key in force, but with the role open
    /// ([RFC 8842 §5.5]).
    ///
    /// [RFC 8842 §5.5]: https://www.rfc-editor.org/rfc/rfc8842#section-5.5
    pub(super) fn frame_at(&self, index: usize) -> Frame {
        let section = self.ours.description.sections.get(index);
        Frame {
            protocol: section.map(|section| section.protocol.clone()).unwrap_or_default(),
            mid: section.and_then(|section| section.mid.clone()),
            bundled: !self.ours.description.bundles.is_empty(),
            rtcp_mux: section.is_some_and(|section| section.rtcp_mux),
            setup: Setup::ActPass,
            crypto: self.keys_at(index).map(|(ours, _)| ours.clone()).into_iter().collect(),
            has_handshake: self.sections_at(index).is_some_and(|(ours, theirs)| shakes_hands(ours, theirs)),
        }
    }
}

/// Without the text, which holds our ICE password.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Written").field(&self.description).finish()
    }
}
