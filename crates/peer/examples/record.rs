//! Takes whatever audio another peer offers, and records it. The descriptions are carried by hand.
//!
//! ```sh
//! cargo run -p ringback-peer --example record -- heard.ogg       # waits for the offer, prints an answer
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what it does")]

mod by_hand;

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use by_hand::read_description;
use ringback_peer::audio::Recorder;
use ringback_peer::webrtc::{Connection, Event, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a file that ends with .wav, .ogg or .opus")?;
    let mut recorder = Recorder::create(Path::new(&path))?;
    let mut connection = Connection::open(Settings::default()).await?;
    println!("{}", connection.answer(&read_description()?)?);
    loop {
        let event = connection.next_before(Instant::now() + Duration::from_millis(200)).await;
        match &event {
            Some(Event::Connected) => eprintln!("recording into {path}"),
            Some(Event::Disconnected) => connection.close(),
            _ => {}
        }
        let is_over = event == Some(Event::Closed);
        if let Some(audio) = connection.audio() {
            if is_over {
                audio.finish();
            }
            while let Some(heard) = audio.poll_heard() {
                recorder.write(&heard)?;
            }
        }
        if is_over {
            let seconds = recorder.seconds();
            recorder.finish()?;
            eprintln!("{seconds:.1} s are in {path}");
            return Ok(());
        }
    }
}
