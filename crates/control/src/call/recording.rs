//! Recording a call: what its parties say, until it ends or is told to stop.
//!
//! A recording is of a call, not of a leg: when a leg leaves and another one takes its place, that one is heard from
//! there on. Every description that a leg is configured with tells the media worker anew what the leg speaks. A fax
//! speaks nothing, and leaves a gap.
//!
//! Who may: the configuration has every call recorded, or lets the parties ask for it by an INFO with `Record: on` and
//! `Record: off`, as the record keys of telephones send it; whoever drives the exchange may in any case. The first of
//! these wins: what is recorded for the exchange a party cannot stop.
//!
//! Left out: calls that the exchange answers by itself, conferences among them, and calls whose media goes past it when a
//! recording is asked for in mid-call.

use std::sync::Arc;
use std::time::Instant;

use ringback_media::insert::{RecordingKey, Side, Track};
use ringback_media::negotiation::recordable;
use ringback_media::sdp::Codec;
use ringback_media::session::LegKey;
use ringback_sip::message::Message;
use ringback_sip::transaction::ServerId;

use super::{Call, Phase};
use crate::event::Event;
use crate::exchange::Exchange;
use crate::media::{MediaCommand, What};
use crate::settings::RecordedCalls;

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recording {
    key: RecordingKey,
    /// The name of its file.
    name: Arc<str>,
}

/// Why a recording is not begun or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordingRefused {
    /// There is no such call, or it talks to nobody.
    #[error("there is no call of this id in which two parties talk")]
    NoCall,
    /// Its media goes past us.
    #[error("the media of this call goes past Ringback: it can be recorded with media.bypass = \"never\"")]
    Bypassed,
    /// It is not recorded.
    #[error("the call is not recorded")]
    NotRecorded,
    /// A party may not.
    #[error("recordings are not for the parties to begin and end: set recording.calls = \"asked\"")]
    NotAllowed,
    /// What is recorded for the exchange a party may not stop.
    #[error("every call is recorded, and a party cannot stop that: set recording.calls = \"asked\"")]
    OfExchange,
    /// Nothing that they say can be decoded.
    #[error(
        "the parties speak a codec that cannot be decoded here: offer opus, G722, PCMA or PCMU, or set \
         recording.format = \"pcap\""
    )]
    Codec,
    /// A party has begun too many.
    #[error("a call has {MOST_RECORDINGS} recordings at the most")]
    TooMany,
}

impl RecordingRefused {
    /// What the telephone shows whose record key was pressed.
    const fn phrase(self) -> &'static str {
        match self {
            RecordingRefused::NotAllowed => "Recording Is Not Allowed",
            RecordingRefused::OfExchange => "This Recording Cannot Be Stopped",
            RecordingRefused::Bypassed => "Media Goes Past The Recorder",
            RecordingRefused::Codec => "Codec Cannot Be Recorded",
            RecordingRefused::TooMany => "Too Many Recordings Of This Call",
            RecordingRefused::NoCall | RecordingRefused::NotRecorded => "Nothing To Record",
        }
    }
}

impl Exchange {
    /// Begins to record a call, by the id of its record. One that is recorded stays so.
    pub fn start_recording(&mut self, id: &str) -> Result<(), RecordingRefused> {
        self.with_call_of_record(id, Exchange::begin_recording)
    }

    /// Ends the recording of a call.
    pub fn stop_recording(&mut self, id: &str) -> Result<(), RecordingRefused> {
        self.with_call_of_record(id, Exchange::end_recording)
    }

    /// Leaves a gap in the recording of a call from here on.
    pub fn pause_recording(&mut self, id: &str) -> Result<(), RecordingRefused> {
        self.with_call_of_record(id, |exchange, call| {
            exchange.command_recording(call, MediaCommand::PauseRecording)
        })
    }

    /// Goes on with the recording of a call.
    pub fn resume_recording(&mut self, id: &str) -> Result<(), RecordingRefused> {
        self.with_call_of_record(id, |exchange, call| {
            exchange.command_recording(call, MediaCommand::ResumeRecording)
        })
    }

    fn with_call_of_record(
        &mut self,
        id: &str,
        act: impl FnOnce(&mut Exchange, &mut Call) -> Result<(), RecordingRefused>,
    ) -> Result<(), RecordingRefused> {
        let number = self.calls.iter().find(|(_, call)| call.record.id == id).map(|(number, _)| *number);
        let mut call =
            number.and_then(|number| self.calls.remove(&number)).ok_or(RecordingRefused::NoCall)?;
        let done = act(self, &mut call);
        self.calls.insert(call.number, call);
        done
    }

    /// The parties of a call that the configuration has recorded may have begun to talk.
    pub(crate) fn record_if_due(&mut self, call: &mut Call) {
        if self.settings.recording.calls == RecordedCalls::All && call.record.recordings.is_empty() {
            // One that talks to nobody is not recorded, nor one of which nothing can be heard yet.
            let _ = self.begin_recording(call);
        }
    }

    /// What a leg says that can be recorded.
    fn recordable(&self, call: &Call, leg: LegKey) -> Option<Vec<Codec>> {
        recordable(call.leg(leg)?.party()?, self.settings.recording.keeps_packets)
    }

    fn begin_recording(&mut self, call: &mut Call) -> Result<(), RecordingRefused> {
        let Phase::Answered(last) = call.phase else { return Err(RecordingRefused::NoCall) };
        let first = call.first;
        if first == last {
            return Err(RecordingRefused::NoCall);
        }
        if call.is_past_us(first) || call.is_past_us(last) {
            return Err(RecordingRefused::Bypassed);
        }
        if call.recording.is_some() {
            return Ok(());
        }
        if [first, last].into_iter().all(|leg| self.recordable(call, leg).is_none()) {
            return Err(RecordingRefused::Codec);
        }
        if call.record.recordings.len() >= MOST_RECORDINGS {
            return Err(RecordingRefused::TooMany);
        }
        let key = RecordingKey(rand::Rng::next_u64(&mut self.random));
        let count = call.record.recordings.len() + 1;
        let name: Arc<str> =
            format!("{}-{count}.{}", call.record.id, self.settings.recording.extension).into();
        call.record.recordings.push(name.to_string());
        self.events.push_back(Event::RecordingBegun { id: call.record.id.clone(), name: name.to_string() });
        self.stats.recordings_begun += 1;
        call.recording = Some(Box::new(Recording { key, name }));
        self.record_legs(call, first, last);
        if self.settings.recording.beep {
            for leg in [first, last] {
                self.play_once(call, leg, What::Beep);
            }
        }
        Ok(())
    }

    /// Has what two legs say recorded, when the call is: called whenever they were configured.
    pub(crate) fn record_legs(&mut self, call: &Call, a: LegKey, b: LegKey) {
        let Some(recording) = &call.recording else { return };
        for leg in [a, b] {
            let side = if leg == call.first { Side::First } else { Side::Second };
            let Some(codecs) = self.recordable(call, leg) else { continue };
            let (recording, name) = (recording.key, recording.name.clone());
            let track = Track { recording, name, note: None, side, codecs };
            self.command(call.worker, leg, MediaCommand::Record(Box::new(track)));
        }
    }

    fn end_recording(&mut self, call: &mut Call) -> Result<(), RecordingRefused> {
        self.command_recording(call, MediaCommand::StopRecording)?;
        call.recording = None;
        Ok(())
    }

    /// Ends the recording of a call, if it is recorded.
    pub(super) fn end_recording_of(&mut self, call: &mut Call) {
        // One that is not recorded has none to end.
        let _ = self.end_recording(call);
    }

    /// A recording has ended by itself: it is as long as it may be. It does not begin anew.
    pub(crate) fn recording_ended(&mut self, call: &mut Call, key: RecordingKey) {
        call.recording.take_if(|recording| recording.key == key);
    }

    fn command_recording(
        &mut self,
        call: &mut Call,
        command: impl FnOnce(RecordingKey) -> MediaCommand,
    ) -> Result<(), RecordingRefused> {
        let key = call.recording.as_ref().ok_or(RecordingRefused::NotRecorded)?.key;
        self.command(call.worker, call.first, command(key));
        Ok(())
    }

    /// The record of another part of the call begins: it names what is going on to be recorded.
    pub(crate) fn recording_goes_on(&self, call: &mut Call) {
        if let Some(recording) = &call.recording {
            call.record.recordings.push(recording.name.to_string());
        }
    }

    /// Carries out an INFO of a party with `Record: on` or `Record: off`; says whether it was one.
    pub(crate) fn record_key(
        &mut self,
        now: Instant,
        call: &mut Call,
        key: LegKey,
        server: ServerId,
        request: &Message,
    ) -> bool {
        let Some(wanted) = request.header_named(b"Record").map(<[u8]>::trim_ascii) else { return false };
        let is_on = wanted.eq_ignore_ascii_case(b"on");
        if !is_on && !wanted.eq_ignore_ascii_case(b"off") {
            return false;
        }
        let done = match self.settings.recording.calls {
            RecordedCalls::All if is_on && call.recording.is_some() => Ok(()),
            RecordedCalls::All if call.recording.is_some() => Err(RecordingRefused::OfExchange),
            RecordedCalls::All | RecordedCalls::None => Err(RecordingRefused::NotAllowed),
            // Who only waits for its BYE has no say.
            RecordedCalls::Asked if !call.is_party(key) => Err(RecordingRefused::NotAllowed),
            RecordedCalls::Asked if is_on => self.begin_recording(call),
            RecordedCalls::Asked => match self.end_recording(call) {
                // It is as it should be.
                Err(RecordingRefused::NotRecorded) => Ok(()),
                done => done,
            },
        };
        match done {
            Ok(()) => self.respond(now, server, self.reply(request, 200).finish()),
            Err(refused) => {
                self.stats.recordings_refused += 1;
                let status = match refused {
                    RecordingRefused::NotAllowed
                    | RecordingRefused::OfExchange
                    | RecordingRefused::TooMany => 403,
                    _ => 488,
                };
                let (phrase, sentence) = (Some(refused.phrase()), refused.to_string());
                self.refuse_with(now, server, request, status, phrase, &sentence);
            }
        }
        true
    }
}

/// Recordings of one call at the most: a party that begins and ends them again and again fills no disk.
pub(crate) const MOST_RECORDINGS: usize = 32;
