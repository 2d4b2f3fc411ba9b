//! What holds for any bytes that come over a WebSocket of a tap.

use super::{Frame, FrameError, Kind, Reader, Role, encode};

/// The limit of a message: small, so that inputs get above it.
const LIMIT: usize = 300;

/// Bytes at each end: in one read and byte by byte they are the same frames, no message is above the limit, and what is
/// sent on is read as it was.
pub fn frames(bytes: &[u8]) {
    for (role, mask) in [(Role::Server, None), (Role::Client, Some([0xa5, 0, 0xff, 7]))] {
        let (frames, error) = frames_of(role, bytes, bytes.len().max(1));
        assert_eq!((&frames, &error), (&frames_of(role, bytes, 1).0, &frames_of(role, bytes, 1).1));
        for frame in frames {
            if let Frame::Message(message, _) = &frame {
                assert!(message.len() <= LIMIT, "a message of {} bytes", message.len());
            }
            // A server masks nothing and a client does: the other end reads.
            let other = if role == Role::Server { Role::Client } else { Role::Server };
            let read = frames_of(other, &encode(&frame, mask), usize::MAX);
            assert_eq!(read, (vec![as_it_is_sent(frame)], None));
        }
    }
}

/// The frames in `bytes` when they come in chunks of so many.
fn frames_of(role: Role, bytes: &[u8], chunk: usize) -> (Vec<Frame>, Option<FrameError>) {
    let mut reader = Reader::new(role, LIMIT);
    let mut frames = Vec::new();
    for chunk in bytes.chunks(chunk) {
        reader.buffer().extend_from_slice(chunk);
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// Text that is none goes in a binary frame.
fn as_it_is_sent(frame: Frame) -> Frame {
    match frame {
        Frame::Message(bytes, Kind::Text) if std::str::from_utf8(&bytes).is_err() => {
            Frame::Message(bytes, Kind::Binary)
        }
        frame => frame,
    }
}
