//! Why a connection ends.

use crate::telemetry::reasons;

reasons! {
    /// Why a connection over TCP, TLS or WebSocket, or a DTLS association, ended; each is counted once.
    End {
        /// The client closed it.
        ClosedByClient = "closed_by_client",
        /// The control thread gave it up: it takes no more messages, or the server ends.
        ClosedByServer = "closed_by_server",
        /// The network broke it.
        Broken = "broken",
        /// The client takes nothing that is written to it.
        NotReading = "not_reading",
        /// No TLS or DTLS, or none that both sides speak.
        TlsFailed = "tls_failed",
        /// The handshake of TLS or DTLS took longer than `limits.tls_handshake_seconds`.
        TlsLate = "tls_late",
        /// A proxy of `listen.proxy_protocol` began with a PROXY header that cannot be taken.
        ProxyHeader = "proxy_header",
        /// A connection from `listen.proxy_protocol` began with something else.
        NoProxyHeader = "no_proxy_header",
        /// No first request within `limits.first_request_seconds`.
        FirstRequestLate = "first_request_late",
        /// The rest of a message did not come within `limits.message_seconds`.
        MessageLate = "message_late",
        /// Nothing was said for longer than any registration lasts.
        Idle = "idle",
        /// Nobody signed in within `limits.sign_in_seconds`.
        NotSignedIn = "not_signed_in",
        /// A newer connection of the same source, or of any, needed the place.
        Evicted = "evicted",
        /// It went on asking beyond the budget of its source, and nobody has signed in on it.
        OverBudget = "over_budget",
        /// The client has begun another DTLS association from the same address and port.
        Replaced = "replaced",
        /// Two WebSocket pings in a row without an answer.
        NoPong = "no_pong",
        /// A message, or the head of an HTTP request, above its limit.
        TooLarge = "too_large",
        /// A stream that cannot be cut into SIP messages.
        Unframed = "unframed",
        /// A stream that carries no TURN.
        NotTurn = "not_turn",
        /// Frames that break the rules of WebSocket.
        WebSocketError = "websocket_error",
        /// What came was no HTTP.
        NotHttp = "not_http",
        /// The queue of the control thread is full.
        Overloaded = "overloaded",
        /// The server stops.
        Stopping = "stopping",
    }
}

impl End {
    /// What an operator reads.
    pub fn words(self) -> &'static str {
        match self {
            End::ClosedByClient => "closed by the client",
            End::ClosedByServer => "closed by the server",
            End::Broken => "broken",
            End::NotReading => "the client does not read",
            End::TlsFailed => "the handshake of TLS or DTLS failed",
            End::TlsLate => "the handshake of TLS or DTLS took longer than limits.tls_handshake_seconds",
            End::ProxyHeader => "the PROXY header of a proxy cannot be taken",
            End::NoProxyHeader => "a proxy of listen.proxy_protocol began without a PROXY header",
            End::FirstRequestLate => "no request within limits.first_request_seconds",
            End::MessageLate => "a message took longer than limits.message_seconds",
            End::Idle => "nothing was said for longer than a registration lasts",
            End::NotSignedIn => "nobody signed in within limits.sign_in_seconds",
            End::Evicted => "a newer connection needed the place",
            End::OverBudget => "more was asked than a stranger may ask",
            End::Replaced => "the client has begun another association",
            End::NoPong => "two pings without an answer",
            End::TooLarge => "a message above limits.message_bytes",
            End::Unframed => "what came cannot be cut into SIP messages",
            End::NotTurn => "what came is no TURN",
            End::WebSocketError => "frames that break the rules of WebSocket",
            End::NotHttp => "what came is no HTTP",
            End::Overloaded => "the control thread is overloaded",
            End::Stopping => "the server stops",
        }
    }
}

impl From<crate::inbox::Refused> for End {
    fn from(refused: crate::inbox::Refused) -> Self {
        match refused {
            crate::inbox::Refused::Full => End::Overloaded,
            crate::inbox::Refused::Stopped => End::Stopping,
        }
    }
}
