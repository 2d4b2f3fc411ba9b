//! A tick of 20 ms of a conference: a hundred legs give their frames and hear the others.

use divan::{Bencher, black_box};
use ringback_media::audio::{Mixer, MixerSettings};
use ringback_sansio::sim::Rng;

fn main() {
    divan::main();
}

const LEGS: usize = 100;

/// Everybody is summed.
#[divan::bench(args = [8000, 16_000, 48_000])]
fn all(bencher: Bencher<'_, '_>, rate: usize) {
    tick(bencher, rate, None);
}

/// The three loudest are.
#[divan::bench(args = [8000, 16_000, 48_000])]
fn loudest(bencher: Bencher<'_, '_>, rate: usize) {
    tick(bencher, rate, Some(3));
}

fn tick(bencher: Bencher<'_, '_>, rate: usize, loudest: Option<usize>) {
    let len = rate / 50;
    let mut rng = Rng::new(1);
    let mut mixer = Mixer::new(MixerSettings { frame: len, legs: LEGS, loudest });
    let places: Vec<_> = (0..LEGS).filter_map(|_| mixer.join()).collect();
    let frame: Vec<i16> = (0..len).map(|_| rng.below(4000) as i16 - 2000).collect();
    let mut heard = vec![0; len];
    bencher.bench_local(|| {
        for &place in &places {
            mixer.handle_frame(place, black_box(&frame));
        }
        mixer.mix();
        for &place in &places {
            mixer.read(place, &mut heard);
            black_box(&heard);
        }
    });
}
