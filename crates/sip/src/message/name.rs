//! Header field names, normalised once.

macro_rules! names {
    ($($variant:ident $text:literal $($compact:literal)?,)*) => {
        /// A header field that we know by name; its compact form is the same name ([RFC 3261 §7.3.3]).
        ///
        /// [RFC 3261 §7.3.3]: https://www.rfc-editor.org/rfc/rfc3261#section-7.3.3
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the names are the header fields")]
        pub enum Name {
            $($variant,)*
            /// A header field that we only pass on; it is found by its text.
            Other,
        }

        const TEXTS: &[&str] = &[$($text,)*];
        const ALL: &[Name] = &[$(Name::$variant,)*];
        const COMPACT: &[(u8, Name)] = &[$($(($compact, Name::$variant),)?)*];
    };
}

names! {
    Accept "Accept",
    AcceptContact "Accept-Contact" b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" b'u',
    AuthenticationInfo "Authentication-Info",
    Authorization "Authorization",
    CallId "Call-ID" b'i',
    CallInfo "Call-Info",
    Contact "Contact" b'm',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" b'e',
    ContentLanguage "Content-Language",
    ContentLength "Content-Length" b'l',
    ContentType "Content-Type" b'c',
    CSeq "CSeq",
    Date "Date",
    Diversion "Diversion",
    ErrorInfo "Error-Info",
    Event "Event" b'o',
    Expires "Expires",
    FlowTimer "Flow-Timer",
    From "From" b'f',
    HistoryInfo "History-Info",
    Identity "Identity" b'y',
    IdentityInfo "Identity-Info" b'n',
    InReplyTo "In-Reply-To",
    Join "Join",
    MaxBreadth "Max-Breadth",
    MaxForwards "Max-Forwards",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    PAssertedIdentity "P-Asserted-Identity",
    Path "Path",
    PPreferredIdentity "P-Preferred-Identity",
    Priority "Priority",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    Rack "RAck",
    Reason "Reason",
    RecordRoute "Record-Route",
    RecvInfo "Recv-Info",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" b'r',
    ReferredBy "Referred-By" b'b',
    RejectContact "Reject-Contact" b'j',
    RemotePartyId "Remote-Party-ID",
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition" b'd',
    Require "Require",
    RetryAfter "Retry-After",
    Route "Route",
    RSeq "RSeq",
    Server "Server",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" b'x',
    SipETag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" b'k',
    Timestamp "Timestamp",
    To "To" b't',
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    Via "Via" b'v',
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

impl Name {
    /// The name that the bytes spell, in any case of letters, long or compact.
    pub fn parse(bytes: &[u8]) -> Name {
        let (&first, &last) = match (bytes.first(), bytes.last()) {
            (Some(first), Some(last)) => (first, last),
            _ => return Name::Other,
        };
        if bytes.len() == 1 {
            return BY_LETTER.get(usize::from(first)).copied().unwrap_or(Name::Other);
        }
        let middle = bytes.get(bytes.len() / 2).copied().unwrap_or(first);
        let slot = slot(bytes.len(), first, middle, last);
        let name = BY_HASH.get(slot).copied().unwrap_or(Name::Other);
        let text = name.as_bytes();
        // Most senders spell names as the registry does.
        if text == bytes || text.eq_ignore_ascii_case(bytes) { name } else { Name::Other }
    }

    /// The long form as the registry spells it; empty for [`Name::Other`].
    pub const fn as_str(self) -> &'static str {
        if (self as usize) < TEXTS.len() { TEXTS[self as usize] } else { "" }
    }

    /// The long form as the registry spells it; empty for [`Name::Other`].
    pub const fn as_bytes(self) -> &'static [u8] {
        self.as_str().as_bytes()
    }

    /// Every name except [`Name::Other`].
    pub const fn all() -> &'static [Name] {
        ALL
    }

    /// Whether two lines of the header field make the message ambiguous ([RFC 3261 §20]).
    ///
    /// Content-Length has its own rule; a second Date does no harm.
    ///
    /// [RFC 3261 §20]: https://www.rfc-editor.org/rfc/rfc3261#section-20
    pub const fn is_single(self) -> bool {
        matches!(
            self,
            Name::CallId
                | Name::ContentType
                | Name::CSeq
                | Name::Event
                | Name::Expires
                | Name::From
                | Name::MaxBreadth
                | Name::MaxForwards
                | Name::MinExpires
                | Name::MinSe
                | Name::Rack
                | Name::ReferTo
                | Name::ReferredBy
                | Name::Replaces
                | Name::RSeq
                | Name::SessionExpires
                | Name::SipETag
                | Name::SipIfMatch
                | Name::SubscriptionState
                | Name::To
        )
    }
}

/// A perfect hash of the long names: their length and three of their letters, in lower case.
const fn slot(length: usize, first: u8, middle: u8, last: u8) -> usize {
    let key = (length as u32) << 24
        | ((first | 0x20) as u32) << 16
        | ((middle | 0x20) as u32) << 8
        | (last | 0x20) as u32;
    (key.wrapping_mul(MULTIPLIER) >> (32 - SLOT_BITS)) as usize
}

/// Found by trying odd numbers until no two names share a slot; the table does not compile when two do.
const MULTIPLIER: u32 = 0x3969_e495;
const SLOT_BITS: u32 = 9;

const BY_HASH: [Name; 1 << SLOT_BITS] = {
    let mut table = [Name::Other; 1 << SLOT_BITS];
    let mut i = 0;
    while i < ALL.len() {
        let text = ALL[i].as_bytes();
        let slot = slot(text.len(), text[0], text[text.len() / 2], text[text.len() - 1]);
        assert!(matches!(table[slot], Name::Other), "two names share a slot: choose another multiplier");
        table[slot] = ALL[i];
        i += 1;
    }
    table
};

const BY_LETTER: [Name; 256] = {
    let mut table = [Name::Other; 256];
    let mut i = 0;
    while i < COMPACT.len() {
        let (letter, name) = COMPACT[i];
        table[letter as usize] = name;
        table[letter.to_ascii_uppercase() as usize] = name;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for &name in Name::all() {
            assert_eq!(Name::parse(name.as_bytes()), name);
            assert_eq!(Name::parse(name.as_str().to_ascii_uppercase().as_bytes()), name);
            assert_eq!(Name::parse(name.as_str().to_ascii_lowercase().as_bytes()), name);
        }
    }

    #[test]
    fn compact_forms_are_the_registered_ones() {
        let compact: Vec<_> = (0..=u8::MAX)
            .filter(|letter| letter.is_ascii_lowercase() && Name::parse(&[*letter]) != Name::Other)
            .map(|letter| (char::from(letter), Name::parse(&[letter.to_ascii_uppercase()]).as_str()))
            .collect();
        assert_eq!(
            compact,
            [
                ('a', "Accept-Contact"),
                ('b', "Referred-By"),
                ('c', "Content-Type"),
                ('d', "Request-Disposition"),
                ('e', "Content-Encoding"),
                ('f', "From"),
                ('i', "Call-ID"),
                ('j', "Reject-Contact"),
                ('k', "Supported"),
                ('l', "Content-Length"),
                ('m', "Contact"),
                ('n', "Identity-Info"),
                ('o', "Event"),
                ('r', "Refer-To"),
                ('s', "Subject"),
                ('t', "To"),
                ('u', "Allow-Events"),
                ('v', "Via"),
                ('x', "Session-Expires"),
                ('y', "Identity"),
            ]
        );
    }

    #[test]
    fn other_names_are_other() {
        for text in [&b"X-Name"[..], b"C%6Fntact", b"Contacts", b"", b"z", b"Vib", b"Via "] {
            assert_eq!(Name::parse(text), Name::Other, "{text:?}");
        }
    }
}
