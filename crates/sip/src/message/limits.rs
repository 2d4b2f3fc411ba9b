//! What a message may be at most, whatever transport brings it; each limit is a typed error and a status.

/// Bytes of one datagram or WebSocket message.
pub const MAX_DATAGRAM: usize = 65_535;

/// Bytes of one message on a stream, the body included.
pub const MAX_STREAM_MESSAGE: usize = 64 * 1024;

/// Header lines of one message, a folded line counting as one.
pub const MAX_HEADER_LINES: usize = 256;

/// Via values of one message, however they are spread over lines.
pub const MAX_VIAS: usize = 64;

/// Bytes of one line, the start line and a header with all its folds included.
pub const MAX_LINE: usize = 8 * 1024;

/// Parameters of one header value or URI.
pub const MAX_PARAMETERS: usize = 64;

/// Levels of multipart bodies inside one another.
pub const MAX_MIME_DEPTH: usize = 4;
