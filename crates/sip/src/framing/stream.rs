//! The framer of one connection.

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use crate::grammar;
use crate::message::limits::{MAX_LINE, MAX_STREAM_MESSAGE};
use crate::message::{Index, Message, ParseError, Unanswerable, content_length, index_head};

/// Cuts the bytes of one TCP or TLS connection into messages and keep-alives.
///
/// Every byte is looked at once, however the stream is chopped up. Between messages nothing is allocated.
#[derive(Debug)]
pub struct StreamFramer {
    /// The start of a message that has not come whole.
    buffer: Vec<u8>,
    progress: Progress,
    frames: VecDeque<Frame>,
    /// Bytes of one message, the body included.
    limit: u32,
}

/// What a stream is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One message, whole.
    Message(Bytes),
    /// A double CRLF: the far end asks for a [`Frame::Pong`].
    Ping,
    /// A single CRLF: the answer to our double one.
    ///
    /// When a read ends between the two CRLFs of a ping, the first is told as a pong, which says no more than that the
    /// far end lives: waiting for more bytes would fail the flow of a client whose server has nothing else to say.
    Pong,
}

/// Why a stream cannot be cut any further; the connection is to be closed after the frames before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct FrameError {
    /// What is wrong.
    pub error: ParseError,
    head: Bytes,
}

impl FrameError {
    /// The answer to send before the connection is closed, when the head can be read that far.
    pub fn reply(&self) -> Result<Message, Unanswerable> {
        self.error.reply(&self.head)
    }
}

/// How far the message in the buffer has been looked at.
#[derive(Debug, Clone, Copy)]
enum Progress {
    /// Between messages; `cr` when a CR has come whose LF has not.
    Idle { cr: bool, crlf: Crlf },
    /// In the head; `line` is the length of its last line so far.
    Head { line: usize },
    /// The head is whole and the message has `total` bytes.
    Body { total: usize },
    /// The stream cannot be cut any further.
    Failed,
}

/// Whether a CRLF has come that may be the first half of a ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crlf {
    None,
    Unreported,
    Reported,
}

const BETWEEN: Progress = Progress::Idle { cr: false, crlf: Crlf::None };

impl Default for StreamFramer {
    fn default() -> Self {
        StreamFramer::new()
    }
}

impl StreamFramer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        StreamFramer::with_limit(MAX_STREAM_MESSAGE)
    }

    /// A framer whose messages have at most `limit` bytes, and [`MAX_STREAM_MESSAGE`] in any case.
    pub fn with_limit(limit: usize) -> Self {
        let limit = limit.min(MAX_STREAM_MESSAGE) as u32;
        StreamFramer { buffer: Vec::new(), progress: BETWEEN, frames: VecDeque::new(), limit }
    }

    /// Takes what was read; the frames that it completed are there even when it ends in an error.
    ///
    /// After an error it takes nothing more and repeats [`ParseError::NotSip`].
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            bytes = match self.progress {
                Progress::Idle { cr, crlf } => self.between_messages(bytes, cr, crlf)?,
                Progress::Head { line } => self.in_head(bytes, line)?,
                Progress::Body { total } => self.in_body(bytes, total),
                Progress::Failed => return Err(self.fail(ParseError::NotSip, b"")),
            };
        }
        if let Progress::Idle { cr, crlf: Crlf::Unreported } = self.progress {
            self.keep_alive(Frame::Pong);
            self.progress = Progress::Idle { cr, crlf: Crlf::Reported };
        }
        Ok(())
    }

    /// The next frame.
    #[expect(clippy::should_implement_trait, reason = "frames come by push, so there can be more after None")]
    pub fn next(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front();
        if self.frames.is_empty() {
            // An idle connection keeps no memory.
            self.frames = VecDeque::new();
        }
        frame
    }

    /// Whether a message has started and not ended, so that the time limit for the rest of it runs.
    pub fn is_in_message(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Bytes of memory held beyond the struct itself.
    pub fn memory(&self) -> usize {
        self.buffer.capacity() + self.frames.capacity() * size_of::<Frame>()
    }

    /// Reads keep-alives up to the first byte of a message; the answer is what follows.
    fn between_messages<'a>(
        &mut self,
        bytes: &'a [u8],
        mut cr: bool,
        mut crlf: Crlf,
    ) -> Result<&'a [u8], FrameError> {
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'\r' if !cr => cr = true,
                b'\n' if cr => {
                    cr = false;
                    crlf = if crlf == Crlf::None {
                        Crlf::Unreported
                    } else {
                        self.keep_alive(Frame::Ping);
                        Crlf::None
                    };
                }
                b'\r' | b'\n' => return Err(self.fail(ParseError::BareLineBreak, b"")),
                _ if cr => return Err(self.fail(ParseError::BareLineBreak, b"")),
                _ if !grammar::is_token_byte(byte) => return Err(self.fail(ParseError::NotSip, b"")),
                _ => {
                    if crlf == Crlf::Unreported {
                        self.keep_alive(Frame::Pong);
                    }
                    self.progress = Progress::Head { line: 0 };
                    return Ok(bytes.get(at..).unwrap_or_default());
                }
            }
        }
        self.progress = Progress::Idle { cr, crlf };
        Ok(b"")
    }

    /// Reads up to the empty line; the answer is what follows.
    fn in_head<'a>(&mut self, bytes: &'a [u8], mut line: usize) -> Result<&'a [u8], FrameError> {
        let mut start = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            let before = at.checked_sub(1).map_or(self.buffer.last(), |at| bytes.get(at));
            let (head, rest) = bytes.split_at_checked(at + 1).unwrap_or((bytes, b""));
            line += at - start;
            if before != Some(&b'\r') {
                return Err(self.fail(ParseError::BareLineBreak, head));
            }
            self.check_sizes(line, head)?;
            // Nothing but the CR: the empty line.
            if line == 1 {
                self.buffer.extend_from_slice(head);
                self.head_complete()?;
                return Ok(rest);
            }
            line = 0;
            start = at + 1;
        }
        line += bytes.len() - start;
        self.check_sizes(line, bytes)?;
        self.buffer.extend_from_slice(bytes);
        self.progress = Progress::Head { line };
        Ok(b"")
    }

    /// Refuses a head before it is kept: `line` counts its CR.
    fn check_sizes(&mut self, line: usize, more: &[u8]) -> Result<(), FrameError> {
        if line > MAX_LINE + 1 {
            return Err(self.fail(ParseError::LineTooLong, more));
        }
        if self.buffer.len() + more.len() > self.limit as usize {
            return Err(self.fail(ParseError::TooLarge, more));
        }
        Ok(())
    }

    /// Finds the length of the message whose head is in the buffer.
    fn head_complete(&mut self) -> Result<(), FrameError> {
        let length = match declared_length(&self.buffer) {
            Ok(length) => length,
            Err(error) => return Err(self.fail(error, b"")),
        };
        let total = self.buffer.len() + length;
        if total > self.limit as usize {
            return Err(self.fail(ParseError::BodyTooLarge, b""));
        }
        self.progress = Progress::Body { total };
        if length == 0 {
            self.message_complete();
        }
        Ok(())
    }

    /// Reads up to the end of the body; the answer is what follows.
    ///
    /// The buffer grows with the bytes that come, not with the length that was promised.
    fn in_body<'a>(&mut self, bytes: &'a [u8], total: usize) -> &'a [u8] {
        let missing = total.saturating_sub(self.buffer.len());
        let (body, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, b""));
        self.buffer.extend_from_slice(body);
        if self.buffer.len() == total {
            self.message_complete();
        }
        rest
    }

    fn message_complete(&mut self) {
        self.frames.push_back(Frame::Message(Bytes::from(std::mem::take(&mut self.buffer))));
        self.progress = BETWEEN;
    }

    /// One answer is enough for pings that come together, so a read full of them costs one frame.
    fn keep_alive(&mut self, frame: Frame) {
        if self.frames.back() != Some(&frame) {
            self.frames.push_back(frame);
        }
    }

    /// Ends the stream; what came of the head, as much of it as a message may have, is for the answer.
    fn fail(&mut self, error: ParseError, tail: &[u8]) -> FrameError {
        self.progress = Progress::Failed;
        let mut head = std::mem::take(&mut self.buffer);
        let room = (self.limit as usize).saturating_sub(head.len()).min(tail.len());
        head.extend_from_slice(tail.get(..room).unwrap_or_default());
        FrameError { error, head: Bytes::from(head) }
    }
}

/// The body length of a whole head.
fn declared_length(head: &[u8]) -> Result<usize, ParseError> {
    let first_line = memchr::memchr(b'\n', head).ok_or(ParseError::Unterminated)? + 1;
    let mut index = Index::new();
    index_head(head, first_line, &mut index)?;
    content_length::declared(head, &index)?.ok_or(ParseError::ContentLengthMissing)
}
