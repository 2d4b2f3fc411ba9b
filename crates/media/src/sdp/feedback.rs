//! `a=rtcp-fb` and `a=ssrc`: what is said about the packets of a section beside their payloads.

use crate::rtcp::Cname;

/// What of RTCP feedback a description names ([RFC 4585 §4.2], [RFC 5104 §7.1]), as far as we know it.
///
/// It counts for the section as a whole: nobody wants to be asked for pictures in one codec and not in another.
///
/// [RFC 4585 §4.2]: https://www.rfc-editor.org/rfc/rfc4585#section-4.2
/// [RFC 5104 §7.1]: https://www.rfc-editor.org/rfc/rfc5104#section-7.1
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Feedback {
    /// `nack`: packets that are missing are asked for.
    pub nack: bool,
    /// `nack pli`: a picture that is lost is told.
    pub pli: bool,
    /// `ccm fir`: a whole picture is asked for.
    pub fir: bool,
    /// `goog-remb`: how many bits in a second can be received.
    pub remb: bool,
}

/// The SSRCs that a section of ours sends with ([RFC 5576]).
///
/// [RFC 5576]: https://www.rfc-editor.org/rfc/rfc5576
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sources {
    /// That of the media.
    pub media: u32,
    /// That of what is sent again ([RFC 4588]), where that has one of its own.
    ///
    /// [RFC 4588]: https://www.rfc-editor.org/rfc/rfc4588
    pub repair: Option<u32>,
    /// Whose they are.
    pub cname: Cname,
}

impl Feedback {
    /// All that we can do.
    pub const ALL: Feedback = Feedback { nack: true, pli: true, fir: true, remb: true };

    /// Reads the values of `a=rtcp-fb` lines; what we do not know is passed over.
    pub(super) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Feedback {
        let mut feedback = Feedback::default();
        for line in lines {
            // The payload type, or `*`, comes first.
            let mut fields = line.split_ascii_whitespace().skip(1);
            match (fields.next(), fields.next()) {
                (Some("nack"), None) => feedback.nack = true,
                (Some("nack"), Some("pli")) => feedback.pli = true,
                (Some("ccm"), Some("fir")) => feedback.fir = true,
                (Some("goog-remb"), _) => feedback.remb = true,
                _ => {}
            }
        }
        feedback
    }

    /// What both know.
    #[must_use]
    pub const fn and(self, other: Feedback) -> Feedback {
        Feedback {
            nack: self.nack && other.nack,
            pli: self.pli && other.pli,
            fir: self.fir && other.fir,
            remb: self.remb && other.remb,
        }
    }

    /// The values as they are written, without a payload type.
    pub(super) fn values(self) -> impl Iterator<Item = &'static str> {
        let known =
            [(self.remb, "goog-remb"), (self.fir, "ccm fir"), (self.nack, "nack"), (self.pli, "nack pli")];
        known.into_iter().filter_map(|(is_known, value)| is_known.then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_written() {
        let lines =
            ["96 nack", "96 nack pli", "97 ccm fir", "* goog-remb", "96 transport-cc", "96 nack rpsi", ""];
        assert_eq!(Feedback::parse(lines.into_iter()), Feedback::ALL);
        assert_eq!(Feedback::parse(lines.into_iter().skip(4)), Feedback::default());
        assert_eq!(Feedback::ALL.values().collect::<Vec<_>>(), ["goog-remb", "ccm fir", "nack", "nack pli"]);
        let pli = Feedback { pli: true, ..Feedback::default() };
        assert_eq!(Feedback::ALL.and(pli), pli);
    }
}
