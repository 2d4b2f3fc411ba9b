//! The media of a call with a telephone: RTP in the clear, or SRTP under the keys of the session description
//! ([RFC 3264], [RFC 4568]).
//!
//! An [`RtpSession`] makes the offer or the answer, then turns audio into packets and packets into audio. It has one m= section;
//! others that are offered are rejected. Where the far end is behind a NAT, what it sends says where it is: packets go to
//! where they came from last, as soon as one has come from the host that its description or its signalling names.
//!
//! Left out: RTCP of our own (what comes is counted and passed over), video, faxes.
//!
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264
//! [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568

mod connection;
mod description;

pub use connection::RtpConnection;
pub use description::{RtpError, Wanted};

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use ringback_media::rtp::Header;
use ringback_media::sdp::Section;
use ringback_media::srtp::{MasterKey, Receiver, Sender, TAIL_ROOM};
use ringback_nat::demux::{Class, classify};

use crate::audio::Audio;

/// How the packets of a session are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all (`RTP/AVP`).
    Plain,
    /// By keys in the session descriptions (`RTP/SAVP`, [RFC 4568]), which whoever passes on the signalling can read.
    ///
    /// [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
    Sdes,
}

/// What became of packets that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RtpCounts {
    /// Packets of audio that were taken.
    pub received: u64,
    /// Packets that were sent.
    pub sent: u64,
    /// RTCP, which is passed over.
    pub rtcp: u64,
    /// Datagrams from hosts that are not the far end.
    pub strange: u64,
    /// Packets that do not open under the keys.
    pub unauthentic: u64,
    /// Datagrams that are no RTP, and those that came before anything was agreed.
    pub unusable: u64,
}

/// One call's media with a telephone.
pub struct RtpSession {
    protection: Protection,
    local: SocketAddr,
    signalling: IpAddr,
    seed: u64,
    version: u64,
    /// The keys of our offer, until one is chosen.
    offered: Vec<MasterKey>,
    /// The m= section that we wrote last.
    own: Option<Section>,
    state: Option<Agreed>,
    counts: RtpCounts,
    buffer: Vec<u8>,
}

/// What both sides have agreed on.
struct Agreed {
    audio: Audio,
    /// What the audio was made for.
    section: Section,
    remote: SocketAddr,
    /// Whether the far end wants to hear us.
    is_heard: bool,
    keys: Option<Streams>,
}

/// Both directions under their keys. A key that stays goes on with its stream, whose indices must not come twice
/// ([RFC 3711 §9.1]).
///
/// [RFC 3711 §9.1]: https://www.rfc-editor.org/rfc/rfc3711#section-9.1
struct Streams {
    sent: (MasterKey, Sender),
    received: (MasterKey, Receiver),
}

impl RtpSession {
    /// A session that takes packets at `local`, an address that the far end can reach, from the host that the far end
    /// describes or that `signalling` comes from.
    ///
    /// With [`Protection::Plain`] offers that have keys are answered all the same; with [`Protection::Sdes`] none without.
    pub fn new(local: SocketAddr, signalling: IpAddr, protection: Protection, seed: u64) -> Self {
        RtpSession {
            protection,
            local,
            signalling,
            seed,
            version: 0,
            offered: Vec::new(),
            own: None,
            state: None,
            counts: RtpCounts::default(),
            buffer: Vec::new(),
        }
    }

    /// The offer of a call.
    pub fn offer(&mut self) -> Bytes {
        self.write_offer()
    }

    /// Takes the answer to the offer.
    pub fn accept(&mut self, now: Instant, answer: &[u8]) -> Result<(), RtpError> {
        let (section, keys) = self.read_answer(answer)?;
        self.agree(now, section, keys)
    }

    /// Answers an offer: of a call, or a new one within it.
    pub fn answer(&mut self, now: Instant, offer: &[u8]) -> Result<Bytes, RtpError> {
        let (section, keys, answer) = self.write_answer(offer)?;
        self.agree(now, section, keys)?;
        Ok(answer)
    }

    /// The audio, once something was agreed.
    pub fn audio(&mut self) -> Option<&mut Audio> {
        self.state.as_mut().map(|agreed| &mut agreed.audio)
    }

    /// What became of packets.
    pub fn counts(&self) -> RtpCounts {
        self.counts
    }

    /// Takes a datagram.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let Some(agreed) = &mut self.state else {
            self.counts.unusable += 1;
            return;
        };
        if !same_host(from.ip(), agreed.remote.ip()) && !same_host(from.ip(), self.signalling) {
            self.counts.strange += 1;
            return;
        }
        match classify(datagram) {
            Class::Rtp => {}
            Class::Rtcp => {
                self.counts.rtcp += 1;
                return;
            }
            _ => {
                self.counts.unusable += 1;
                return;
            }
        }
        let len = match &mut agreed.keys {
            None => datagram.len(),
            Some(Streams { received: (_, receiver), .. }) => match receiver.unprotect_rtp(datagram) {
                Ok(len) => len,
                Err(_) => {
                    self.counts.unauthentic += 1;
                    return;
                }
            },
        };
        let packet = datagram.get(..len).unwrap_or_default();
        if Header::parse(packet).is_none() {
            self.counts.unusable += 1;
            return;
        }
        agreed.remote = from;
        self.counts.received += 1;
        agreed.audio.handle_packet(now, packet);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(agreed) = &mut self.state {
            agreed.audio.handle_timeout(now);
        }
    }

    /// When something is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.as_ref().and_then(|agreed| agreed.audio.poll_timeout())
    }

    /// The next datagram to send, and where to.
    pub fn poll_transmit(&mut self) -> Option<(SocketAddr, &[u8])> {
        let agreed = self.state.as_mut()?;
        loop {
            let made = agreed.audio.poll_packet()?;
            if !agreed.is_heard {
                agreed.audio.recycle(made);
                continue;
            }
            self.buffer.clear();
            self.buffer.extend_from_slice(made.bytes());
            let mut len = self.buffer.len();
            agreed.audio.recycle(made);
            if let Some(Streams { sent: (_, sender), .. }) = &mut agreed.keys {
                self.buffer.resize(len + TAIL_ROOM, 0);
                // A key is good for 2^48 packets, and the numbers of a stream are its own: nothing else can fail.
                match sender.protect_rtp(&mut self.buffer, len) {
                    Ok(protected) => len = protected,
                    Err(_) => continue,
                }
            }
            self.counts.sent += 1;
            return Some((agreed.remote, self.buffer.get(..len)?));
        }
    }

    /// Goes on with what was agreed last. What cannot be agreed leaves things as they are.
    fn agree(&mut self, now: Instant, section: Section, keys: description::Keys) -> Result<(), RtpError> {
        let remote = description::remote(&section);
        let is_heard = section.direction.receives() && remote.is_some();
        let former = self.state.as_ref();
        let remote = remote.or(former.map(|former| former.remote)).ok_or(RtpError::NoAddress)?;
        let is_same = |former: &&Agreed| {
            former.section.codecs == section.codecs && former.section.ptime == section.ptime
        };
        let anew = match former.filter(is_same) {
            Some(_) => None,
            None => {
                self.seed = self.seed.wrapping_add(1);
                Some(Audio::new(now, &section.codecs, section.ptime, self.seed)?)
            }
        };
        // A key that cannot be used is found out before anything is given up.
        let made = keys.as_ref().map(|(sent, received)| Ok((sent.sender()?, received.receiver()?)));
        let made = made.transpose().map_err(RtpError::Key)?;
        let (former_audio, former_keys) = self.state.take().map(|former| (former.audio, former.keys)).unzip();
        let Some(audio) = anew.or(former_audio) else { return Err(RtpError::NoAudio) };
        let keys = keys.zip(made).map(|(keys, made)| Streams::new(keys, made, former_keys.flatten()));
        self.state = Some(Agreed { audio, section, remote, is_heard, keys });
        Ok(())
    }
}

impl Streams {
    /// What goes on of `former` does; the rest is what was made under the keys.
    fn new(keys: (MasterKey, MasterKey), made: (Sender, Receiver), former: Option<Streams>) -> Self {
        let (mut sent, mut received) = ((keys.0, made.0), (keys.1, made.1));
        if let Some(former) = former {
            if former.sent.0 == sent.0 {
                sent = former.sent;
            }
            match former.received.0 == received.0 {
                true => received = former.received,
                false => received.1.follow(&former.received.1),
            }
        }
        Streams { sent, received }
    }
}

/// Whether two addresses are those of one machine, as far as one can tell.
fn same_host(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}

#[cfg(test)]
mod tests;
