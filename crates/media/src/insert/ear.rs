//! What a leg says: packets made into samples.
//!
//! How they come: as the packets do (`follow`), or as a clock asks for them (`clocked`).

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::clocked::Buffered;
use super::desk::MOST;
use crate::audio::Resampler;
use crate::codec::{Decoder, Format, MAX_SAMPLES, Unsupported};
use crate::dtmf::{EventReceiver, ToneMask};
use crate::sdp::{Codec, Kind};

/// Understands the packets of one leg.
pub(super) struct Ear {
    pub(super) meanings: SmallVec<[(u8, Meaning); 8]>,
    /// The rate of the samples that it gives.
    pub(super) rate: u32,
    /// What understands the payload type that is in use.
    pub(super) decoder: Option<Open>,
    pub(super) place: Option<Place>,
    /// Until when there is audio for what has come: nobody speaks faster than time passes.
    pub(super) spoken_until: Option<Instant>,
    pub(super) keys: EventReceiver,
    /// Finds keys in the audio, where the far end has no other way to send them, and takes them out of it.
    pub(super) mask: Option<ToneMask>,
    /// The way to a clock.
    pub(super) buffer: Option<Box<Buffered>>,
    pub(super) counts: Counts,
}

/// What a payload type means.
pub(super) enum Meaning {
    Audio(Codec, Format),
    Events(u32),
    Noise,
}

/// A decoder with what stands behind it.
pub(super) struct Open {
    pub(super) payload_type: u8,
    pub(super) decoder: Decoder,
    pub(super) resampler: Option<Resampler>,
}

impl Open {
    /// The first samples at the rate that was asked for.
    pub(super) fn converted<'w>(
        &mut self,
        workspace: &'w mut Workspace,
        len: usize,
    ) -> Option<&'w mut [i16]> {
        let Workspace { samples, converted } = workspace;
        let samples = samples.get_mut(..len)?;
        match &mut self.resampler {
            None => Some(samples),
            Some(resampler) => {
                let len = resampler.convert(samples, converted);
                converted.get_mut(..len)
            }
        }
    }
}

/// Where samples are made. They are of no use from one packet to the next, so that all ears of a desk share one.
pub(super) struct Workspace {
    pub(super) samples: Box<[i16]>,
    converted: Box<[i16]>,
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace { samples: vec![0; MAX_SAMPLES].into(), converted: vec![0; MAX_CONVERTED].into() }
    }
}

/// The longest payload of one byte a sample at 8 kHz, in samples at the highest rate.
const MAX_CONVERTED: usize = 2048 * 6;

/// How far the stream is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    /// The timestamp of what comes next, and its clock.
    pub(super) due: u32,
    pub(super) clock_rate: u32,
    pub(super) at: Instant,
}

/// What became of the packets of one leg.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) late: u64,
    pub(super) unreadable: u64,
    pub(super) unknown: u64,
    /// Packets with more audio than there was time for.
    pub(super) too_much: u64,
    /// Milliseconds that were made up for what was lost.
    pub(super) concealed_ms: u64,
}

impl Ear {
    /// An ear for what a far end sends as `codecs`, giving samples at `rate`.
    pub(super) fn new(codecs: &[Codec], rate: u32) -> Result<Self, Unsupported> {
        let meanings: SmallVec<[(u8, Meaning); 8]> = codecs
            .iter()
            .filter_map(|codec| {
                let meaning = match codec.kind() {
                    Kind::TelephoneEvent => Meaning::Events(codec.clock_rate),
                    Kind::ComfortNoise => Meaning::Noise,
                    Kind::Audio | Kind::Video | Kind::Wrapper => {
                        Meaning::Audio(codec.clone(), Format::of(codec)?)
                    }
                };
                Some((codec.payload_type, meaning))
            })
            .collect();
        let is_audio = |(_, meaning): &(u8, Meaning)| matches!(meaning, Meaning::Audio(..));
        if !meanings.iter().any(is_audio) {
            return Err(Unsupported);
        }
        let clock_rate = meanings.iter().find_map(|(_, meaning)| match meaning {
            Meaning::Events(clock_rate) => Some(*clock_rate),
            _ => None,
        });
        Ok(Ear {
            meanings,
            rate,
            decoder: None,
            place: None,
            spoken_until: None,
            keys: EventReceiver::new(clock_rate.unwrap_or(8000)),
            mask: None,
            buffer: None,
            counts: Counts::default(),
        })
    }

    /// Whether the far end can send telephone events.
    pub(super) fn has_events(&self) -> bool {
        self.meanings.iter().any(|(_, meaning)| matches!(meaning, Meaning::Events(_)))
    }

    /// Has keys found in the audio and taken out of it; what is heard is 38 ms later then.
    pub(super) fn find_tones(&mut self) {
        self.mask.get_or_insert_with(|| ToneMask::new(self.rate));
    }

    /// Gives samples at another rate from here on.
    pub(super) fn change_rate(&mut self, rate: u32) {
        if rate == self.rate {
            return;
        }
        self.rate = rate;
        // Opened again by the next packet.
        self.decoder = None;
        self.mask = self.mask.take().map(|_| ToneMask::new(rate));
        if let Some(buffer) = &mut self.buffer {
            buffer.change_rate(rate);
        }
    }

    pub(super) fn samples_of(&self, time: Duration) -> usize {
        let rate = self.decoder.as_ref().map_or(self.rate, |open| open.decoder.sample_rate());
        let samples = time.as_micros() * u128::from(rate) / 1_000_000;
        usize::try_from(samples).unwrap_or(usize::MAX).min(MAX_SAMPLES)
    }

    /// Makes ready for a payload type; says whether it can be understood.
    pub(super) fn open(&mut self, payload_type: u8) -> bool {
        if self.decoder.as_ref().is_some_and(|open| open.payload_type == payload_type) {
            return true;
        }
        let codec = self.meanings.iter().find_map(|(number, meaning)| match meaning {
            Meaning::Audio(codec, _) if *number == payload_type => Some(codec),
            _ => None,
        });
        let Some(Ok(decoder)) = codec.map(|codec| Decoder::new(codec, MOST)) else { return false };
        let resampler = match decoder.sample_rate() == self.rate {
            true => None,
            false => match Resampler::new(decoder.sample_rate(), self.rate) {
                Some(resampler) => Some(resampler),
                None => return false,
            },
        };
        self.decoder = Some(Open { payload_type, decoder, resampler });
        true
    }
}
