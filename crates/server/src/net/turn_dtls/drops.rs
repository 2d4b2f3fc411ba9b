//! Why datagrams of TURN over DTLS are dropped. What is in them is dropped by the server of TURN, by reasons of its own.

use ringback_media::dtls::{Drop, NotGreeted};

use crate::telemetry::reasons;

reasons! {
    /// Why a datagram of TURN over DTLS was dropped, or what was in it.
    Dropped {
        /// It begins with no record of DTLS, and its sender has no association.
        NotDtls = "not_dtls",
        /// A record of DTLS from somebody who has no association.
        NoAssociation = "no_association",
        /// It is longer than any that is relayed.
        TooLong = "too_long",
        /// A ClientHello that cannot be read.
        BadHello = "bad_hello",
        /// A piece of a ClientHello: it has to come in one datagram.
        HelloInPieces = "hello_in_pieces",
        /// A ClientHello with a cookie that is too old, or none of ours for this client and this hello.
        WrongCookie = "wrong_cookie",
        /// A ClientHello from a source that has been asked for a cookie often enough.
        HelloBudget = "hello_budget",
        /// A ClientHello with its cookie from a source that has begun handshakes often enough.
        HandshakeBudget = "handshake_budget",
        /// Every place has a user.
        TooMany = "too_many",
        /// There is no certificate that DTLS can show.
        NoCertificate = "no_certificate",
        /// The task of the association is behind.
        Behind = "behind",
        /// It does not consist of records of DTLS.
        Malformed = "malformed",
        /// An alert in the clear, which anybody can have sent.
        Unauthenticated = "unauthenticated",
        /// A record that has no place in the state of its association.
        OutOfPlace = "out_of_place",
        /// A record that does not open, or that has been opened before.
        Unauthentic = "unauthentic",
        /// The association has ended.
        Ended = "ended",
        /// So much of this client waits for the thread of TURN already.
        Unhandled = "unhandled",
        /// The queue of the thread of TURN is full.
        Overloaded = "overloaded",
        /// For a client whose handshake is not complete, or whose association has ended.
        NotConnected = "not_connected",
        /// A mistake of ours.
        Mistake = "mistake",
        /// The kernel did not take what was to be sent.
        SendFailed = "send_failed",
    }
}

impl From<NotGreeted> for Dropped {
    fn from(reason: NotGreeted) -> Self {
        match reason {
            NotGreeted::NoHello => Dropped::NotDtls,
            NotGreeted::Malformed => Dropped::BadHello,
            NotGreeted::InPieces => Dropped::HelloInPieces,
            NotGreeted::WrongCookie => Dropped::WrongCookie,
        }
    }
}

impl From<Drop> for Dropped {
    fn from(reason: Drop) -> Self {
        match reason {
            Drop::Malformed => Dropped::Malformed,
            Drop::TooLong => Dropped::TooLong,
            Drop::Unauthenticated => Dropped::Unauthenticated,
            Drop::OutOfPlace => Dropped::OutOfPlace,
            Drop::Unauthentic => Dropped::Unauthentic,
            Drop::Deaf | Drop::Ended => Dropped::Ended,
        }
    }
}
