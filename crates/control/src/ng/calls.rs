//! The calls: who belongs to them, and who of them talks to whom.
//!
//! A call has *sides*, each with one leg at the media workers and one state of offer and answer. The protocol calls a
//! side a monologue and knows it by its SIP tag, or, as long as nobody has answered, by the Via branch of the request
//! that it was called by. Two sides that exchanged offer and answer are a *dialogue*.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ringback_media::negotiation::{Local, Party, Profile, Srtp};
use ringback_media::session::{Gone, LegKey, LegReport};
use ringback_sansio::Flow;

use super::command::{Command, Whose};
use super::message::Asker;
use super::recording::Recording;
use super::refusal::Reason;
use super::value::Encoding;
use crate::call::{CallNumber, LegVideo};
use crate::media::Play;

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub number: CallNumber,
    pub id: Bytes,
    pub created: Instant,
    /// When a command last was about it.
    pub signalled: Instant,
    pub sides: Vec<Side>,
    /// Who offered to whom: the leg of who did first.
    pub dialogues: Vec<(LegKey, LegKey)>,
    /// The legs whose reports are awaited.
    pub awaited: Vec<LegKey>,
    /// What waits for the media workers, in the order in which it came. A call that stands keeps the room for it, but
    /// not for what it says.
    pub jobs: VecDeque<Box<Job>>,
    pub is_answered: bool,
    /// What is blocked of everybody.
    pub blocked: Blocked,
    /// Its recording, from when it was asked for.
    pub recording: Option<Recording>,
    /// The names of the files of its recordings, those of recordings that have ended included.
    pub recordings: Vec<Arc<str>>,
    /// How many of its recordings were thrown away.
    pub discarded: usize,
    next_leg: u16,
}

/// One side of a call.
#[derive(Debug)]
pub(super) struct Side {
    pub leg: LegKey,
    /// Its tags, the latest last: a request that forks after us is answered under several.
    pub tags: Vec<Bytes>,
    pub branch: Option<Bytes>,
    pub label: Option<Bytes>,
    pub profile: Profile,
    /// Where its SIP comes from, as the media workers know it.
    pub source: Option<IpAddr>,
    /// The way that it was opened for.
    pub signalling: Flow,
    /// How our own offers to it want its media protected.
    pub srtp: Srtp,
    /// Whether they are in the profile with feedback.
    pub has_feedback: bool,
    /// What is advertised in place of what the media workers would; nothing where they know best.
    pub advertised: Vec<IpAddr>,
    pub state: State,
    pub video: LegVideo,
    pub created: Instant,
    /// Whether the media workers know whom it talks to: then this one.
    pub peer: Option<LegKey>,
    /// When the media workers last said that its far end is gone, and why.
    pub gone: Option<(Instant, Gone)>,
    pub blocked: Blocked,
    /// What is played to it.
    pub playing: Option<Box<Play>>,
    /// Whether it is left out of recordings.
    pub is_unrecorded: bool,
    /// What it has carried, when the media workers last said so.
    pub report: Option<Box<LegReport>>,
}

/// Our side of a leg.
#[derive(Debug)]
pub(super) enum State {
    /// The media workers are asked to open it.
    Opening,
    /// They did.
    Open(Box<Party>),
    /// They could not.
    Failed(String),
}

/// What does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Blocked {
    pub media: bool,
    pub silenced: bool,
    pub dtmf: bool,
}

/// A command that is not answered yet.
#[derive(Debug)]
pub(super) struct Job {
    pub asker: Asker,
    pub encoding: Encoding,
    pub command: Command,
    /// The sides that it is about, once they are found or made: who offers, and who is offered to.
    pub sides: Option<(LegKey, LegKey)>,
    /// Whether the media workers were asked what the call has carried.
    pub is_asked: bool,
    pub warnings: Vec<&'static str>,
}

impl Call {
    pub fn new(now: Instant, number: CallNumber, id: Bytes) -> Call {
        Call {
            number,
            id,
            created: now,
            signalled: now,
            sides: Vec::new(),
            dialogues: Vec::new(),
            awaited: Vec::new(),
            jobs: VecDeque::new(),
            is_answered: false,
            blocked: Blocked::default(),
            recording: None,
            recordings: Vec::new(),
            discarded: 0,
            next_leg: 0,
        }
    }

    /// The number of the next leg; `None` when there are too many.
    pub fn next_leg(&mut self) -> Option<u16> {
        if self.sides.len() >= MAX_SIDES || self.next_leg >= MAX_LEGS {
            return None;
        }
        self.next_leg += 1;
        Some(self.next_leg)
    }

    /// The number of the latest leg.
    pub const fn last_leg(&self) -> u16 {
        self.next_leg
    }

    pub fn side(&self, leg: LegKey) -> Option<&Side> {
        self.sides.iter().find(|side| side.leg == leg)
    }

    pub fn side_mut(&mut self, leg: LegKey) -> Option<&mut Side> {
        self.sides.iter_mut().find(|side| side.leg == leg)
    }

    pub fn tagged(&self, tag: &Bytes) -> Option<&Side> {
        self.sides.iter().find(|side| side.tags.contains(tag))
    }

    /// The sides that talk, or are to talk, to another, the latest first.
    pub fn partners(&self, leg: LegKey) -> impl Iterator<Item = &Side> {
        self.dialogues.iter().rev().filter_map(move |(a, b)| match leg {
            leg if leg == *a => self.side(*b),
            leg if leg == *b => self.side(*a),
            _ => None,
        })
    }

    /// The side that `from` offers to, or that answers it: by its tag, else by its branch, else the one that has
    /// neither been told apart yet.
    pub fn partner(&self, from: LegKey, whose: &Whose) -> Option<&Side> {
        let by_tag = whose.to.as_ref().and_then(|tag| self.tagged(tag)).filter(|side| side.leg != from);
        let by_branch = || {
            let via = whose.via.as_ref()?;
            self.partners(from).find(|side| side.branch.as_ref() == Some(via))
        };
        by_tag.or_else(by_branch)
    }

    /// The side without a tag, for requests that say no branch.
    pub fn untagged(&self, from: LegKey) -> Option<&Side> {
        self.partners(from).find(|side| side.tags.is_empty())
    }

    /// Notes that the two exchange offers and answers.
    pub fn pair(&mut self, a: LegKey, b: LegKey) {
        if !self.dialogues.contains(&(a, b)) && !self.dialogues.contains(&(b, a)) {
            self.dialogues.push((a, b));
        }
    }

    /// Takes a side out of the call.
    pub fn remove(&mut self, leg: LegKey) {
        self.sides.retain(|side| side.leg != leg);
        self.dialogues.retain(|(a, b)| *a != leg && *b != leg);
        self.awaited.retain(|awaited| *awaited != leg);
        for side in &mut self.sides {
            side.peer = side.peer.filter(|peer| *peer != leg);
        }
    }

    /// The side that something is to be done to, by its label, its address or its tag; `None` where nobody is named.
    /// The modules put the tag of the SIP message beside whatever a script says.
    pub fn named(&self, whose: &Whose) -> Option<Option<LegKey>> {
        let is_named = |side: &&Side| match whose {
            Whose { label: Some(label), .. } => side.label.as_ref() == Some(label),
            Whose { address: Some(address), .. } => side.receives_at() == Some(*address),
            Whose { from: Some(tag), .. } => side.tags.contains(tag),
            _ => false,
        };
        let Whose { label, address, from, all, .. } = whose;
        let is_nobody = *all || label.is_none() && address.is_none() && from.is_none();
        (!is_nobody).then(|| self.sides.iter().find(is_named).map(|side| side.leg))
    }

    /// The sides that are meant by a command that is for somebody; who answers is meant where only its tag is said.
    pub fn meant(&self, whose: &Whose) -> Result<Vec<LegKey>, Reason> {
        if whose.all {
            return Ok(self.sides.iter().map(|side| side.leg).collect());
        }
        let by_tag = || whose.to.as_ref().map(|tag| self.tagged(tag).map(|side| side.leg));
        let leg = self.named(whose).or_else(by_tag).ok_or(Reason::Nobody)?;
        Ok(vec![leg.ok_or(Reason::NoTag)?])
    }

    /// The two who talk, who was there first before the other; of several pairs the first.
    pub fn talking(&self) -> Option<(LegKey, LegKey)> {
        self.sides.iter().find_map(|side| Some((side.leg, side.peer?)))
    }
}

impl Side {
    pub fn new(now: Instant, leg: LegKey, profile: Profile, signalling: Flow) -> Side {
        Side {
            leg,
            tags: Vec::new(),
            branch: None,
            label: None,
            profile,
            source: None,
            signalling,
            srtp: Srtp::Offered,
            has_feedback: false,
            advertised: Vec::new(),
            state: State::Opening,
            video: LegVideo::default(),
            created: now,
            peer: None,
            gone: None,
            blocked: Blocked::default(),
            playing: None,
            is_unrecorded: false,
            report: None,
        }
    }

    /// Says how our own offers want its media protected, and whether they are in the profile with feedback, as long as
    /// none of them is answered.
    pub fn set_transport(&mut self, srtp: Srtp, has_feedback: bool) {
        (self.srtp, self.has_feedback) = (srtp, has_feedback);
        if let State::Open(party) = &mut self.state {
            party.set_transport(srtp, has_feedback);
        }
    }

    pub fn party(&self) -> Option<&Party> {
        match &self.state {
            State::Open(party) => Some(party),
            State::Opening | State::Failed(_) => None,
        }
    }

    /// What the media workers opened, at the addresses of the interface that was asked for.
    pub fn advertise(&self, mut local: Local) -> Local {
        let Some(first) = self.advertised.first() else { return local };
        local.address = *first;
        if local.profile == Profile::WebRtc {
            // Where no socket listens nobody is to send.
            let port = |family: &IpAddr| {
                let of_family = |it: &&SocketAddr| it.is_ipv4() == family.is_ipv4();
                local.candidates.iter().find(of_family).map(SocketAddr::port)
            };
            let at = self.advertised.iter().filter_map(|address| Some((*address, port(address)?).into()));
            local.candidates = at.collect();
        }
        local
    }

    /// The address that its media goes to.
    fn receives_at(&self) -> Option<IpAddr> {
        Some(self.party()?.agreed()?.remote?.rtp.ip())
    }

    /// Notes a tag that the side speaks under.
    pub fn take_tag(&mut self, tag: &Bytes) {
        self.tags.retain(|known| known != tag);
        if self.tags.len() >= MAX_TAGS {
            self.tags.remove(0);
        }
        self.tags.push(tag.clone());
    }
}

/// How many sides a call may have.
const MAX_SIDES: usize = 32;
/// How many legs it may have in all its life: as many as a key can number.
const MAX_LEGS: u16 = 1_000;
/// How many tags of a side are remembered.
const MAX_TAGS: usize = 8;
/// How many commands of one call may wait.
pub(super) const MAX_JOBS: usize = 16;
