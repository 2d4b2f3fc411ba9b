//! What a jitter buffer has counted.

/// What a jitter buffer has counted. Losses are counted when their time is over; one that comes later is counted late
/// too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that were kept.
    pub kept: u64,
    /// Packets that came when their time was over.
    pub late: u64,
    /// Copies.
    pub duplicates: u64,
    /// Packets without payload, or with too much.
    pub unusable: u64,
    /// Packets far from the stream.
    pub astray: u64,
    /// Frames whose time was over before their packet had come.
    pub lost: u64,
    /// Frames that were thrown away because too many waited.
    pub discarded: u64,
    /// Times that the stream began anew at other numbers.
    pub restarts: u64,
    /// Times that nothing was there though somebody spoke. That they did is known when the next packet has come.
    pub underruns: u64,
    /// Frames that were asked to be shortened.
    pub faster: u64,
    /// Frames that were asked to be stretched.
    pub slower: u64,
    /// How long the listener heard what was made up.
    pub concealed_ms: u64,
    /// The delay that packets get here, relative to the fastest ones.
    pub delay_ms: u32,
    /// The delay that is aimed at.
    pub target_ms: u32,
    /// Interarrival jitter as of RFC 3550.
    pub jitter_ms: u32,
}
