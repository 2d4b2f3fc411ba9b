//! `a=sendrecv`, `a=sendonly`, `a=recvonly` and `a=inactive`.

use std::fmt;

/// Which ways media flows, as the one who wrote the description sees it ([RFC 8866 §6.7]).
///
/// [RFC 8866 §6.7]: https://www.rfc-editor.org/rfc/rfc8866#section-6.7
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Direction {
    /// Both ways; what a description without an attribute means.
    #[default]
    SendRecv,
    /// The writer sends and does not want to receive: the far end is on hold.
    SendOnly,
    /// The writer receives only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The direction of one who does or does not send and receive.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same flow as the other end sees it: the most that an answer may say ([RFC 3264 §6.1]).
    ///
    /// [RFC 3264 §6.1]: https://www.rfc-editor.org/rfc/rfc3264#section-6.1
    pub const fn reversed(self) -> Self {
        Direction::new(self.receives(), self.sends())
    }

    /// What both allow.
    pub const fn and(self, other: Self) -> Self {
        Direction::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The name of the attribute.
    pub const fn attribute(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The direction that an attribute names, in any case of letters.
    pub(super) fn from_attribute(name: &str) -> Option<Self> {
        Direction::ALL.into_iter().find(|direction| direction.attribute().eq_ignore_ascii_case(name))
    }

    /// All four.
    pub const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.attribute())
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{self, *};

    #[test]
    fn reversing_swaps_sending_and_receiving() {
        assert_eq!(Direction::ALL.map(Direction::reversed), [SendRecv, RecvOnly, SendOnly, Inactive],);
    }

    #[test]
    fn and_is_the_intersection() {
        let table = [
            (SendRecv, [SendRecv, SendOnly, RecvOnly, Inactive]),
            (SendOnly, [SendOnly, SendOnly, Inactive, Inactive]),
            (RecvOnly, [RecvOnly, Inactive, RecvOnly, Inactive]),
            (Inactive, [Inactive, Inactive, Inactive, Inactive]),
        ];
        for (one, expected) in table {
            assert_eq!(Direction::ALL.map(|other| one.and(other)), expected, "{one}");
        }
    }
}
