//! The records of a datagram, looked at from outside.

use super::Role;

/// One record, with its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) bytes: &'a [u8],
}

/// What can be said of a record without a key. Of those in the clear, anybody can have sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Change_cipher_spec in the clear.
    ChangeCipherSpec,
    /// An alert in the clear, with its description where there is one.
    Alert(Option<u8>),
    /// Handshake messages in the clear; the first is looked at.
    Handshake(Fragment),
    /// Application data or an ACK in the clear, neither of which we need.
    Other,
    /// Protected as in DTLS 1.2: a later epoch in the header of [RFC 6347 §4.1].
    ///
    /// [RFC 6347 §4.1]: https://www.rfc-editor.org/rfc/rfc6347#section-4.1
    Protected12 {
        /// Whether by its type and length it can be a Finished.
        is_finished: bool,
    },
    /// Protected as in DTLS 1.3: the unified header of [RFC 9147 §4].
    ///
    /// [RFC 9147 §4]: https://www.rfc-editor.org/rfc/rfc9147#section-4
    Protected13,
}

impl Kind {
    /// Whether it is of the first ClientHello.
    pub(super) fn is_client_hello(self) -> bool {
        matches!(self, Kind::Handshake(fragment) if fragment.is_client_hello())
    }
}

/// The header of a handshake message, or of a piece of one ([RFC 6347 §4.2.2]).
///
/// [RFC 6347 §4.2.2]: https://www.rfc-editor.org/rfc/rfc6347#section-4.2.2
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment {
    message: u8,
    pub(super) sequence: u16,
    /// The length of the whole message.
    pub(super) total: u32,
    /// Where this piece begins in it.
    pub(super) offset: u32,
}

impl Fragment {
    fn parse(bytes: &[u8]) -> Result<Self, Drop> {
        let &[message, t1, t2, t3, s1, s2, o1, o2, o3, l1, l2, l3, ref body @ ..] = bytes else {
            return Err(Drop::Malformed);
        };
        let [total, offset, len] =
            [[0, t1, t2, t3], [0, o1, o2, o3], [0, l1, l2, l3]].map(u32::from_be_bytes);
        let fits = usize::try_from(len).is_ok_and(|len| len <= body.len());
        // Three bytes each: the sum does not run over.
        if !fits || offset + len > total || total > MAX_MESSAGE {
            return Err(Drop::Malformed);
        }
        Ok(Fragment { message, sequence: u16::from_be_bytes([s1, s2]), total, offset })
    }

    /// Whether it is of the first ClientHello.
    pub(super) fn is_client_hello(self) -> bool {
        (self.message, self.sequence) == (1, 0)
    }

    /// Whether it is of a ClientHello, the first or one that answers us.
    pub(super) fn is_any_client_hello(self) -> bool {
        self.message == 1
    }

    /// Whether an end in this role sends such a message in the clear.
    pub(super) fn is_from(self, role: Role) -> bool {
        match role {
            // ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
            Role::Client => matches!(self.message, 1 | 11 | 15 | 16),
            // HelloRequest is left out, as there is no renegotiation: ServerHello, HelloVerifyRequest, Certificate,
            // ServerKeyExchange, CertificateRequest, ServerHelloDone.
            Role::Server => matches!(self.message, 2 | 3 | 11..=14),
        }
    }
}

/// The records of a datagram. The first that is not one ends it with an error.
pub(super) fn records(datagram: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Drop>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = split_record(rest);
        rest = split.map_or(&[], |(_, behind)| behind);
        Some(split.map(|(record, _)| record))
    })
}

fn split_record(bytes: &[u8]) -> Result<(Record<'_>, &[u8]), Drop> {
    let first = *bytes.first().ok_or(Drop::Malformed)?;
    let (kind, len) = match first {
        // 0 0 1 C S L E E: without a connection identifier, which we never negotiate.
        0x20..=0x2f => (Kind::Protected13, unified_len(first, bytes)?),
        20..=23 | 26 => plain(first, bytes)?,
        _ => return Err(Drop::Malformed),
    };
    let (record, behind) = bytes.split_at_checked(len).ok_or(Drop::Malformed)?;
    Ok((Record { kind, bytes: record }, behind))
}

/// A record with the header of DTLS 1.2, and how long it is.
fn plain(content_type: u8, bytes: &[u8]) -> Result<(Kind, usize), Drop> {
    let &[_, 0xfe, 0xfd | 0xff, epoch1, epoch2, _, _, _, _, _, _, len1, len2, ref rest @ ..] = bytes else {
        return Err(Drop::Malformed);
    };
    let len = usize::from(u16::from_be_bytes([len1, len2]));
    let fragment = rest.get(..len).ok_or(Drop::Malformed)?;
    let kind = match (epoch1, epoch2, content_type) {
        (0, 0, 20) => Kind::ChangeCipherSpec,
        (0, 0, 21) => Kind::Alert(fragment.get(1).copied()),
        (0, 0, 22) => Kind::Handshake(Fragment::parse(fragment)?),
        (0, 0, _) => Kind::Other,
        // Twelve bytes of header and twelve of hash, sealed by AES-GCM (with its explicit nonce) or ChaCha20-Poly1305.
        (0, 1, 22) => Kind::Protected12 { is_finished: matches!(len, 48 | 40) },
        _ => Kind::Protected12 { is_finished: false },
    };
    Ok((kind, RECORD_HEADER + len))
}

/// Header and ciphertext of a record with the unified header; without a length it fills the datagram.
fn unified_len(flags: u8, bytes: &[u8]) -> Result<usize, Drop> {
    let number = if flags & 0x08 == 0 { 1 } else { 2 };
    if flags & 0x04 == 0 {
        return Ok(bytes.len());
    }
    match bytes.get(1 + number..3 + number) {
        Some(&[len1, len2]) => Ok(3 + number + usize::from(u16::from_be_bytes([len1, len2]))),
        _ => Err(Drop::Malformed),
    }
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Drop {
    /// It does not consist of DTLS records.
    #[error("no DTLS record")]
    Malformed,
    /// It is longer than any datagram of a handshake.
    #[error("the datagram is too long")]
    TooLong,
    /// An alert in the clear, which anybody can have sent.
    #[error("an unauthenticated alert")]
    Unauthenticated,
    /// Records that have no place in this state, such as plain ones after the handshake.
    #[error("a record out of place")]
    OutOfPlace,
    /// A protected record that does not open, or that has been opened before.
    #[error("a record that is not authentic, or comes again")]
    Unauthentic,
    /// An error after the handshake has left the association unable to read; SRTP goes on.
    #[error("the association cannot read any more")]
    Deaf,
    /// The association has ended.
    #[error("the association has ended")]
    Ended,
}

/// Bytes of the header of a record in the clear.
pub(super) const RECORD_HEADER: usize = 13;
/// Bytes of the header of a handshake message.
pub(super) const HANDSHAKE_HEADER: usize = 12;
/// The longest handshake message that is put together: more than the engine's queue can hold.
const MAX_MESSAGE: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(content_type: u8, epoch: u16, fragment: &[u8]) -> Vec<u8> {
        let mut bytes = vec![content_type, 0xfe, 0xfd];
        bytes.extend_from_slice(&epoch.to_be_bytes());
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&u16::try_from(fragment.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(fragment);
        bytes
    }

    fn kinds(datagram: &[u8]) -> Vec<Result<Kind, Drop>> {
        records(datagram).map(|record| record.map(|record| record.kind)).collect()
    }

    /// A whole message, or a piece of one.
    fn message(kind: u8, total: u8, offset: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, total, 0, 0, 0, 0, offset, 0, 0, u8::try_from(body.len()).unwrap()];
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn a_flight_is_taken_apart() {
        let datagram = [
            record(22, 0, &message(11, 4, 0, b"cert")),
            record(20, 0, &[1]),
            record(22, 1, &[7; 48]),
            vec![0x2c, 0, 1, 0, 3, 7, 7, 7],
            vec![0x20, 9, 1, 2, 3, 4],
        ];
        let certificate = Fragment { message: 11, sequence: 0, total: 4, offset: 0 };
        assert_eq!(
            kinds(&datagram.concat()),
            [
                Ok(Kind::Handshake(certificate)),
                Ok(Kind::ChangeCipherSpec),
                Ok(Kind::Protected12 { is_finished: true }),
                Ok(Kind::Protected13),
                Ok(Kind::Protected13),
            ]
        );
        let together: Vec<u8> =
            records(&datagram.concat()).flat_map(|record| record.unwrap().bytes.to_vec()).collect();
        assert_eq!(together, datagram.concat());
    }

    #[test]
    fn an_alert_tells_its_description_only_in_the_clear() {
        assert_eq!(kinds(&record(21, 0, &[2, 40])), [Ok(Kind::Alert(Some(40)))]);
        assert_eq!(kinds(&record(21, 0, &[2])), [Ok(Kind::Alert(None))]);
        assert_eq!(kinds(&record(21, 1, &[2, 40])), [Ok(Kind::Protected12 { is_finished: false })]);
        assert_eq!(kinds(&record(26, 0, &[0, 0])), [Ok(Kind::Other)]);
        assert_eq!(kinds(&record(23, 0, &[0, 0])), [Ok(Kind::Other)]);
    }

    #[test]
    fn a_piece_of_a_message_lies_within_it() {
        let sound = [message(1, 9, 0, b"whole one"), message(1, 9, 5, b"part"), message(1, 9, 9, b"")];
        for fragment in sound {
            assert!(matches!(kinds(&record(22, 0, &fragment))[..], [Ok(Kind::Handshake(_))]));
        }
        let mut cut = message(1, 9, 0, b"whole one");
        cut.pop();
        let mut endless = message(1, 9, 0, b"whole one");
        endless[1] = 2;
        for fragment in [message(1, 9, 6, b"part"), cut, endless, vec![1; 11]] {
            assert_eq!(kinds(&record(22, 0, &fragment)), [Err(Drop::Malformed)], "{fragment:?}");
        }
    }

    #[test]
    fn each_role_has_its_messages() {
        let is_from = |kind, role| Fragment { message: kind, sequence: 0, total: 0, offset: 0 }.is_from(role);
        let of = |role| (0..=255u8).filter(|&kind| is_from(kind, role)).collect::<Vec<_>>();
        assert_eq!(of(Role::Client), [1, 11, 15, 16]);
        assert_eq!(of(Role::Server), [2, 3, 11, 12, 13, 14]);
    }

    #[test]
    fn what_is_no_record_ends_the_datagram() {
        let sound = record(20, 0, &[1]);
        let bad = [
            &[0x80u8, 1, 2][..],
            &[22],
            &[22, 3, 3, 0, 0],
            &[23; 40],
            &[0x3c; 40],
            &[0x2c, 0, 0],
            &sound[..13],
        ];
        for bad in bad {
            assert_eq!(kinds(bad), [Err(Drop::Malformed)], "{bad:?}");
            let behind = [&sound, bad].concat();
            assert_eq!(kinds(&behind), [Ok(Kind::ChangeCipherSpec), Err(Drop::Malformed)]);
        }
        assert_eq!(kinds(&[]), []);
    }
}
