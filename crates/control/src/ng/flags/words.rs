//! The words that flags have.

/// The transport protocol of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportProtocol {
    /// `RTP/AVP`
    Avp,
    /// `RTP/AVPF`
    Avpf,
    /// `RTP/SAVP`
    Savp,
    /// `RTP/SAVPF`
    Savpf,
    /// `UDP/TLS/RTP/SAVP`
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`
    DtlsSavpf,
    /// The one that the answer has.
    Accept,
}

impl TransportProtocol {
    /// The protocol that is written so in a description.
    pub fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"RTP/AVP" => TransportProtocol::Avp,
            b"RTP/AVPF" => TransportProtocol::Avpf,
            b"RTP/SAVP" => TransportProtocol::Savp,
            b"RTP/SAVPF" => TransportProtocol::Savpf,
            b"UDP/TLS/RTP/SAVP" => TransportProtocol::DtlsSavp,
            b"UDP/TLS/RTP/SAVPF" => TransportProtocol::DtlsSavpf,
            b"accept" => TransportProtocol::Accept,
            _ => return None,
        })
    }

    /// Whether it is that of a profile with feedback ([RFC 4585], [RFC 5124]).
    ///
    /// [RFC 4585]: https://www.rfc-editor.org/rfc/rfc4585
    /// [RFC 5124]: https://www.rfc-editor.org/rfc/rfc5124
    pub(in crate::ng) const fn has_feedback(self) -> bool {
        matches!(self, Self::Avpf | Self::Savpf | Self::DtlsSavpf)
    }

    /// The protocol after a word of a script, which may say half of it: `SRTP` and then `AVPF`.
    pub(super) fn of_word(word: &[u8], before: Option<Self>) -> Option<Self> {
        let (mut secure, mut feedback, mut dtls) = match before {
            Some(Self::Avpf) => (false, true, false),
            Some(Self::Savp) => (true, false, false),
            Some(Self::Savpf) => (true, true, false),
            Some(Self::DtlsSavp) => (true, false, true),
            Some(Self::DtlsSavpf) => (true, true, true),
            Some(Self::Avp | Self::Accept) | None => (false, false, false),
        };
        match word {
            b"RTP" => (secure, dtls) = (false, false),
            b"SRTP" => secure = true,
            b"AVP" => feedback = false,
            b"AVPF" => feedback = true,
            b"DTLS" => (secure, dtls) = (true, true),
            b"accept" => return None,
            word => return Self::of(word),
        }
        Some(match (secure, feedback, dtls) {
            (false, false, _) => Self::Avp,
            (false, true, _) => Self::Avpf,
            (true, false, false) => Self::Savp,
            (true, true, false) => Self::Savpf,
            (true, false, true) => Self::DtlsSavp,
            (true, true, true) => Self::DtlsSavpf,
        })
    }
}

/// A list of words, each with the value that it stands for.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $($word:literal)|+,)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$inner])* $variant,)+
        }

        impl $name {
            /// What the word stands for.
            pub fn of(word: &[u8]) -> Option<Self> {
                $($(if word == $word.as_bytes() { return Some($name::$variant); })+)+
                None
            }
        }
    };
}

words! {
    /// What becomes of ICE on the way.
    Ice {
        /// It is taken out.
        Remove = "remove",
        /// We are the one candidate.
        Force = "force",
        /// We are a candidate of the type relay beside those that are there.
        ForceRelay = "force-relay",
        /// As with `force` where there is ICE, else none.
        Default = "default",
        /// As with `force` where there is none, else we are one candidate more.
        Optional = "optional",
    }
}

words! {
    /// Towards whom ICE lite is spoken.
    IceLite {
        /// Who gets the offer.
        Forward = "forward",
        /// Who sends it.
        Backward = "backward",
        /// Both.
        Both = "both",
        /// Neither.
        Off = "off",
    }
}

words! {
    /// DTLS-SRTP.
    Dtls {
        /// It is neither offered nor taken.
        Off = "off" | "no" | "disable",
        /// We wait for the ClientHello.
        Passive = "passive",
        /// We send it.
        Active = "active",
    }
}

words! {
    /// The family of an address.
    Family {
        /// IPv4.
        Ip4 = "IP4" | "ip4" | "inet",
        /// IPv6.
        Ip6 = "IP6" | "ip6" | "inet6",
    }
}

words! {
    /// What is said of rtcp-mux.
    RtcpMux {
        /// It is offered, also where it was not.
        Offer = "offer",
        /// It is offered as if it were agreed.
        Require = "require",
        /// It is agreed with who offers it and not offered on.
        Demux = "demux",
        /// It is agreed, and offered on where it was offered.
        Accept = "accept",
        /// It is refused.
        Reject = "reject",
    }
}

words! {
    /// What is said of OSRTP.
    Osrtp {
        /// A plain offer becomes one that may be protected.
        Offer = "offer" | "offer-RFC",
        /// The same, as it was done before there was an RFC.
        OfferLegacy = "offer-legacy",
        /// Such an offer is taken, also where the other side does not.
        Accept = "accept" | "accept-RFC",
        /// The same for those of old.
        AcceptLegacy = "accept-legacy",
    }
}

impl Osrtp {
    /// Whether it is about what we offer, and not about what we take.
    pub(in crate::ng) const fn is_offer(self) -> bool {
        matches!(self, Osrtp::Offer | Osrtp::OfferLegacy)
    }
}

words! {
    /// What of a description is ours to write.
    Replace {
        /// The address of the `o=` line.
        Origin = "origin",
        /// The `c=` line of the session.
        SessionConnection = "session-connection",
        /// The `s=` line.
        SessionName = "session-name",
        /// The version of the `o=` line.
        SdpVersion = "SDP-version" | "sdp-version",
        /// The user of the `o=` line.
        Username = "username",
        /// An address of zeros.
        ZeroAddress = "zero-address",
        /// The version rises in any case.
        ForceVersion = "force-increment-sdp-ver",
    }
}

words! {
    /// What becomes of DTMF that is blocked.
    DtmfSecurity {
        /// It is left out.
        Drop = "drop",
        /// Silence stands in its place.
        Silence = "silence",
        /// A tone does.
        Tone = "tone",
        /// Another digit does, whichever.
        Random = "random",
        /// The digit 0 does.
        Zero = "zero",
        /// A digit that is named does.
        Digit = "DTMF",
        /// It passes.
        Off = "off",
    }
}

words! {
    /// What is on when it is named.
    Switch {
        /// The addresses of the description are believed.
        TrustAddress = "trust-address",
        /// They are not: media goes where the SIP message came from.
        SipSourceAddress = "SIP-source-address",
        /// The far end sends from where it receives.
        Symmetric = "symmetric",
        /// It does not.
        Asymmetric = "asymmetric",
        /// Only one direction has media.
        Unidirectional = "unidirectional",
        /// The source of media is checked all the time.
        StrictSource = "strict-source",
        /// The source may change without a word.
        MediaHandover = "media-handover",
        /// What was learnt of the far ends is forgotten.
        Reset = "reset",
        /// Our ports stay when the far end's change.
        PortLatching = "port-latching",
        /// They do not, even with ICE.
        NoPortLatching = "no-port-latching",
        /// `a=mid` is written.
        GenerateMid = "generate-mid",
        /// RTCP is made here.
        GenerateRtcp = "generate-RTCP",
        /// `a=rtcp` is not written.
        NoRtcpAttribute = "no-rtcp-attribute",
        /// `a=rtcp` is written with its address.
        FullRtcpAttribute = "full-rtcp-attribute",
        /// The directions stay as they are.
        OriginalSendrecv = "original-sendrecv",
        /// An SDP that was here before is left alone.
        LoopProtect = "loop-protect",
        /// An answer has one codec.
        SingleCodec = "single-codec",
        /// Codecs do not change in the call.
        ReuseCodecs = "reuse-codecs" | "no-codec-renegotiation",
        /// Everything is transcoded that can be.
        AlwaysTranscode = "always-transcode",
        /// Trickle ICE is offered.
        TrickleIce = "trickle-ICE",
        /// ICE is refused to who offers it.
        RejectIce = "reject-ICE",
        /// `a=extmap` is taken out.
        StripExtmap = "strip-extmap",
        /// DTMF can be put in.
        InjectDtmf = "inject-DTMF",
        /// DTMF is looked for in the audio.
        DetectDtmf = "detect-DTMF",
        /// Empty packets open the way through a NAT.
        PierceNat = "pierce-NAT",
        /// Nothing is sent before something came.
        NatWait = "NAT-wait",
        /// `=` is written behind keys.
        PadCrypto = "pad-crypto",
        /// The description is a fragment of trickle ICE.
        Fragment = "fragment",
        /// Audio is played before the answer.
        EarlyMedia = "early-media",
        /// Everything is logged.
        Debug = "debug" | "debugging",
        /// Packets that are too short are dropped.
        BlockShort = "block-short" | "block-short-packets",
        /// The participant is left out of recordings.
        ExcludeRecording = "exclude-recording",
        /// The recording is thrown away.
        DiscardRecording = "discard-recording",
        /// An answer that takes fewer codecs is taken.
        AllowTranscoding = "allow-transcoding",
        /// The call is not kept for a restart.
        NoRedisUpdate = "no-redis-update",
    }
}

words! {
    /// What becomes of a codec.
    CodecChange {
        /// It was never there.
        Strip = "strip",
        /// It stays, before others.
        Offer = "offer",
        /// It is there, also where it was not.
        Transcode = "transcode",
        /// It is not passed on, but taken.
        Mask = "mask",
        /// It stays when all others go.
        Except = "except",
        /// It is taken whatever the far end says.
        Accept = "accept",
        /// As `mask`, with transcoding.
        Consume = "consume",
        /// Its options.
        Set = "set",
    }
}

/// What is said of SDES ([RFC 4568]).
///
/// [RFC 4568]: https://www.rfc-editor.org/rfc/rfc4568
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sdes {
    /// It is not offered.
    Off,
    /// This suite is not offered.
    Without(String),
    /// This suite and others named so are.
    Only(String),
    /// No suite is added.
    NoNew,
    /// The order of the suites.
    Order(String),
    /// The suites to choose first for who offers.
    OffererPreference(String),
    /// Keys are padded.
    Pad,
    /// Keys have a lifetime.
    Lifetime,
    /// The suite stays as it is.
    Static,
    /// A session parameter of RFC 4568 §6.3, or its opposite.
    Parameter(String),
}

impl Sdes {
    /// What the word stands for.
    pub fn of(word: &[u8]) -> Option<Self> {
        let word = std::str::from_utf8(word).ok()?;
        Some(match word {
            "off" | "no" | "disable" => Sdes::Off,
            "nonew" => Sdes::NoNew,
            "pad" => Sdes::Pad,
            "lifetime" => Sdes::Lifetime,
            "static" => Sdes::Static,
            _ => {
                if let Some(suite) = word.strip_prefix("no-") {
                    return Some(Sdes::Without(suite.to_owned()));
                }
                if let Some(suite) = word.strip_prefix("only-") {
                    return Some(Sdes::Only(suite.to_owned()));
                }
                if let Some(suites) = word.strip_prefix("order:") {
                    return Some(Sdes::Order(suites.to_owned()));
                }
                if let Some(suites) = word.strip_prefix("offerer_pref:") {
                    return Some(Sdes::OffererPreference(suites.to_owned()));
                }
                let parameter = word.to_ascii_lowercase();
                let is_parameter = ["encrypted_srtp", "encrypted_srtcp", "authenticated_srtp"]
                    .iter()
                    .any(|known| parameter.strip_prefix("un").unwrap_or(&parameter) == *known);
                return is_parameter.then_some(Sdes::Parameter(parameter));
            }
        })
    }
}
