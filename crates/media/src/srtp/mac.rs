//! HMAC-SHA1 ([RFC 2104]) over a packet that lies in one piece.
//!
//! The general-purpose HMAC copies a partial block with each update; with the compression function itself a packet of
//! 20 ms of G.711 costs a third less.
//!
//! [RFC 2104]: https://www.rfc-editor.org/rfc/rfc2104

use std::hint::black_box;

use sha1::block_api::compress;

/// The states of SHA-1 after the inner and the outer key block.
pub(super) struct Mac {
    inner: [u32; 5],
    outer: [u32; 5],
}

impl Mac {
    /// The code under a key.
    pub(super) fn new(key: &[u8; 20]) -> Self {
        let keyed = |pad: u8| {
            let mut block = [pad; BLOCK_LEN];
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            let mut state = SHA1_INITIAL;
            compress(&mut state, &[block]);
            block.fill(0);
            black_box(&block);
            state
        };
        Mac { inner: keyed(0x36), outer: keyed(0x5c) }
    }

    /// The code of `message` followed by `trailer`, of which at most [`MAX_TRAILER`] bytes count.
    #[inline]
    pub(super) fn code(&self, message: &[u8], trailer: &[u8]) -> [u8; 20] {
        let mut state = self.inner;
        let (blocks, rest) = message.as_chunks::<BLOCK_LEN>();
        compress(&mut state, blocks);
        // What is left, the trailer, the bit that ends the message, and its length with the key block before it.
        let mut last = [[0; BLOCK_LEN]; 2];
        let ending = rest.iter().chain(trailer.iter().take(MAX_TRAILER)).chain(&[END_BIT]);
        let mut used = 0;
        for (to, from) in last.as_flattened_mut().iter_mut().zip(ending) {
            *to = *from;
            used += 1;
        }
        let message_len = BLOCK_LEN + message.len() + trailer.len().min(MAX_TRAILER);
        let [first, second] = &mut last;
        if used + LENGTH_LEN <= BLOCK_LEN {
            write_length(first, message_len);
            compress(&mut state, &last[..1]);
        } else {
            write_length(second, message_len);
            compress(&mut state, &last);
        }

        let mut digest = [0; BLOCK_LEN];
        let (hash, padding) = digest.split_at_mut(HASH_LEN);
        hash.copy_from_slice(&bytes(state));
        if let Some(end) = padding.first_mut() {
            *end = END_BIT;
        }
        write_length(&mut digest, BLOCK_LEN + HASH_LEN);
        let mut state = self.outer;
        compress(&mut state, &[digest]);
        bytes(state)
    }
}

impl Drop for Mac {
    fn drop(&mut self) {
        self.inner.fill(0);
        self.outer.fill(0);
        // Without a reader the compiler might leave out the writes.
        black_box((&self.inner, &self.outer));
    }
}

/// Writes the length of a message in bits to the end of its last block.
#[inline]
fn write_length(block: &mut [u8; BLOCK_LEN], bytes: usize) {
    if let Some(end) = block.last_chunk_mut() {
        *end = (bytes as u64 * 8).to_be_bytes();
    }
}

#[inline]
fn bytes(state: [u32; 5]) -> [u8; HASH_LEN] {
    let mut bytes = [0; HASH_LEN];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}

/// The most bytes of a trailer: a roll-over counter.
pub(super) const MAX_TRAILER: usize = 4;

const SHA1_INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
const BLOCK_LEN: usize = 64;
const HASH_LEN: usize = 20;
const LENGTH_LEN: usize = 8;
const END_BIT: u8 = 0x80;

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac as _};
    use sha1::Sha1;

    use super::*;

    #[test]
    fn the_code_is_that_of_another_implementation_at_every_length() {
        let key = std::array::from_fn(|at| at as u8 * 11);
        let mac = Mac::new(&key);
        let message: Vec<u8> = (0..300).map(|at| at as u8).collect();
        for len in 0..=message.len() {
            for trailer in [&[][..], &[1], &[1, 2, 3, 4]] {
                let mut other = Hmac::<Sha1>::new_from_slice(&key).unwrap();
                other.update(&message[..len]);
                other.update(trailer);
                assert_eq!(mac.code(&message[..len], trailer), *other.finalize().into_bytes(), "{len}");
            }
        }
    }
}
