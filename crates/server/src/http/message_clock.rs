//! The time limit for a message over WebSocket.
//!
//! The WebSocket layer hands out whole messages and says nothing of one that has begun. So the bytes are followed on
//! their way to it: frame after frame by its length, a message from its first frame to the one with FIN.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream of WebSocket frames. Reading fails as [`io::ErrorKind::TimedOut`] when a message that has begun is not whole
/// in time.
#[derive(Debug)]
pub struct MessageClock<S> {
    stream: S,
    frames: Frames,
    within: Duration,
    /// Runs while a message has begun and not ended. Most streams are between messages, so it is not kept in place.
    late: Option<Pin<Box<Sleep>>>,
}

impl<S> MessageClock<S> {
    /// Gives each message of `stream` this long.
    pub fn new(stream: S, within: Duration) -> Self {
        MessageClock { stream, frames: Frames::default(), within, late: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MessageClock<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            let came = buffer.filled().get(before..).unwrap_or_default();
            let was_between = this.frames.handle_bytes(came);
            if this.frames.are_between() {
                this.late = None;
            } else if was_between || this.late.is_none() {
                this.late = Some(Box::pin(sleep(this.within)));
            }
            return Poll::Ready(read);
        }
        if let Some(late) = &mut this.late {
            ready!(late.as_mut().poll(context));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MessageClock<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Follows the frames of a client ([RFC 6455 §5.2]) as far as their lengths and FIN go.
///
/// [RFC 6455 §5.2]: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
#[derive(Debug, Default)]
struct Frames {
    part: Part,
    /// Whether a message has begun whose last frame has not.
    is_fragmented: bool,
}

/// What comes next of a frame.
#[derive(Debug, Clone, Copy, Default)]
enum Part {
    /// Its first byte.
    #[default]
    Start,
    /// The byte with the mask bit and the short length.
    Length,
    /// The rest of a long length: how many bytes of it come, what came of it, and the bytes of the mask after it.
    LongLength { missing: u8, length: u64, mask: u8 },
    /// The mask and the payload.
    Payload { missing: u64 },
}

impl Frames {
    /// Takes what was read; says whether a message begins in it that had not begun before.
    fn handle_bytes(&mut self, mut bytes: &[u8]) -> bool {
        let mut was_between = false;
        while let Some((&byte, rest)) = bytes.split_first() {
            was_between |= self.are_between();
            self.part = match self.part {
                Part::Start => {
                    let is_control = byte & 0x08 != 0;
                    if !is_control {
                        self.is_fragmented = byte & 0x80 == 0;
                    }
                    Part::Length
                }
                Part::Length => {
                    let mask = if byte & 0x80 == 0 { 0 } else { 4 };
                    match byte & 0x7f {
                        126 => Part::LongLength { missing: 2, length: 0, mask },
                        127 => Part::LongLength { missing: 8, length: 0, mask },
                        length => payload(length.into(), mask),
                    }
                }
                Part::LongLength { missing, length, mask } => {
                    let length = length << 8 | u64::from(byte);
                    match missing {
                        0 | 1 => payload(length, mask),
                        _ => Part::LongLength { missing: missing - 1, length, mask },
                    }
                }
                Part::Payload { missing } => {
                    let here = usize::try_from(missing).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(here..).unwrap_or_default();
                    self.part = match missing - here as u64 {
                        0 => Part::Start,
                        missing => Part::Payload { missing },
                    };
                    continue;
                }
            };
            bytes = rest;
        }
        was_between
    }

    fn are_between(&self) -> bool {
        matches!(self.part, Part::Start) && !self.is_fragmented
    }
}

/// The mask and the payload, where there are any.
fn payload(length: u64, mask: u8) -> Part {
    match length.saturating_add(mask.into()) {
        0 => Part::Start,
        missing => Part::Payload { missing },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    const FIN: u8 = 0x80;
    const CONTINUATION: u8 = 0;
    const TEXT: u8 = 1;
    const PING: u8 = 9;

    /// A masked frame of a client.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..=125 => bytes.push(FIN | length as u8),
            126..=65_535 => {
                bytes.push(FIN | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(FIN | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([7; 4]);
        bytes.extend(vec![FIN | TEXT; length]);
        bytes
    }

    #[test]
    fn every_length_is_followed_however_the_stream_is_chopped_up() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536];
        let stream: Vec<u8> = lengths.iter().flat_map(|&length| frame(FIN | TEXT, length)).collect();
        for step in [1, 2, 3, 7, 100, stream.len()] {
            let mut frames = Frames::default();
            stream.chunks(step).for_each(|bytes| {
                frames.handle_bytes(bytes);
            });
            assert!(frames.are_between(), "in steps of {step}");
        }
        let mut frames = Frames::default();
        frames.handle_bytes(&stream[..stream.len() - 1]);
        assert!(!frames.are_between(), "the last byte is missing");
    }

    #[test]
    fn a_message_lasts_until_fin_whatever_control_frames_stand_between() {
        let mut frames = Frames::default();
        assert!(frames.handle_bytes(&frame(TEXT, 3)));
        assert!(!frames.are_between());
        assert!(!frames.handle_bytes(&frame(FIN | PING, 2)), "a ping begins no message");
        assert!(!frames.handle_bytes(&frame(CONTINUATION, 3)));
        assert!(!frames.are_between());
        assert!(!frames.handle_bytes(&frame(FIN | CONTINUATION, 3)));
        assert!(frames.are_between());
    }

    #[test]
    fn a_message_that_begins_where_another_ends_is_a_new_one() {
        let mut frames = Frames::default();
        let (first, second) = (frame(FIN | TEXT, 10), frame(FIN | TEXT, 20));
        frames.handle_bytes(&first[..5]);
        assert!(frames.handle_bytes(&[&first[5..], &second[..9]].concat()));
        assert!(!frames.handle_bytes(&second[9..12]));
    }

    #[tokio::test]
    async fn a_message_that_trickles_fails_in_time_and_quiet_between_messages_does_not() {
        let (mut client, server) = duplex(1 << 16);
        let within = Duration::from_millis(50);
        let mut clock = MessageClock::new(server, within);
        let mut buffer = [0; 1024];
        let whole = frame(FIN | TEXT, 10);
        client.write_all(&whole).await.unwrap();
        clock.read_exact(&mut buffer[..whole.len()]).await.unwrap();
        assert!(timeout(4 * within, clock.read(&mut buffer)).await.is_err(), "quiet is no crime");

        // It would take minutes.
        let trickle = tokio::spawn(async move {
            for byte in frame(FIN | TEXT, 60_000) {
                client.write_all(&[byte]).await.unwrap();
                sleep(Duration::from_millis(5)).await;
            }
        });
        let end = async {
            loop {
                if let Err(error) = clock.read(&mut buffer).await {
                    break error.kind();
                }
            }
        };
        assert_eq!(timeout(Duration::from_secs(30), end).await, Ok(io::ErrorKind::TimedOut));
        trickle.abort();
    }
}
