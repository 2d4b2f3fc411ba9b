//! Why one party of a call does not hear the other.

use std::fmt;

use super::History;
use crate::dtls::Failure;
use crate::negotiation::{Candidates, Profile};
use crate::session::{Drops, LegReport, Reason};

/// What is found of the way of the audio from a speaker to a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What happened.
    pub cause: Cause,
    /// To whose leg.
    pub party: Party,
}

/// One of the two ends of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// Who is not heard.
    Speaker,
    /// Who does not hear.
    Listener,
}

/// What keeps audio from arriving, in the order in which a way is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The far end never meant to send: `recvonly` or `inactive`.
    NeverSends,
    /// The far end never meant to receive: `sendonly` or `inactive`.
    NeverReceives,
    /// The far end holds the other.
    OnHold,
    /// No connectivity check came, and the far end named no candidate.
    NoCandidates,
    /// No connectivity check came, and all candidates were `.local` names.
    HiddenCandidates,
    /// No connectivity check came, and all candidates were private addresses.
    PrivateCandidates,
    /// No connectivity check came, though a candidate was public.
    NoCheck,
    /// Connectivity checks came with a wrong user name or password.
    WrongIcePassword,
    /// Connectivity checks came that could not be answered with success.
    ChecksRefused,
    /// Connectivity checks succeeded, but no pair was nominated.
    NeverNominated,
    /// ICE succeeded, but no DTLS handshake began.
    NoDtls,
    /// The certificate was not the one of the session description.
    WrongFingerprint,
    /// The DTLS handshake failed otherwise.
    DtlsFailed(Failure),
    /// Packets came from an address that does not speak for the leg.
    WrongSource,
    /// The tags of the far end's SRTP packets did not fit.
    WrongKeys,
    /// Packets came with payload types that were not agreed.
    WrongPayloadType,
    /// What came was no RTP.
    NotRtp,
    /// RTCP came, and no RTP.
    OnlyRtcp,
    /// The leg is connected, and nothing at all was sent over it.
    NothingSent,
    /// Nothing at all came to the ports of a plain leg.
    NothingCame,
    /// The leg was joined with no other.
    NotJoined,
    /// The listener has no payload type for what came.
    CodecNotAccepted,
    /// It is not known where the listener receives.
    NoAddress,
    /// Packets came and could not be renumbered or protected.
    NotForwarded,
    /// What came was silence.
    OnlySilence,
    /// The listener reports that what we send does not arrive.
    NotArriving,
    /// Packets came and were sent on: what is wrong is not here.
    Beyond,
}

impl Cause {
    /// Every cause; of the failures of DTLS one stands for all.
    pub const ALL: &'static [Cause] = &[
        Cause::NeverSends,
        Cause::NeverReceives,
        Cause::OnHold,
        Cause::NoCandidates,
        Cause::HiddenCandidates,
        Cause::PrivateCandidates,
        Cause::NoCheck,
        Cause::WrongIcePassword,
        Cause::ChecksRefused,
        Cause::NeverNominated,
        Cause::NoDtls,
        Cause::WrongFingerprint,
        Cause::DtlsFailed(Failure::Timeout),
        Cause::WrongSource,
        Cause::WrongKeys,
        Cause::WrongPayloadType,
        Cause::NotRtp,
        Cause::OnlyRtcp,
        Cause::NothingSent,
        Cause::NothingCame,
        Cause::NotJoined,
        Cause::CodecNotAccepted,
        Cause::NoAddress,
        Cause::NotForwarded,
        Cause::OnlySilence,
        Cause::NotArriving,
        Cause::Beyond,
    ];

    /// The name under which it is counted and recorded.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::NeverSends => "never_sends",
            Cause::NeverReceives => "never_receives",
            Cause::OnHold => "on_hold",
            Cause::NoCandidates => "no_candidates",
            Cause::HiddenCandidates => "hidden_candidates",
            Cause::PrivateCandidates => "private_candidates",
            Cause::NoCheck => "no_check",
            Cause::WrongIcePassword => "wrong_ice_password",
            Cause::ChecksRefused => "checks_refused",
            Cause::NeverNominated => "never_nominated",
            Cause::NoDtls => "no_dtls",
            Cause::WrongFingerprint => "wrong_fingerprint",
            Cause::DtlsFailed(_) => "dtls_failed",
            Cause::WrongSource => "wrong_source",
            Cause::WrongKeys => "wrong_keys",
            Cause::WrongPayloadType => "wrong_payload_type",
            Cause::NotRtp => "not_rtp",
            Cause::OnlyRtcp => "only_rtcp",
            Cause::NothingSent => "nothing_sent",
            Cause::NothingCame => "nothing_came",
            Cause::NotJoined => "not_joined",
            Cause::CodecNotAccepted => "codec_not_accepted",
            Cause::NoAddress => "no_address",
            Cause::NotForwarded => "not_forwarded",
            Cause::OnlySilence => "only_silence",
            Cause::NotArriving => "not_arriving",
            Cause::Beyond => "beyond",
        }
    }

    /// Whether it is one of a party's wishes, for which nobody is to blame.
    pub const fn is_wished(self) -> bool {
        matches!(self, Cause::NeverSends | Cause::NeverReceives | Cause::OnHold)
    }
}

/// The cause and its mend, as what follows "alice's browser sent no packet: ".
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::NeverSends => "its description says that it does not send (recvonly or inactive).",
            Cause::NeverReceives => "its description says that it does not receive (sendonly or inactive).",
            Cause::OnHold => "it has put the other on hold.",
            Cause::NoCandidates => {
                "ICE never succeeded; it named no candidate. Its browser may not use UDP, or has no network."
            }
            Cause::HiddenCandidates => {
                "ICE never succeeded; all candidates were hidden behind .local names, and no check came. Open our \
                 media port for UDP, and set public_address to an address that it can reach."
            }
            Cause::PrivateCandidates => {
                "ICE never succeeded; all candidates were private addresses, and no check came. Open our media port \
                 for UDP, and set public_address to an address that it can reach."
            }
            Cause::NoCheck => {
                "ICE never succeeded; no check came, though it has a public address. Open our media port for UDP \
                 here and in its firewall."
            }
            Cause::WrongIcePassword => {
                "ICE never succeeded; its checks had a wrong user name or password. It answers an old description, \
                 or something in between has changed one."
            }
            Cause::ChecksRefused => {
                "ICE never succeeded; its checks were not sound, or it takes the controlled role, which is ours."
            }
            Cause::NeverNominated => {
                "ICE checks succeeded, but it never chose a pair. Our answers do not get back to it: let UDP out \
                 from our media port."
            }
            Cause::NoDtls => {
                "ICE succeeded, but no DTLS handshake began. Something in between lets STUN pass and holds DTLS back."
            }
            Cause::WrongFingerprint => {
                "its certificate is not the one of its description. A proxy changes descriptions, or somebody is in \
                 between."
            }
            Cause::DtlsFailed(failure) => {
                return write!(
                    f,
                    "the DTLS handshake failed: {failure}. An MTU below 1500 or an old client may be why."
                );
            }
            Cause::WrongSource => {
                "its packets come from another address than its description and its signalling, and are dropped. \
                 Let its media leave by the same NAT address as its SIP, and turn off the router's SIP ALG."
            }
            Cause::WrongKeys => {
                "its SRTP packets do not fit the keys that were agreed. It goes on with keys of an older description."
            }
            Cause::WrongPayloadType => {
                "its packets have payload types that were not agreed. Let it send a codec of its description."
            }
            Cause::NotRtp => {
                "what comes to its port is DTLS, STUN or keep-alives, and no RTP. Let it take plain RTP, which was agreed."
            }
            Cause::OnlyRtcp => "RTCP came, but no audio. It is muted, or its RTP port is blocked.",
            Cause::NothingSent => {
                "it is connected, but sends nothing. Its microphone is missing, forbidden or muted."
            }
            Cause::NothingCame => {
                "nothing ever came to the port that we told it. Open rtp_ports for UDP, and see that the address in \
                 our descriptions is one that it can reach."
            }
            Cause::NotJoined => "its leg was joined with no other. The call was not complete.",
            Cause::CodecNotAccepted => {
                "it did not accept the codec that the other sends. Let both accept one codec, such as PCMA."
            }
            Cause::NoAddress => "it has not told where it receives. Its description has no usable address.",
            Cause::NotForwarded => {
                "the packets that came could not be sent on. `ringback_media_drops` of /metrics names the reason."
            }
            Cause::OnlySilence => {
                "only silence or comfort noise came. Its microphone is muted, or is not the one that is spoken into."
            }
            Cause::NotArriving => {
                "it reports that what we send does not arrive. A firewall or NAT on its side drops our packets."
            }
            Cause::Beyond => {
                "packets came and were sent on, so the trouble is beyond us. Look at the loudspeaker and the volume \
                 of the other side."
            }
        })
    }
}

impl Verdict {
    /// Whether audio did not get as far as we can see.
    pub fn is_trouble(&self) -> bool {
        self.cause != Cause::Beyond
    }

    /// The verdict in a sentence that names the parties.
    pub fn told<'n>(&self, speaker: (&'n str, Profile), listener: (&'n str, Profile)) -> Told<'n> {
        Told { verdict: *self, speaker, listener }
    }
}

/// A verdict with the names of the parties.
#[derive(Debug, Clone, Copy)]
pub struct Told<'n> {
    verdict: Verdict,
    speaker: (&'n str, Profile),
    listener: (&'n str, Profile),
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { cause, party } = self.verdict;
        let (name, profile) = match party {
            Party::Speaker => self.speaker,
            Party::Listener => self.listener,
        };
        let device = if profile == Profile::WebRtc { "browser" } else { "phone" };
        match (party, cause) {
            // The packets of these came.
            (
                Party::Speaker,
                Cause::WrongSource
                | Cause::WrongKeys
                | Cause::WrongPayloadType
                | Cause::NotRtp
                | Cause::NotJoined
                | Cause::NotForwarded
                | Cause::OnlySilence
                | Cause::Beyond,
            ) => write!(f, "{name}'s {device} is not heard: {cause}"),
            (Party::Speaker, _) => write!(f, "{name}'s {device} sent no packet: {cause}"),
            (Party::Listener, Cause::NotArriving) => write!(f, "{name}'s {device} hears nothing: {cause}"),
            (Party::Listener, _) => write!(f, "nothing was sent to {name}'s {device}: {cause}"),
        }
    }
}

/// Says what became of the audio from one leg to another; for an echo both are the same.
pub fn judge(speaker: &LegReport, listener: &LegReport) -> Verdict {
    let of_speaker = |cause| Verdict { cause, party: Party::Speaker };
    let of_listener = |cause| Verdict { cause, party: Party::Listener };
    let (from, to) = (&speaker.history, &listener.history);
    let drops = &speaker.drops;

    let refused = most(drops, REFUSED);
    if is_few(speaker.packets_in, refused.map_or(0, |(_, count)| count)) {
        return match wish(from, to) {
            Some(wish) => wish,
            None => of_speaker(not_received(speaker, refused.map(|(cause, _)| cause))),
        };
    }

    let held_back = most(drops, HELD_BACK);
    if is_few(listener.packets_out, speaker.packets_in) {
        let cause = match held_back.map(|(cause, _)| cause) {
            Some(Cause::NoAddress) => unconnected(listener).unwrap_or(Cause::NoAddress),
            Some(Cause::OnHold) if !to.could_receive => Cause::NeverReceives,
            Some(cause @ (Cause::NotJoined | Cause::NotForwarded)) => return of_speaker(cause),
            Some(cause) => cause,
            None => return of_speaker(Cause::NotForwarded),
        };
        return of_listener(cause);
    }
    // A fax has nothing to hear in it.
    if speaker.packets_in >= ENOUGH && from.audible < History::HEARD && !from.has_fax {
        return of_speaker(Cause::OnlySilence);
    }
    if listener.quality.outgoing.loss().is_some_and(|loss| loss >= NEARLY_ALL) {
        return of_listener(Cause::NotArriving);
    }
    of_speaker(Cause::Beyond)
}

/// The wish that keeps a speaker quiet, when it is one.
fn wish(from: &History, to: &History) -> Option<Verdict> {
    if from.sends {
        return None;
    }
    let (party, cause) = match (to.receives, to.could_receive) {
        (false, true) if from.could_send => (Party::Listener, Cause::OnHold),
        (false, _) => (Party::Listener, Cause::NeverReceives),
        (true, _) => (Party::Speaker, Cause::NeverSends),
    };
    Some(Verdict { cause, party })
}

/// Why nothing was taken from a leg.
fn not_received(leg: &LegReport, refused: Option<Cause>) -> Cause {
    if let Some(cause) = unconnected(leg) {
        return cause;
    }
    match (refused, leg.history.first_rtcp, leg.history.profile) {
        (Some(cause), _, _) => cause,
        (None, Some(_), _) => Cause::OnlyRtcp,
        (None, None, Profile::WebRtc) => Cause::NothingSent,
        (None, None, _) => Cause::NothingCame,
    }
}

/// How far ICE and DTLS of a WebRTC leg have come, when not to the end.
fn unconnected(leg: &LegReport) -> Option<Cause> {
    let History { profile: Profile::WebRtc, connecting, candidates, .. } = &leg.history else { return None };
    let refused = leg.drops.of(Reason::CheckRefused);
    let cause = match (connecting.first_check, connecting.validated, connecting.nominated) {
        (None, _, _) => match candidates {
            Candidates::None => Cause::NoCandidates,
            Candidates::Hidden => Cause::HiddenCandidates,
            Candidates::Private => Cause::PrivateCandidates,
            Candidates::Public => Cause::NoCheck,
        },
        (_, None, _) if connecting.unauthenticated > refused => Cause::WrongIcePassword,
        (_, None, _) => Cause::ChecksRefused,
        (_, _, None) => Cause::NeverNominated,
        _ => match (connecting.dtls_done, connecting.dtls_failed, connecting.dtls_begun) {
            (Some(_), _, _) => return None,
            (None, Some((_, Failure::Fingerprint)), _) => Cause::WrongFingerprint,
            (None, Some((_, failure)), _) => Cause::DtlsFailed(failure),
            (None, None, Some(_)) => Cause::DtlsFailed(Failure::Timeout),
            (None, None, None) => Cause::NoDtls,
        },
    };
    Some(cause)
}

/// The cause that the most packets were dropped for, and how many; `None` when none was.
fn most(drops: &Drops, causes: &[(Cause, &[Reason])]) -> Option<(Cause, u64)> {
    causes
        .iter()
        .map(|(cause, reasons)| (*cause, reasons.iter().map(|&reason| drops.of(reason)).sum::<u64>()))
        .filter(|(_, count)| *count > 0)
        .max_by_key(|(_, count)| *count)
}

/// Whether so few of many are as good as none.
fn is_few(some: u64, of: u64) -> bool {
    some == 0 || some.saturating_mul(20) < of
}

/// The drops before a packet is taken, by what they tell.
const REFUSED: &[(Cause, &[Reason])] = &[
    (Cause::WrongSource, &[Reason::WrongSource, Reason::FormerPeer]),
    (Cause::WrongKeys, &[Reason::Unauthentic, Reason::Replayed, Reason::TooOld, Reason::KeyExhausted]),
    (Cause::WrongPayloadType, &[Reason::PayloadType]),
    (Cause::NotRtp, &[Reason::UnknownProtocol, Reason::WrongSocket, Reason::Malformed]),
];

/// The drops after it is taken.
const HELD_BACK: &[(Cause, &[Reason])] = &[
    (Cause::NotJoined, &[Reason::NotJoined]),
    (Cause::CodecNotAccepted, &[Reason::NoPayloadType]),
    (Cause::OnHold, &[Reason::MayNotReceive]),
    (Cause::NoAddress, &[Reason::PeerNotReady]),
    (
        Cause::NotForwarded,
        &[Reason::Late, Reason::FormerSource, Reason::Duplicate, Reason::ProtectFailed, Reason::Failed],
    ),
];

/// So many packets are enough to tell silence from a voice that has not begun.
const ENOUGH: u64 = 2 * History::HEARD as u64;

/// The share of packets lost from which on nothing can be understood.
const NEARLY_ALL: f64 = 0.95;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_name_and_a_sentence_of_its_own() {
        let names: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        let sentences: BTreeSet<_> = Cause::ALL.iter().map(Cause::to_string).collect();
        assert_eq!((names.len(), sentences.len()), (Cause::ALL.len(), Cause::ALL.len()));
        for sentence in sentences {
            assert!(sentence.ends_with('.') && !sentence.contains("  "), "{sentence}");
        }
    }

    #[test]
    fn a_verdict_names_the_party_its_device_the_cause_and_the_mend() {
        let (alice, bob) = (("alice", Profile::WebRtc), ("bob", Profile::Rtp));
        let told = |cause, party| Verdict { cause, party }.told(alice, bob).to_string();
        assert_eq!(
            told(Cause::PrivateCandidates, Party::Speaker),
            "alice's browser sent no packet: ICE never succeeded; all candidates were private addresses, and no check \
             came. Open our media port for UDP, and set public_address to an address that it can reach."
        );
        assert!(
            told(Cause::CodecNotAccepted, Party::Listener)
                .starts_with("nothing was sent to bob's phone: it did")
        );
        assert!(
            told(Cause::NotArriving, Party::Listener).starts_with("bob's phone hears nothing: it reports")
        );
        assert!(
            told(Cause::OnlySilence, Party::Speaker)
                .starts_with("alice's browser is not heard: only silence")
        );
    }
}
