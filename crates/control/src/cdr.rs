//! The record of a call.

use std::time::Duration;

use ringback_media::negotiation::Profile;
use ringback_media::quality::{Told, Verdict, judge};
use ringback_media::session::LegReport;
use ringback_sansio::Flow;
use ringback_sip::event::documents::vq_report::{Kind, Metrics, Report};

/// Who ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The party that called.
    Caller,
    /// The party that was called.
    Callee,
    /// The exchange: a time-out, lost media, a drain.
    Exchange,
}

impl EndedBy {
    /// The word that stands in the record.
    pub const fn word(self) -> &'static str {
        match self {
            EndedBy::Caller => "caller",
            EndedBy::Callee => "callee",
            EndedBy::Exchange => "exchange",
        }
    }
}

/// The call detail record: one per call, complete when the call is over. Times are milliseconds since 1970.
#[derive(Debug, Clone)]
pub struct Cdr {
    /// Unique in the store.
    pub id: String,
    /// The caller's authenticated identity, an AOR.
    pub caller: String,
    /// What was dialled: the user part of the Request-URI.
    pub dialled: String,
    /// Whose contact answered, an AOR.
    pub answered_by: Option<String>,
    /// When the INVITE came.
    pub started: u64,
    /// When the answer went to the caller.
    pub answered: Option<u64>,
    /// When the call was over; when the far end vanished, the time at which it was last heard.
    pub ended: u64,
    /// The final status of the caller's INVITE.
    pub status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// Why, in words.
    pub reason: String,
    /// The audio codec that was agreed last, and `t38` for a fax: `PCMA+t38` when there was audio too.
    pub codec: Option<String>,
    /// Whether its media, or some of it, went past the exchange: nobody has counted that.
    pub is_bypassed: bool,
    /// The files of its recordings.
    pub recordings: Vec<String>,
    /// The caller's leg, and the one that answered.
    pub legs: Vec<CdrLeg>,
}

impl Cdr {
    /// Notes what was agreed on last. That there was a fax stays known, unless nothing is agreed any more.
    pub(crate) fn note_codec(&mut self, codec: String) {
        let had_fax = self.codec.as_deref().is_some_and(|known| known.ends_with(FAX));
        self.codec = match self.codec.take() {
            _ if codec.is_empty() => None,
            Some(known) if codec == FAX => Some(if had_fax { known } else { format!("{known}+{FAX}") }),
            _ if had_fax => Some(format!("{codec}+{FAX}")),
            _ => Some(codec),
        };
    }

    /// Why a leg, by its place in the record, is not heard by the other; `None` when it is heard as far as we can see,
    /// when nobody has looked, or when the call was too short to tell.
    pub fn verdict(&self, leg: usize) -> Option<Verdict> {
        let (speaker, listener) = self.way_from(leg)?;
        self.answered?;
        let (from, to) = (speaker.media.as_ref()?, listener.media.as_ref()?);
        from.history.lasted().filter(|lasted| *lasted >= TELLING)?;
        Some(judge(from, to)).filter(Verdict::is_trouble)
    }

    /// The same in words, with the names of the parties.
    pub fn told(&self, leg: usize) -> Option<Told<'_>> {
        let (speaker, listener) = self.way_from(leg)?;
        let verdict = self.verdict(leg)?;
        Some(verdict.told((speaker.name(), speaker.profile), (listener.name(), listener.profile)))
    }

    /// A leg and the one that it speaks to: itself, in a call with an echo.
    fn way_from(&self, leg: usize) -> Option<(&CdrLeg, &CdrLeg)> {
        let speaker = self.legs.get(leg)?;
        match &self.legs[..] {
            [_] => Some((speaker, speaker)),
            [first, second] => Some((speaker, if leg == 0 { second } else { first })),
            _ => None,
        }
    }
}

/// What is recorded of one leg.
#[derive(Debug, Clone)]
pub struct CdrLeg {
    /// Who it was: the user part of the AOR.
    pub party: String,
    /// The Call-ID of its dialog.
    pub call_id: String,
    /// The signalling flow.
    pub flow: Flow,
    /// The media profile.
    pub profile: Profile,
    /// What the leg carried; `None` when its media went past the exchange, or its media worker did not say in time.
    pub media: Option<LegReport>,
    /// What the party's phone has said of what it heard, if it has.
    pub reported: Option<Reported>,
}

/// What a phone has said of what it heard ([RFC 6035]). Nobody has measured that but the phone: it is kept beside what we
/// have measured, and nothing is judged by it.
///
/// [RFC 6035]: https://www.rfc-editor.org/rfc/rfc6035
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// What the report covers.
    pub kind: Kind,
    /// What it says.
    pub metrics: Metrics,
}

impl Reported {
    /// What a report says of its sender.
    pub(crate) fn by(report: &Report<'_>) -> Reported {
        Reported { kind: report.kind, metrics: report.local }
    }
}

impl CdrLeg {
    /// The user part of the party's AOR, or what there is of it.
    fn name(&self) -> &str {
        let party = self.party.strip_prefix("sip:").unwrap_or(&self.party);
        party.split_once('@').map_or(party, |(user, _)| user)
    }
}

/// What a fax is called.
const FAX: &str = "t38";

/// How long a leg has to stand until its silence tells something.
const TELLING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use ringback_media::quality::{Cause, History, Summary};
    use ringback_media::session::{Drops, LegKey};
    use ringback_sansio::Flow;

    use super::*;

    fn leg(party: &str, profile: Profile, agreed: Instant, lasted: u64, packets: u64) -> CdrLeg {
        let address = ([192, 0, 2, 1], 5060).into();
        let history = History {
            agreed: Some(agreed),
            closed: Some(agreed + Duration::from_secs(lasted)),
            sends: true,
            could_send: true,
            receives: true,
            could_receive: true,
            audible: History::HEARD,
            ..History::new(profile)
        };
        CdrLeg {
            party: party.to_owned(),
            call_id: party.to_owned(),
            flow: Flow::datagram(address, address),
            profile,
            media: Some(LegReport {
                leg: LegKey(0),
                packets_in: packets,
                octets_in: 0,
                packets_out: 500,
                octets_out: 0,
                rtcp_in: 0,
                rtcp_octets_in: 0,
                ssrc: None,
                lost: 0,
                jitter: Duration::ZERO,
                far: None,
                round_trip: None,
                drops: Drops::default(),
                first_media: None,
                last_media: None,
                last_heard: None,
                remote: None,
                suite: None,
                evicted: 0,
                history,
                quality: Summary::default(),
                video: None,
            }),
            reported: None,
        }
    }

    fn record(answered: Option<u64>, legs: Vec<CdrLeg>) -> Cdr {
        Cdr {
            id: String::new(),
            caller: "sip:alice@example.com".to_owned(),
            dialled: "bob".to_owned(),
            answered_by: None,
            started: 0,
            answered,
            ended: 0,
            status: 200,
            ended_by: EndedBy::Caller,
            reason: String::new(),
            codec: None,
            is_bypassed: false,
            recordings: Vec::new(),
            legs,
        }
    }

    #[test]
    fn a_fax_stays_known_when_there_is_audio_again() {
        let mut cdr = record(Some(1), Vec::new());
        let mut codecs = Vec::new();
        for codec in ["t38", "PCMA", "PCMA", "t38", "opus/PCMU"] {
            cdr.note_codec(codec.to_owned());
            codecs.push(cdr.codec.clone().unwrap_or_default());
        }
        assert_eq!(codecs, ["t38", "PCMA+t38", "PCMA+t38", "PCMA+t38", "opus/PCMU+t38"]);
        cdr.note_codec(String::new());
        assert_eq!(cdr.codec, None);
    }

    #[test]
    fn an_answered_call_says_who_was_not_heard_and_why() {
        let now = ringback_sansio::sim::Clock::new().now();
        let alice = || leg("sip:alice@example.com", Profile::WebRtc, now, 10, 0);
        let bob = || leg("bob", Profile::Rtp, now, 10, 500);
        let cdr = record(Some(1), vec![alice(), bob()]);
        assert_eq!(cdr.verdict(0).map(|verdict| verdict.cause), Some(Cause::NoCandidates));
        let told = cdr.told(0).map(|told| told.to_string()).unwrap_or_default();
        assert!(told.starts_with("alice's browser sent no packet: "), "{told}");
        assert_eq!(cdr.verdict(1), None, "bob is heard");
        assert_eq!(cdr.verdict(2), None);

        assert_eq!(record(None, vec![alice(), bob()]).verdict(0), None, "nobody answered");
        let brief = || leg("carol", Profile::Rtp, now, 1, 0);
        assert_eq!(record(Some(1), vec![brief(), bob()]).verdict(0), None, "too short to tell");
        let past_us = CdrLeg { media: None, ..alice() };
        assert_eq!(record(Some(1), vec![past_us.clone(), bob()]).verdict(0), None, "nobody has looked");
        let echo = record(Some(1), vec![leg("dave", Profile::Rtp, now, 10, 0)]);
        assert_eq!(echo.verdict(0).map(|verdict| verdict.cause), Some(Cause::NothingCame));
    }
}
