//! Which worker owns what: the one place that knows.
//!
//! The key of a leg says which control worker made it and for which call, and the call's number says which media worker
//! holds it. Local tags carry the key, so that a request within a dialog finds its leg without a look-up by Call-ID, and
//! so that it can be handed to the worker that owns it. The random part makes a tag unguessable (RFC 3261 §19.3 asks for
//! 32 random bits; there are 64).

use ringback_media::session::LegKey;

use crate::call::CallNumber;

/// Bits of a key that number the legs of one call.
const LEG_BITS: u32 = 10;
/// Bits of a key that number the calls of one worker: at a thousand calls a second they last for eight years.
const CALL_BITS: u32 = 38;

/// The key of the leg of a call, unique in the process: worker, call, leg.
pub(crate) const fn leg_key(worker: u16, call: CallNumber, leg: u16) -> LegKey {
    let call = call.0 & ((1 << CALL_BITS) - 1);
    let leg = leg as u64 & ((1 << LEG_BITS) - 1);
    LegKey((worker as u64) << (CALL_BITS + LEG_BITS) | call << LEG_BITS | leg)
}

/// The control worker that made the key.
pub(crate) const fn worker_of(leg: LegKey) -> u16 {
    (leg.0 >> (CALL_BITS + LEG_BITS)) as u16
}

/// Whether an [`Engine`](crate::ng::Engine) made the leg, and not an exchange: it is the one that hears its news.
pub const fn is_of_ng(leg: LegKey) -> bool {
    worker_of(leg) == NG_WORKER
}

/// What keys of an engine of the ng protocol have in place of the number of a control worker: the highest that leaves the
/// upper bits of a key to others: two to those who mark sockets by it, and the next to the video of a leg.
pub(crate) const NG_WORKER: u16 = (1 << 13) - 1;

/// The same for the legs of streams into rooms.
pub(crate) const ROOMS_WORKER: u16 = NG_WORKER - 1;

/// Bits of a key that number the legs of one stream.
const STREAM_LEG_BITS: u32 = 24;

/// The key of the leg of a stream into a room, both numbers below 2^24.
pub(crate) const fn stream_leg_key(stream: u32, leg: u32) -> LegKey {
    let mask = (1 << STREAM_LEG_BITS) - 1;
    let (stream, leg) = ((stream & mask) as u64, (leg & mask) as u64);
    LegKey((ROOMS_WORKER as u64) << (CALL_BITS + LEG_BITS) | stream << STREAM_LEG_BITS | leg)
}

/// The stream that a leg belongs to.
pub(crate) const fn stream_of(leg: LegKey) -> u32 {
    (leg.0 >> STREAM_LEG_BITS) as u32 & ((1 << STREAM_LEG_BITS) - 1)
}

/// Whether a stream into a room made the leg: [`Rooms`](crate::rooms::Rooms) hear its news.
pub const fn is_of_rooms(leg: LegKey) -> bool {
    worker_of(leg) == ROOMS_WORKER
}

/// The call that the leg belongs to.
pub(crate) const fn call_of(leg: LegKey) -> CallNumber {
    CallNumber(leg.0 >> LEG_BITS & ((1 << CALL_BITS) - 1))
}

/// The media worker, of so many, that holds every leg of a call.
pub(crate) const fn media_worker_of(call: CallNumber, workers: u16) -> u16 {
    let workers = if workers == 0 { 1 } else { workers };
    (call.0 % workers as u64) as u16
}

/// A local tag: `LEG.RANDOM`, both in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalTag {
    /// The leg whose dialog it names.
    pub leg: LegKey,
    /// What makes it unguessable.
    pub random: u64,
}

impl LocalTag {
    /// The tag that `text` holds; `None` for a tag that no exchange made.
    pub fn parse(text: &[u8]) -> Option<LocalTag> {
        let (leg, random) = std::str::from_utf8(text).ok()?.split_once('.')?;
        let leg = LegKey(u64::from_str_radix(leg, 16).ok()?);
        let tag = LocalTag { leg, random: u64::from_str_radix(random, 16).ok()? };
        // Only the form that `to_string` writes is ours: no sign, no leading zero, no other case.
        (tag.to_string().as_bytes() == text).then_some(tag)
    }
}

impl std::fmt::Display for LocalTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}.{:x}", self.leg.0, self.random)
    }
}

/// The local tag of a subscription: `sWORKER.SUBSCRIPTION.RANDOM`, in hexadecimal. No tag of a leg begins with an `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscriptionTag {
    /// The control worker that made it.
    pub worker: u16,
    /// The number of the subscription.
    pub subscription: u64,
    /// What makes it unguessable.
    pub random: u64,
}

impl SubscriptionTag {
    /// The tag that `text` holds; `None` for one that no exchange made for a subscription.
    pub fn parse(text: &[u8]) -> Option<SubscriptionTag> {
        let mut parts = std::str::from_utf8(text).ok()?.strip_prefix('s')?.splitn(3, '.');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let worker = u16::try_from(number()?).ok()?;
        let tag = SubscriptionTag { worker, subscription: number()?, random: number()? };
        (tag.to_string().as_bytes() == text).then_some(tag)
    }
}

impl std::fmt::Display for SubscriptionTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s{:x}.{:x}.{:x}", self.worker, self.subscription, self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_whose_it_is() {
        for (worker, call, leg) in [(0, 1, 0), (3, 77, 16), (u16::MAX, (1 << CALL_BITS) - 1, 1023)] {
            let key = leg_key(worker, CallNumber(call), leg);
            assert_eq!((worker_of(key), call_of(key)), (worker, CallNumber(call)));
        }
        let of_ng = leg_key(NG_WORKER, CallNumber((1 << CALL_BITS) - 1), 1023);
        assert!(is_of_ng(of_ng) && !is_of_ng(leg_key(0, CallNumber(1), 1)));
        assert!(!of_ng.is_video() && is_of_ng(of_ng.video().owner()));
        let of_rooms = stream_leg_key((1 << STREAM_LEG_BITS) - 1, 7);
        assert!(is_of_rooms(of_rooms) && !is_of_ng(of_rooms) && !is_of_rooms(of_ng));
        assert_eq!((stream_of(of_rooms), of_rooms.0 & 0xff), ((1 << STREAM_LEG_BITS) - 1, 7));
        assert!(of_ng.video().0 < 1 << 62, "sockets are marked by keys with two bits more");
        assert_ne!(leg_key(0, CallNumber(1), 1), leg_key(0, CallNumber(1), 2));
        assert_eq!(media_worker_of(CallNumber(7), 4), 3);
        assert_eq!(media_worker_of(CallNumber(7), 0), 0);
    }

    #[test]
    fn a_tag_is_read_as_it_was_written() {
        let tag = LocalTag { leg: leg_key(3, CallNumber(5), 1), random: u64::MAX };
        assert_eq!(LocalTag::parse(tag.to_string().as_bytes()), Some(tag));
    }

    #[test]
    fn a_tag_of_a_subscription_is_read_as_it_was_written_and_is_none_of_a_leg() {
        let tag = SubscriptionTag { worker: 3, subscription: 7, random: u64::MAX };
        let text = tag.to_string();
        assert_eq!(SubscriptionTag::parse(text.as_bytes()), Some(tag));
        assert_eq!(LocalTag::parse(text.as_bytes()), None);
        for text in ["", "s", "s1.2", "s1.2.3.4", "s01.2.3", "s10000.2.3", "1.2.3"] {
            assert_eq!(SubscriptionTag::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn other_peoples_tags_are_not_ours() {
        for text in ["", "a", "1.2.3", "+1.2", "01.2", "1.02", "1.A", "1.z", "10000000000000000.1", "ä.1"] {
            assert_eq!(LocalTag::parse(text.as_bytes()), None, "{text}");
        }
    }
}
