//! How good calls sounded, and why some had no sound.

use prometheus_client::metrics::histogram::Histogram;
use ringback_control::Cdr;
use ringback_media::quality::{Cause, Mos};

use super::{Reason, Tally};

/// What the legs of the calls that have ended come to.
#[derive(Debug)]
pub struct Sound {
    /// The mean score of what came from each leg.
    pub received: Histogram,
    /// The mean score of what each leg's far end says came to it.
    pub sent: Histogram,
    /// Legs that were not heard.
    pub silent: Tally<Cause>,
}

impl Sound {
    /// Counts the legs of a call that has ended.
    pub fn count(&self, cdr: &Cdr) {
        for (number, leg) in cdr.legs.iter().enumerate() {
            if let Some(verdict) = cdr.verdict(number) {
                self.silent.count(verdict.cause);
            }
            let Some(media) = &leg.media else { continue };
            let both = [(&self.received, &media.quality.incoming), (&self.sent, &media.quality.outgoing)];
            for (histogram, direction) in both {
                if let Some(mos) = direction.mos() {
                    histogram.observe(mos.score());
                }
            }
        }
    }
}

impl Default for Sound {
    fn default() -> Self {
        let histogram = || Histogram::new(SCORES.map(|rating| Mos::from_rating(rating).score()));
        Sound { received: histogram(), sent: histogram(), silent: Tally::default() }
    }
}

impl Reason for Cause {
    const ALL: &'static [Self] = Cause::ALL;

    fn name(self) -> &'static str {
        Cause::name(self)
    }

    fn index(self) -> usize {
        // The failures of DTLS are one cause to whoever counts.
        Cause::ALL.iter().position(|cause| cause.name() == self.name()).unwrap_or(usize::MAX)
    }
}

/// The ratings between the categories of speech quality (ITU-T G.109), and two below them.
const SCORES: [f64; 6] = [30.0, 50.0, 60.0, 70.0, 80.0, 90.0];
