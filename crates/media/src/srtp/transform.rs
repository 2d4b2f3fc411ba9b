//! One cryptographic transform with the session keys of RTP or of RTCP: the layout of a protected packet.

use super::aead::Gcm;
use super::aes_cm::AesCm;
use super::derivation::{Derivation, Label};
use super::suite::RTCP_INDEX_LEN;
use super::{KeyError, SrtpError, Suite};

/// What protects and opens packets, RTP or RTCP, under one master key.
pub(super) enum Transform {
    AesCm(Box<AesCm>),
    Gcm(Gcm),
}

impl Transform {
    /// The transform of RTP packets.
    pub(super) fn rtp(suite: Suite, derivation: &Derivation) -> Result<Self, KeyError> {
        let labels = [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt];
        Self::new(suite, derivation, labels, suite.rtp_overhead())
    }

    /// The transform of RTCP packets.
    pub(super) fn rtcp(suite: Suite, derivation: &Derivation) -> Result<Self, KeyError> {
        let labels = [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt];
        Self::new(suite, derivation, labels, AesCm::MAX_TAG_LEN)
    }

    fn new(
        suite: Suite,
        derivation: &Derivation,
        [encryption, authentication, salt]: [Label; 3],
        tag_len: usize,
    ) -> Result<Self, KeyError> {
        match suite {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => {
                let (key, mac) = (derivation.derive(encryption), derivation.derive(authentication));
                let salt = derivation.derive(salt);
                Ok(Transform::AesCm(Box::new(AesCm::with_128(&key.0, &salt.0, &mac.0, tag_len))))
            }
            Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 => {
                let (key, mac) = (derivation.derive(encryption), derivation.derive(authentication));
                let salt = derivation.derive(salt);
                Ok(Transform::AesCm(Box::new(AesCm::with_256(&key.0, &salt.0, &mac.0, tag_len))))
            }
            Suite::AeadAes128Gcm => {
                let (key, salt) = (derivation.derive::<16>(encryption), derivation.derive(salt));
                Gcm::new(suite, &key.0, salt.0).map(Transform::Gcm)
            }
            Suite::AeadAes256Gcm => {
                let (key, salt) = (derivation.derive::<32>(encryption), derivation.derive(salt));
                Gcm::new(suite, &key.0, salt.0).map(Transform::Gcm)
            }
        }
    }

    /// Bytes behind the place of the MKI in a protected packet of RTP ([RFC 3711 §3.1], [RFC 7714 §8.2]); it is the same
    /// in one of RTCP.
    ///
    /// [RFC 3711 §3.1]: https://www.rfc-editor.org/rfc/rfc3711#section-3.1
    /// [RFC 7714 §8.2]: https://www.rfc-editor.org/rfc/rfc7714#section-8.2
    pub(super) fn behind_mki(&self) -> usize {
        match self {
            Transform::AesCm(keys) => keys.tag_len(),
            Transform::Gcm(_) => 0,
        }
    }

    /// Protects the RTP packet in the first `len` bytes of `buffer`, whose payload starts at `payload`; returns the
    /// protected length.
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        ssrc: u32,
        index: u64,
        buffer: &mut [u8],
        payload: usize,
        len: usize,
    ) -> Result<usize, SrtpError> {
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        let (header, text) = packet.split_at_mut_checked(payload).ok_or(SrtpError::Malformed)?;
        match self {
            Transform::AesCm(keys) => {
                let room = room.get_mut(..keys.tag_len()).ok_or(SrtpError::NoTailRoom)?;
                keys.apply(ssrc, index, text);
                keys.tag(packet, &roll_over_counter(index), room);
                Ok(len + keys.tag_len())
            }
            Transform::Gcm(keys) => {
                let room = room.get_mut(..Gcm::TAG_LEN).ok_or(SrtpError::NoTailRoom)?;
                let tag = keys.seal(ssrc, index, header, text).ok_or(SrtpError::Malformed)?;
                room.copy_from_slice(&tag);
                Ok(len + Gcm::TAG_LEN)
            }
        }
    }

    /// Opens an RTP packet whose payload starts at `payload`; returns its length without the tag.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        payload: usize,
    ) -> Result<usize, SrtpError> {
        match self {
            Transform::AesCm(keys) => {
                let (authenticated, tag) = split_tail(packet, keys.tag_len())?;
                // The tag may reach into what looks like the header of a packet that is too short.
                if authenticated.len() < payload {
                    return Err(SrtpError::Malformed);
                }
                if !keys.verify(authenticated, &roll_over_counter(index), tag) {
                    return Err(SrtpError::Unauthentic);
                }
                keys.apply(ssrc, index, authenticated.get_mut(payload..).unwrap_or_default());
                Ok(authenticated.len())
            }
            Transform::Gcm(keys) => {
                let (front, tag) = split_tail(packet, Gcm::TAG_LEN)?;
                let len = front.len();
                let (header, text) = front.split_at_mut_checked(payload).ok_or(SrtpError::Malformed)?;
                if !keys.open(ssrc, index, header, text, tag) {
                    return Err(SrtpError::Unauthentic);
                }
                Ok(len)
            }
        }
    }

    /// Protects the RTCP packet in the first `len` bytes of `buffer`; returns the protected length.
    pub(super) fn seal_rtcp(
        &self,
        ssrc: u32,
        index: u32,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, SrtpError> {
        let word = (E_BIT | index).to_be_bytes();
        let (packet, room) = buffer.split_at_mut_checked(len).ok_or(SrtpError::Malformed)?;
        match self {
            Transform::AesCm(keys) => {
                let text = packet.get_mut(RTCP_HEADER_LEN..).ok_or(SrtpError::Malformed)?;
                let room = room.get_mut(..RTCP_INDEX_LEN + keys.tag_len()).ok_or(SrtpError::NoTailRoom)?;
                let (index_room, tag_room) = room.split_at_mut(RTCP_INDEX_LEN);
                keys.apply(ssrc, index.into(), text);
                index_room.copy_from_slice(&word);
                keys.tag(packet, &word, tag_room);
                Ok(len + RTCP_INDEX_LEN + keys.tag_len())
            }
            Transform::Gcm(keys) => {
                let (header, text) = split_rtcp_header(packet)?;
                let room = room.get_mut(..Gcm::TAG_LEN + RTCP_INDEX_LEN).ok_or(SrtpError::NoTailRoom)?;
                let (tag_room, index_room) = room.split_at_mut(Gcm::TAG_LEN);
                let tag = keys
                    .seal(ssrc, index.into(), &rtcp_associated(header, word), text)
                    .ok_or(SrtpError::Malformed)?;
                tag_room.copy_from_slice(&tag);
                index_room.copy_from_slice(&word);
                Ok(len + Gcm::TAG_LEN + RTCP_INDEX_LEN)
            }
        }
    }

    /// The SRTCP index that a packet claims.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let word = packet
            .len()
            .checked_sub(self.behind_mki())
            .and_then(|end| packet.get(..end))
            .and_then(|front| front.last_chunk::<RTCP_INDEX_LEN>())
            .ok_or(SrtpError::Malformed)?;
        let word = u32::from_be_bytes(*word);
        if word & E_BIT == 0 { Err(SrtpError::Unencrypted) } else { Ok(word & !E_BIT) }
    }

    /// Opens an RTCP packet; returns its length without index and tag.
    pub(super) fn open_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let word = (E_BIT | index).to_be_bytes();
        match self {
            Transform::AesCm(keys) => {
                let (authenticated, tag) = split_tail(packet, keys.tag_len())?;
                let len = authenticated.len().checked_sub(RTCP_INDEX_LEN).ok_or(SrtpError::Malformed)?;
                if len < RTCP_HEADER_LEN {
                    return Err(SrtpError::Malformed);
                }
                if !keys.verify(authenticated, &[], tag) {
                    return Err(SrtpError::Unauthentic);
                }
                let text = authenticated.get_mut(RTCP_HEADER_LEN..len).unwrap_or_default();
                keys.apply(ssrc, index.into(), text);
                Ok(len)
            }
            Transform::Gcm(keys) => {
                let (front, _) = split_tail(packet, RTCP_INDEX_LEN)?;
                let (front, tag) = split_tail(front, Gcm::TAG_LEN)?;
                let len = front.len();
                let (header, text) = split_rtcp_header(front)?;
                if !keys.open(ssrc, index.into(), &rtcp_associated(header, word), text, tag) {
                    return Err(SrtpError::Unauthentic);
                }
                Ok(len)
            }
        }
    }
}

fn roll_over_counter(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// The packet without its last `len` bytes, and those bytes.
fn split_tail(packet: &mut [u8], len: usize) -> Result<(&mut [u8], &[u8]), SrtpError> {
    let at = packet.len().checked_sub(len).ok_or(SrtpError::Malformed)?;
    let (front, tail) = packet.split_at_mut(at);
    Ok((front, tail))
}

fn split_rtcp_header(packet: &mut [u8]) -> Result<(&[u8; RTCP_HEADER_LEN], &mut [u8]), SrtpError> {
    let (header, text) = packet.split_first_chunk_mut().ok_or(SrtpError::Malformed)?;
    Ok((header, text))
}

/// The associated data of an encrypted SRTCP packet ([RFC 7714 §9.2]): the first eight bytes and the index word.
///
/// [RFC 7714 §9.2]: https://www.rfc-editor.org/rfc/rfc7714#section-9.2
fn rtcp_associated(
    header: &[u8; RTCP_HEADER_LEN],
    word: [u8; RTCP_INDEX_LEN],
) -> [u8; RTCP_HEADER_LEN + RTCP_INDEX_LEN] {
    let mut associated = [0; RTCP_HEADER_LEN + RTCP_INDEX_LEN];
    for (to, from) in associated.iter_mut().zip(header.iter().chain(&word)) {
        *to = *from;
    }
    associated
}

/// What stays in the clear of an RTCP packet: the first packet's header and the sender's SSRC.
pub(super) const RTCP_HEADER_LEN: usize = 8;

/// The bit that says that an SRTCP packet is encrypted.
const E_BIT: u32 = 1 << 31;

#[cfg(test)]
mod tests;
