//! Every difference that is meant: its name, bytes that show it, and why we read them so.

/// Name of the difference, an example, the reason.
pub const INTENDED: &[(&str, &str, &str)] = &[
    (
        "it refuses: ContentLengthRepeated",
        "OPTIONS sip:b@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\nl: 4\r\nContent-Length: 4\r\n\r\nbody",
        "RFC 3261 §20.14: the same number twice has one meaning; two numbers are refused by both (RFC 4475 §3.3.9)",
    ),
    (
        "it refuses: Uri(EmptyParameterName)",
        "OPTIONS sip:b@x? SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §19.1.1: a Request-URI has no headers; we answer 400 when the message is validated",
    ),
    (
        "it refuses: Uri(IllegalCharacter)",
        "OPTIONS sip:j\u{f6}rg@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1 wants UTF-8 escaped in a user part; telephones send it bare, and it is only compared and copied",
    ),
    (
        "it refuses: Uri(PercentEscape)",
        "OPTIONS other:a%4 SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §8.2.2.1: of a scheme that we do not know only the scheme is looked at, and gets 416",
    ),
    (
        "it refuses: Uri(User)",
        "OPTIONS sip:#31#@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1 wants # escaped; telephones dial it bare, and nothing else can be meant before the @",
    ),
    (
        "we refuse: CSeqMethod",
        "SIP/2.0 200 OK\r\nCall-ID: c\r\n\r\n",
        "RFC 3261 §17.1.3: a response without a method belongs to no transaction",
    ),
    (
        "we refuse: HeaderLine",
        "SIP/2.0 200  \r\n X: y\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §7.3.1: a line that begins with white space goes on with a header field, and there is none",
    ),
    (
        "we refuse: NotSip",
        "SIP/. 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1: a SIP-Version has digits on both sides of its point",
    ),
    (
        "we refuse: RequestLine",
        "OPTIONS sip:b@x SIP/2.0:\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1: a request line ends with its version",
    ),
    (
        "we refuse: StatusLine",
        "SIP/2.0% 200 OK\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1: behind the version of a status line stands a space",
    ),
    (
        "we refuse: URI Byte",
        "OPTIONS sip:a:p`w@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1: a password has the bytes of its rule alone",
    ),
    (
        "we refuse: URI Params",
        "OPTIONS sip:x;p=?h=1 SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3261 §25.1: a value is not empty. A name with one of [ ] / : & + $ is refused as well, which the rule allows \
         and no registered parameter has",
    ),
    (
        "we refuse: URI Scheme",
        "OPTIONS 3ip:b@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n",
        "RFC 3986 §3.1: a scheme begins with a letter",
    ),
];
