//! Why a description cannot be read.

use super::{MAX_FORMATS, MAX_LEN, MAX_SECTIONS};

/// Why bytes are not a description that can be used; none of it holds text of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Longer than [`MAX_LEN`].
    #[error("The session description is {0} bytes long, more than {MAX_LEN}")]
    TooLong(usize),
    /// It does not begin with `v=0`.
    #[error("The session description does not begin with v=0")]
    NoVersion,
    /// A line that is needed is broken.
    #[error("Line {0} of the session description cannot be read")]
    Line(usize),
    /// More than [`MAX_SECTIONS`] m= sections.
    #[error("The session description has {0} m= sections, more than {MAX_SECTIONS}")]
    TooManySections(usize),
    /// More than [`MAX_FORMATS`] payload types in an m= section.
    #[error("An m= section of the session description has {0} formats, more than {MAX_FORMATS}")]
    TooManyFormats(usize),
}

impl From<sdp_types::ParserError> for ParseError {
    fn from(error: sdp_types::ParserError) -> Self {
        use sdp_types::ParserError as E;
        #[allow(deprecated, reason = "the match is complete, and the library keeps these variants")]
        match error {
            E::NoVersion | E::NoOrigin | E::NoSessionName | E::InvalidVersion(..) => ParseError::NoVersion,
            E::UnexpectedLine(line, _)
            | E::InvalidLineFormat(line, _)
            | E::InvalidFieldEncoding(line, _)
            | E::InvalidFieldFormat(line, _)
            | E::MissingField(line, _)
            | E::FieldTrailingData(line, _)
            | E::MultipleVersions(line)
            | E::MultipleOrigins(line)
            | E::MultipleSessionNames(line)
            | E::MultipleSessionDescription(line)
            | E::MultipleUris(line)
            | E::MultipleConnections(line)
            | E::MultipleTimeZones(line)
            | E::MultipleMediaTitles(line)
            | E::MultipleKeys(line)
            | E::RepeatWithoutTime(line) => ParseError::Line(line),
        }
    }
}
