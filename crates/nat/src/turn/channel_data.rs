//! ChannelData messages ([RFC 8656 §12.4]), and where one message ends in a stream ([RFC 8656 §12.5], [RFC 8489 §6.2.2]).
//!
//! [RFC 8656 §12.4]: https://www.rfc-editor.org/rfc/rfc8656#section-12.4
//! [RFC 8656 §12.5]: https://www.rfc-editor.org/rfc/rfc8656#section-12.5
//! [RFC 8489 §6.2.2]: https://www.rfc-editor.org/rfc/rfc8489#section-6.2.2

use crate::demux::{Class, classify};

/// The number of a channel, from 0x4000 to 0x7FFE.
///
/// RFC 8656 has only those up to 0x4FFF, so that they are told from DTLS-SRTP at a port that both share. There are clients
/// that choose among all those of [RFC 5766 §11]; at a port of TURN alone nothing else begins like them.
///
/// [RFC 5766 §11]: https://www.rfc-editor.org/rfc/rfc5766#section-11
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelNumber(u16);

impl ChannelNumber {
    /// The number, when it is one that a channel may have.
    pub(super) const fn new(number: u16) -> Option<Self> {
        if number >= 0x4000 && number <= 0x7ffe { Some(ChannelNumber(number)) } else { None }
    }
}

/// Takes a ChannelData message apart. What follows the application data is padding, in a datagram as well.
pub(super) fn parse(message: &[u8]) -> Option<(ChannelNumber, &[u8])> {
    let (&[n1, n2, l1, l2], rest) = message.split_first_chunk()?;
    let number = ChannelNumber::new(u16::from_be_bytes([n1, n2]))?;
    Some((number, rest.get(..usize::from(u16::from_be_bytes([l1, l2])))?))
}

/// What stands before `length` bytes of application data.
pub(super) const fn header(number: ChannelNumber, length: u16) -> [u8; HEADER] {
    let ([n1, n2], [l1, l2]) = (number.0.to_be_bytes(), length.to_be_bytes());
    [n1, n2, l1, l2]
}

/// How much of what a stream has brought is its first message, padding included; `None` when more has to come.
pub fn first_message(received: &[u8]) -> Result<Option<usize>, NotTurn> {
    let &[first, _, l1, l2, ..] = received else {
        // Already the first byte tells what can never become a message.
        return if received.is_empty() || is_turn(received) { Ok(None) } else { Err(NotTurn) };
    };
    let length = usize::from(u16::from_be_bytes([l1, l2]));
    let whole = match kind(&[first]) {
        Some(Kind::ChannelData) => HEADER + length.next_multiple_of(4),
        Some(Kind::Stun) if length.is_multiple_of(4) => STUN_HEADER + length,
        _ => return Err(NotTurn),
    };
    if whole > LONGEST_IN_STREAM {
        return Err(NotTurn);
    }
    Ok((received.len() >= whole).then_some(whole))
}

fn is_turn(received: &[u8]) -> bool {
    kind(received).is_some()
}

/// What a message to a TURN server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stun,
    ChannelData,
}

/// Tells both apart by the first byte; `None` for anything else.
pub(super) fn kind(message: &[u8]) -> Option<Kind> {
    match message {
        [64..=127, ..] => Some(Kind::ChannelData),
        _ => (classify(message) == Class::Stun).then_some(Kind::Stun),
    }
}

/// What a stream brought is no TURN, or too long: nothing that follows can be made out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream does not carry TURN")]
pub struct NotTurn;

/// How long the header of a ChannelData message is.
pub(super) const HEADER: usize = 4;
/// The longest message that is taken out of a stream, and so what a connection may make us keep: a datagram of a network
/// with jumbo frames.
pub const LONGEST_IN_STREAM: usize = 9216;
const STUN_HEADER: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(number: u16) -> ChannelNumber {
        ChannelNumber::new(number).unwrap()
    }

    #[test]
    fn numbers_are_those_of_rfc_5766_and_so_those_of_rfc_8656() {
        assert_eq!([0x3fff, 0x7fff, 0x8000].map(ChannelNumber::new), [None; 3]);
        assert!([0x4000, 0x4fff, 0x5000, 0x7ffe].iter().all(|&inside| ChannelNumber::new(inside).is_some()));
    }

    #[test]
    fn a_message_is_read_with_and_without_padding() {
        assert_eq!(parse(&[0x40, 1, 0, 3, 7, 8, 9]), Some((number(0x4001), &[7, 8, 9][..])));
        assert_eq!(parse(&[0x40, 1, 0, 3, 7, 8, 9, 0]), Some((number(0x4001), &[7, 8, 9][..])));
        assert_eq!(parse(&[0x40, 1, 0, 0]), Some((number(0x4001), &[][..])), "an empty datagram");
        assert_eq!(parse(&[0x40, 1, 0, 4, 7, 8, 9]), None, "cut short");
        assert_eq!(parse(&[0x7f, 0xff, 0, 0]), None);
        assert_eq!(parse(&[0x40, 1, 0]), None);
    }

    #[test]
    fn a_stream_is_cut_where_a_message_ends() {
        assert_eq!(first_message(&[]), Ok(None));
        assert_eq!(first_message(&[0x40]), Ok(None));
        assert_eq!(first_message(&[0x40, 0, 0, 1, 9]), Ok(None), "its padding is still to come");
        assert_eq!(first_message(&[0x40, 0, 0, 1, 9, 0, 0, 0, 0x40]), Ok(Some(8)));
        let mut binding = vec![0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42];
        binding.resize(23, 0);
        assert_eq!(first_message(&binding), Ok(None));
        binding.resize(30, 0);
        assert_eq!(first_message(&binding), Ok(Some(24)));
        assert_eq!(
            first_message(b"GET / HTTP/1.1"),
            Err(NotTurn),
            "a channel by its first byte, and too long"
        );
        assert_eq!(first_message(&[0x16]), Err(NotTurn), "TLS");
        assert_eq!(first_message(&[0, 1, 0, 3]), Err(NotTurn), "no multiple of four");
        assert_eq!(first_message(&[0x40, 0, 0xff, 0xff]), Err(NotTurn), "too long to be kept");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(channel in 0x4000u16..0x7fff, data in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut message = header(number(channel), data.len() as u16).to_vec();
            message.extend_from_slice(&data);
            prop_assert_eq!(parse(&message), Some((number(channel), &data[..])));
            message.resize(message.len().next_multiple_of(4), 0);
            prop_assert_eq!(first_message(&message), Ok(Some(message.len())));
        }
    }
}
