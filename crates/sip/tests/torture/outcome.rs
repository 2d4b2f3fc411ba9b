//! What can happen to a message, and how a row proves that it does.

use bytes::Bytes;
use ringback_sip::framing::{Frame, StreamFramer};
use ringback_sip::header::{Fault, HeaderError};
use ringback_sip::message::{Disposition, InvalidCause, Layer, Message, Name, ParseError, Unanswerable};

/// One message and what must happen to it.
pub struct Row {
    /// The file without its ending.
    pub name: &'static str,
    /// The section that describes it.
    pub section: &'static str,
    /// What happens to it as one datagram.
    pub datagram: Outcome,
    /// What a stream makes of it.
    pub stream: Stream,
}

/// What happens to a message that comes as one datagram.
#[derive(Debug)]
pub enum Outcome {
    /// It is read, valid, and nothing in it is beyond us.
    Valid,
    /// It is read and valid; its user must see what the text says, which `shown` finds in the message.
    User { must: &'static str, shown: fn(&Message) -> bool },
    /// It is read and valid; whoever reads this header gets an error.
    Header { fault: HeaderError, read: fn(&Message) -> Result<(), HeaderError> },
    /// It is read and breaks a rule: answered with this status, or dropped.
    Invalid { cause: InvalidCause, status: Option<u16> },
    /// It is refused by framing or parsing: answered with this status, or dropped.
    Refused { layer: Layer, error: ParseError, answer: Result<u16, Unanswerable> },
}

/// What happens to a message that comes on a stream.
#[derive(Debug)]
pub enum Stream {
    /// Framing cuts it out and the rest is as with a datagram.
    Framed,
    /// The same, and what follows the message cannot be cut.
    FramedThenCloses(ParseError),
    /// Framing waits for bytes that never come.
    Waits,
    /// Framing gives up and the connection is closed.
    Closes(ParseError),
}

/// A header that cannot be read.
pub const fn fault(name: Name, fault: Fault) -> HeaderError {
    HeaderError::new(name, fault)
}

impl Row {
    pub fn check(&self, bytes: &Bytes) {
        let about = format!("{} ({})", self.name, self.section);
        let parsed = Message::parse(bytes.clone());
        self.check_datagram(&about, bytes, &parsed);
        self.check_stream(&about, bytes, &parsed);
    }

    fn check_datagram(&self, about: &str, bytes: &Bytes, parsed: &Result<Message, ParseError>) {
        if let Outcome::Refused { layer, error, answer } = &self.datagram {
            assert_eq!(parsed, &Err(*error), "{about}");
            assert_eq!(error.layer(), *layer, "{about}");
            let reply = error.reply(bytes);
            assert_eq!(
                reply.as_ref().map(|reply| reply.status().unwrap()).map_err(|reason| *reason),
                *answer,
                "{about}"
            );
            if let Ok(reply) = reply {
                assert_reply_is_sound(about, &reply);
            }
            return;
        }
        let message = parsed.as_ref().unwrap_or_else(|error| panic!("{about}: {error}"));
        assert!(bytes.starts_with(message.bytes()), "{about}: the bytes are those received");
        assert_unedited_is_identical(about, message);
        let validated = message.validate();
        if let Outcome::Invalid { cause, status } = &self.datagram {
            let invalid = validated.unwrap_err();
            assert_eq!(invalid.cause, *cause, "{about}");
            assert_eq!(invalid.disposition == Disposition::Reply, status.is_some(), "{about}");
            let reply = invalid.reply(message);
            assert_eq!(reply.as_ref().and_then(Message::status), *status, "{about}");
            if let Some(reply) = reply {
                assert_reply_is_sound(about, &reply);
            }
            return;
        }
        assert_eq!(validated, Ok(()), "{about}");
        match &self.datagram {
            Outcome::User { must, shown } => assert!(shown(message), "{about}: {must}"),
            Outcome::Header { fault, read } => assert_eq!(read(message), Err(*fault), "{about}"),
            _ => {}
        }
    }

    fn check_stream(&self, about: &str, bytes: &Bytes, parsed: &Result<Message, ParseError>) {
        let mut framer = StreamFramer::new();
        let pushed = framer.push(bytes);
        let first = framer.next();
        match &self.stream {
            Stream::Framed | Stream::FramedThenCloses(_) => {
                let expected = match &self.stream {
                    Stream::FramedThenCloses(error) => Err(*error),
                    _ => Ok(()),
                };
                assert_eq!(pushed.map_err(|error| error.error), expected, "{about}");
                let Some(Frame::Message(framed)) = first else { panic!("{about}: {first:?}") };
                assert_eq!(&Message::parse(framed), parsed, "{about}");
            }
            Stream::Waits => {
                assert_eq!((pushed, first, framer.is_in_message()), (Ok(()), None, true), "{about}")
            }
            Stream::Closes(error) => {
                assert_eq!(pushed.unwrap_err().error, *error, "{about}");
                assert_eq!(first, None, "{about}");
            }
        }
    }
}

/// An answer that we send to a broken message is not broken itself.
fn assert_reply_is_sound(about: &str, reply: &Message) {
    let read = Message::parse(reply.bytes().clone()).unwrap_or_else(|error| panic!("{about}: {error}"));
    assert_eq!(read.status(), reply.status(), "{about}");
    assert!(read.to().map_or(true, |to| to.tag().is_some()), "{about}: a To that can be read has a tag");
    assert!(read.via().is_ok() || read.header(Name::Via).is_some(), "{about}: the way back");
    assert_eq!(read.header(Name::ContentLength), Some(&b"0"[..]), "{about}");
}

/// A message that is forwarded unedited leaves byte for byte; only a missing Content-Length is added.
fn assert_unedited_is_identical(about: &str, message: &Message) {
    let unedited = message.edit().finish();
    if message.has(Name::ContentLength) {
        assert_eq!(unedited.bytes(), message.bytes(), "{about}");
    } else {
        let mut edit = unedited.edit();
        edit.remove(Name::ContentLength);
        assert_eq!(edit.finish().body(), message.body(), "{about}");
    }
}
