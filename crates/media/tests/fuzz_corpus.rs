//! Replays the corpora of the fuzz targets `audio_files`, `dtmf`, `insert`, `jitter`, `rtp`, `rtcp` and `srtp`, whole
//! and cut off, and random changes of them. (Those of `dtls`, `negotiation`, `sdp` and `session` are with the other
//! tests of what they are about.)

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::time::Instant;

use ringback_media::audio::fuzz::jitter;
use ringback_media::dtmf::fuzz::dtmf;
use ringback_media::file::fuzz::audio_files;
use ringback_media::insert::fuzz::insert;
use ringback_media::rtcp::fuzz::rtcp;
use ringback_media::rtp::fuzz::rtp;
use ringback_media::srtp::fuzz::srtp;
use ringback_sansio::sim::{Clock, Rng};

#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn replay(name: &str, target: fn(&[u8], Instant)) {
    let now = Clock::new().now();
    let mut rng = Rng::new(7);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        target(&data, now);
        for end in 0..data.len().min(64) {
            target(&data[..end], now);
        }
        for _ in 0..300 {
            let mut changed = data.clone();
            for _ in 0..=rng.below(3) {
                if let Some(byte) = changed.get_mut(rng.below(data.len().max(1) as u64) as usize) {
                    *byte = rng.below(256) as u8;
                }
            }
            target(&changed, now);
        }
        count += 1;
    }
    assert!(count >= 4, "only {count} files: is this the corpus?");
}

#[test]
fn the_corpus_of_rtp_replays() {
    replay("rtp", rtp);
}

#[test]
fn the_corpus_of_rtcp_replays() {
    replay("rtcp", rtcp);
}

#[test]
fn the_corpus_of_srtp_replays() {
    replay("srtp", |data, _| srtp(data));
}

#[test]
fn the_corpus_of_jitter_replays() {
    replay("jitter", jitter);
}

#[test]
fn the_corpus_of_insert_replays() {
    replay("insert", |data, now| {
        insert(data, now);
    });
}

#[test]
fn the_corpus_of_dtmf_replays() {
    replay("dtmf", dtmf);
}

#[test]
fn the_corpus_of_audio_files_replays() {
    replay("audio_files", |data, _| audio_files(data));
}
