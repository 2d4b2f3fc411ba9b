//! Media that goes past us: each far end of a call is told where the other one receives, and not where we do.
//!
//! [`reach_each_other`] is the whole rule of what is local; [`Party::way_to`] applies it to what a far end has described.
//! A party that is past us knows the source address of its far end's signalling: media goes there and nowhere else, so
//! that a description cannot aim another phone at a third address, and one from behind a NAT is not believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::acceptance::{choose, remote};
use super::protection::is_secure;
use super::{Local, Party, Profile, Remote, Srtp};
use crate::sdp::{Codec, Description, Section};

/// Where a far end's signalling comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its address.
    pub address: IpAddr,
    /// Whether that is one of this machine's.
    pub is_here: bool,
}

impl Source {
    /// A source, for a machine that has these addresses beside loopback.
    pub fn new(address: IpAddr, own: &[IpAddr]) -> Source {
        let address = address.to_canonical();
        Source { address, is_here: address.is_loopback() || own.contains(&address) }
    }
}

/// Whether two hosts reach each other without us.
///
/// They do when they are of one family and both on loopback, both in one private network (the same /16 of [RFC 1918],
/// the same /48 of [RFC 4193]) or both public. Two that share an address may be behind one NAT, and do only when the
/// address is this machine's; addresses of a link, of a carrier's NAT ([RFC 6598]) and of no host reach nobody for
/// certain.
///
/// [RFC 1918]: https://www.rfc-editor.org/rfc/rfc1918
/// [RFC 4193]: https://www.rfc-editor.org/rfc/rfc4193
/// [RFC 6598]: https://www.rfc-editor.org/rfc/rfc6598
pub fn reach_each_other(a: Source, b: Source) -> bool {
    let scopes = Scope::of(a.address).zip(Scope::of(b.address));
    scopes.is_some_and(|(first, second)| first == second) && (a.address != b.address || a.is_here)
}

/// Where an offer wants its media to go, when it is plain RTP and nothing else: no ICE, no keys.
pub fn plain_address(offer: &[u8]) -> Option<IpAddr> {
    let offer = Description::parse(offer).ok()?;
    let served = choose(&offer, Profile::Rtp, Srtp::Offered, None).ok()?;
    let section = offer.sections.get(served).filter(|section| is_plain(section))?;
    Some(remote(section, false)?.rtp.ip())
}

/// The networks whose hosts reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Loopback4,
    Loopback6,
    /// The first two octets.
    Private4([u8; 2]),
    /// The first three groups.
    Private6([u16; 3]),
    Public4,
    Public6,
}

/// Whether an address is one of the internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    matches!(Scope::of(address), Some(Scope::Public4 | Scope::Public6))
}

impl Scope {
    fn of(address: IpAddr) -> Option<Scope> {
        match address {
            IpAddr::V4(address) => Scope::of_v4(address),
            IpAddr::V6(address) => Scope::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Option<Scope> {
        match address.octets() {
            [127, ..] => Some(Scope::Loopback4),
            [a, b, ..] if address.is_private() => Some(Scope::Private4([a, b])),
            [0 | 224.., ..] | [169, 254, ..] | [100, 64..=127, ..] => None,
            _ => Some(Scope::Public4),
        }
    }

    fn of_v6(address: Ipv6Addr) -> Option<Scope> {
        match address.segments() {
            _ if address.is_loopback() => Some(Scope::Loopback6),
            [a @ 0xfc00..=0xfdff, b, c, ..] => Some(Scope::Private6([a, b, c])),
            [0x2000..=0x3fff, ..] => Some(Scope::Public6),
            _ => None,
        }
    }
}

/// Where media for a far end goes, as it described itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To this address of its own.
    Direct(Remote),
    /// Nowhere: it holds the other by an address of zeros (RFC 3264 §8.4).
    Nowhere,
    /// By us.
    Around,
}

impl Party {
    /// A party without any description whose media goes past us. `source` is where its far end's signalling comes from;
    /// `ours` stands in our `o=` lines, whose session id is `session`.
    pub fn past_us(ours: IpAddr, source: Source, session: u64) -> Party {
        let local = Local {
            profile: Profile::Rtp,
            address: ours,
            rtp: DISCARD_PORT,
            rtcp: DISCARD_PORT,
            ice: None,
            candidates: Vec::new(),
            fingerprint: None,
            // Keys would be with us, and the media is not.
            srtp: Srtp::Never,
            seed: None,
            video: None,
        };
        let mut party = Party::new(local, session);
        party.past = Some(source);
        party
    }

    /// Whether the media of this party goes past us.
    pub const fn is_past_us(&self) -> bool {
        self.past.is_some()
    }

    /// Our side of the leg is open: what is written from here on leads to us.
    pub fn come_back(&mut self, local: Local) {
        self.local = local;
        self.past = None;
    }

    /// Whether two parties can hear each other past us: each has described an address of its own that the other
    /// reaches, and they number their codecs alike, because nobody translates.
    pub fn meets(&self, other: &Party) -> bool {
        // As in `payload_map`, without making one.
        let is_alike = |from: &Party, to: &Party| {
            let is_one = |codec: &Codec| {
                to.received_as(codec).is_none_or(|other| other.payload_type == codec.payload_type)
            };
            from.sent_codecs().all(is_one)
        };
        self.way_to(other) != Way::Around
            && other.way_to(self) != Way::Around
            && is_alike(self, other)
            && is_alike(other, self)
    }

    /// Whether our last description to this party leads to where its media has to go: to the far end of `other` when
    /// both are past us, or else to us.
    pub fn is_told(&self, other: &Party) -> bool {
        let Some(section) = self.last_written() else { return false };
        let told = section.connection.as_ref().and_then(|host| host.address()).zip(Some(section.port));
        match (self.past, other.way_to(self)) {
            (None, _) => told == Some((self.local.address, self.local.rtp)),
            (Some(_), Way::Direct(remote)) => told == Some((remote.rtp.ip(), remote.rtp.port())),
            (Some(_), Way::Nowhere) => true,
            (Some(_), Way::Around) => false,
        }
    }

    /// How media for this party's far end goes from that of another.
    pub(super) fn way_to(&self, from: &Party) -> Way {
        let Some(((source, other), section)) = self.past.zip(from.past).zip(self.described()) else {
            return Way::Around;
        };
        match remote(section, section.rtcp_mux) {
            Some(remote)
                if remote.rtp.ip() == source.address
                    && reach_each_other(source, other)
                    && is_plain(section) =>
            {
                Way::Direct(remote)
            }
            None if section.connection.as_ref().and_then(|host| host.address()).is_some_and(is_zero) => {
                Way::Nowhere
            }
            _ => Way::Around,
        }
    }

    /// Lets our next description lead to the far end of `from`. What cannot lead there stays as it was: until it has
    /// come back to us, media goes where it went.
    pub(super) fn face(&mut self, from: &Party) {
        if let Way::Direct(remote) = from.way_to(self) {
            self.local.address = remote.rtp.ip();
            self.local.rtp = remote.rtp.port();
            self.local.rtcp = remote.rtcp.port();
        }
    }
}

fn is_plain(section: &Section) -> bool {
    section.ice.is_none()
        && section.candidates.is_empty()
        && section.fingerprints.is_empty()
        && !section.has_crypto
        && !is_secure(&section.protocol)
}

fn is_zero(address: IpAddr) -> bool {
    address.is_unspecified()
}

/// What stands in a description before anybody has said where media goes.
const DISCARD_PORT: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reaches_whom() {
        let own = ["192.168.1.1".parse().unwrap(), "203.0.113.5".parse().unwrap()];
        for (a, b, expected) in [
            // This machine.
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", true),
            ("::1", "::1", true),
            ("127.0.0.1", "::1", false),
            ("127.0.0.1", "192.168.1.2", false),
            ("127.0.0.1", "203.0.113.1", false),
            // One private network, or two.
            ("192.168.1.2", "192.168.1.3", true),
            ("192.168.1.2", "192.168.200.3", true),
            ("10.1.0.5", "10.1.200.5", true),
            ("10.1.0.5", "10.2.0.5", false),
            ("172.16.0.1", "172.16.9.9", true),
            ("172.16.0.1", "172.17.0.1", false),
            ("10.0.0.1", "192.168.0.1", false),
            ("192.168.1.2", "192.168.1.2", false),
            ("192.168.1.1", "192.168.1.2", true),
            ("192.168.1.1", "192.168.1.1", true),
            ("203.0.113.5", "203.0.113.5", true),
            ("203.0.113.5", "192.168.1.1", false),
            ("fd00:1:2::1", "fd00:1:2:3::1", true),
            ("fd00:1:2::1", "fd00:1:3::1", false),
            // The internet.
            ("198.51.100.1", "203.0.113.1", true),
            ("2001:db8::1", "2001:db8:1::1", true),
            ("198.51.100.1", "2001:db8::1", false),
            ("203.0.113.1", "203.0.113.1", false),
            ("203.0.113.1", "10.0.0.1", false),
            ("2001:db8::1", "fd00:1:2::1", false),
            ("::ffff:198.51.100.1", "203.0.113.1", true),
            // A link, a carrier's NAT, nobody.
            ("169.254.1.1", "169.254.1.2", false),
            ("fe80::1", "fe80::2", false),
            ("100.64.0.1", "100.64.0.2", false),
            ("0.0.0.0", "0.0.0.1", false),
            ("::", "::", false),
            ("224.0.0.1", "224.0.0.2", false),
            ("255.255.255.255", "255.255.255.254", false),
        ] {
            let [first, second] = [a, b].map(|text| Source::new(text.parse().unwrap(), &own));
            assert_eq!(reach_each_other(first, second), expected, "{a} {b}");
            assert_eq!(reach_each_other(second, first), expected, "{b} {a}");
        }
    }

    fn sdp(address: &str, port: u16, more: &str) -> Vec<u8> {
        let family = if address.contains(':') { "IP6" } else { "IP4" };
        format!(
            "v=0\no=- 1 1 IN {family} {address}\ns=-\nc=IN {family} {address}\nt=0 0\nm=audio {port} RTP/AVP 8 101\n\
             a=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\n{more}"
        )
        .replace('\n', "\r\n")
        .into_bytes()
    }

    #[test]
    fn only_plain_rtp_to_a_host_has_a_plain_address() {
        let here: IpAddr = "198.51.100.1".parse().unwrap();
        assert_eq!(plain_address(&sdp("198.51.100.1", 4000, "")), Some(here));
        for (name, offer) in [
            ("held by zeros", sdp("0.0.0.0", 4000, "")),
            ("no port yet", sdp("198.51.100.1", 9, "")),
            ("rejected", sdp("198.51.100.1", 0, "")),
            ("multicast", sdp("224.2.1.1", 4000, "")),
            ("a name", sdp("phone.example", 4000, "")),
            ("ICE", sdp("198.51.100.1", 4000, "a=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\n")),
            (
                "SDES",
                sdp(
                    "198.51.100.1",
                    4000,
                    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\n",
                ),
            ),
            ("no SDP", b"hello".to_vec()),
        ] {
            assert_eq!(plain_address(&offer), None, "{name}");
        }
    }

    fn pair(a: &str, b: &str) -> (Party, Party) {
        let ours = "192.0.2.1".parse().unwrap();
        let party = |source: &str| Party::past_us(ours, Source::new(source.parse().unwrap(), &[]), 7);
        (party(a), party(b))
    }

    fn text(sdp: &[u8]) -> String {
        String::from_utf8(sdp.to_vec()).unwrap()
    }

    #[test]
    fn each_is_told_where_the_other_receives() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "a=rtcp:4010\n")).unwrap();
        let offer = text(&b.offer(&a).unwrap());
        assert!(offer.contains("o=- 7 1 IN IP4 192.0.2.1"), "{offer}");
        assert!(offer.contains("c=IN IP4 198.51.100.1\r\n") && offer.contains("m=audio 4000 "), "{offer}");
        assert!(offer.contains("a=rtcp:4010\r\n"), "{offer}");
        b.handle_answer(&sdp("203.0.113.1", 5000, "")).unwrap();
        let answer = text(&a.answer(&b).unwrap());
        assert!(answer.contains("c=IN IP4 203.0.113.1\r\n") && answer.contains("m=audio 5000 "), "{answer}");
        assert!(!answer.contains("a=rtcp"), "{answer}");
        assert!(a.meets(&b) && a.is_told(&b) && b.is_told(&a));

        // B moves to another port.
        b.handle_offer(&sdp("203.0.113.1", 5002, "")).unwrap();
        assert!(!a.is_told(&b));
        let offer = text(&a.offer(&b).unwrap());
        assert!(offer.contains("o=- 7 2 IN IP4 192.0.2.1") && offer.contains("m=audio 5002 "), "{offer}");
    }

    #[test]
    fn nobody_is_aimed_at_an_address_that_is_not_the_far_ends() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "")).unwrap();
        b.offer(&a).unwrap();
        b.handle_answer(&sdp("192.168.1.7", 5000, "")).unwrap();
        assert!(!a.meets(&b), "B is behind a NAT");
        b.handle_answer(&sdp("203.0.113.1", 5000, "")).unwrap();
        a.answer(&b).unwrap();

        a.handle_offer(&sdp("203.0.113.99", 80, "")).unwrap();
        let offer = text(&b.offer(&a).unwrap());
        assert!(offer.contains("c=IN IP4 198.51.100.1\r\n") && offer.contains("m=audio 4000 "), "{offer}");
        assert!(!a.meets(&b) && !b.is_told(&a));
    }

    #[test]
    fn a_hold_by_an_address_of_zeros_is_passed_on_as_a_direction() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "")).unwrap();
        b.offer(&a).unwrap();
        b.handle_answer(&sdp("203.0.113.1", 5000, "")).unwrap();
        a.answer(&b).unwrap();
        a.handle_offer(&sdp("0.0.0.0", 4000, "")).unwrap();
        let offer = text(&b.offer(&a).unwrap());
        assert!(offer.contains("c=IN IP4 198.51.100.1\r\n") && offer.contains("a=sendonly"), "{offer}");
        b.handle_answer(&sdp("203.0.113.1", 5000, "a=recvonly\n")).unwrap();
        a.answer(&b).unwrap();
        assert!(a.meets(&b) && a.is_told(&b) && b.is_told(&a));
    }

    #[test]
    fn those_who_number_their_codecs_otherwise_do_not_meet() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "")).unwrap();
        b.offer(&a).unwrap();
        let answer = text(&sdp("203.0.113.1", 5000, "")).replace("101", "96");
        b.handle_answer(answer.as_bytes()).unwrap();
        a.answer(&b).unwrap();
        assert!(!a.meets(&b));
    }

    #[test]
    fn rtcp_mux_is_between_the_far_ends() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "a=rtcp-mux\n")).unwrap();
        assert!(text(&b.offer(&a).unwrap()).contains("a=rtcp-mux"));
        b.handle_answer(&sdp("203.0.113.1", 5000, "")).unwrap();
        assert!(!text(&a.answer(&b).unwrap()).contains("a=rtcp-mux"));
    }

    #[test]
    fn a_party_that_comes_back_is_told_of_us_in_the_same_session() {
        let (mut a, mut b) = pair("198.51.100.1", "203.0.113.1");
        a.handle_offer(&sdp("198.51.100.1", 4000, "")).unwrap();
        b.offer(&a).unwrap();
        b.handle_answer(&sdp("203.0.113.1", 5000, "")).unwrap();
        a.answer(&b).unwrap();
        let local =
            Local { rtp: 20_000, rtcp: 20_001, address: "192.0.2.9".parse().unwrap(), ..a.local().clone() };
        a.come_back(local);
        assert!(!a.is_past_us() && !a.is_told(&b) && !a.meets(&b));
        let offer = text(&a.offer(&b).unwrap());
        assert!(offer.contains("o=- 7 2 IN IP4 192.0.2.1"), "{offer}");
        assert!(offer.contains("c=IN IP4 192.0.2.9\r\n") && offer.contains("m=audio 20000 "), "{offer}");
        a.handle_answer(&sdp("198.51.100.1", 4000, "")).unwrap();
        assert!(a.is_told(&b));
    }
}
