//! No bytes do harm.

use std::path::Path;

use proptest::prelude::*;
use ringback_media::codec::fuzz::codecs;
use ringback_media::codec::{Decoder, Format, MAX_SAMPLES};
use ringback_sansio::sim::Rng;

use crate::round_trip::cases;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_payload_is_decoded_or_refused(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..8),
        case in 0..16usize,
    ) {
        let (format, rate) = cases()[case];
        let mut decoder = Decoder::new(&format.describe(96), rate).unwrap();
        let mut pcm = [0; MAX_SAMPLES];
        for payload in &payloads {
            let expected = format.duration(payload);
            if let Ok(len) = decoder.decode(payload, &mut pcm) {
                prop_assert_eq!(expected, Some(format.ticks(len, rate)));
            }
            decoder.decode_fec(payload, &mut pcm[..rate as usize / 50]);
        }
    }

    /// The first byte says how many frames there are and of which kind: all of them, with little behind.
    #[test]
    fn any_configuration_of_opus_is_decoded_or_refused(
        toc in any::<u8>(),
        rest in prop::collection::vec(any::<u8>(), 0..60),
        rate in prop::sample::select(vec![8000u32, 16000, 48000]),
    ) {
        let payload = [&[toc], rest.as_slice()].concat();
        let mut decoder = Decoder::new(&Format::Opus.describe(96), rate).unwrap();
        let mut pcm = [0; MAX_SAMPLES];
        for _ in 0..2 {
            let _ = decoder.decode(&payload, &mut pcm);
            decoder.decode_fec(&payload, &mut pcm[..rate as usize / 50]);
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test reads its corpus")]
fn the_corpus_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/codecs");
    let mut rng = Rng::new(7);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let data = std::fs::read(entry.unwrap().path()).unwrap();
        codecs(&data);
        for _ in 0..30 {
            let mut changed = data.clone();
            for _ in 0..=rng.below(4) {
                if let Some(byte) = changed.get_mut(rng.below(data.len() as u64) as usize) {
                    *byte = rng.below(256) as u8;
                }
            }
            changed.truncate(data.len() - rng.below(8) as usize);
            codecs(&changed);
        }
        count += 1;
    }
    assert!(count >= 7, "only {count} files: is this the corpus?");
}
