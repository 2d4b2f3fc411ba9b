//! Ping and pong on a data channel, between two peers of one process: what there is to a connection, in one page.
//!
//! ```sh
//! cargo run -p ringback-peer --example ping_pong
//! ```
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::time::Instant;

use ringback_peer::webrtc::{Connection, Event, Settings};

/// How often.
const TIMES: usize = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings { has_audio: false, ..Settings::default() };
    let mut caller = Connection::open(settings.clone()).await?;
    let mut callee = Connection::open(settings).await?;

    caller.open_channel("ping");
    let offer = caller.offer()?;
    let answer = callee.answer(&offer)?;
    caller.accept(&answer)?;

    let mut sent = Instant::now();
    let mut count = 0;
    while count < TIMES {
        tokio::select! {
            event = caller.next() => match event {
                Some(Event::ChannelOpened { channel, .. }) => {
                    sent = Instant::now();
                    caller.send(channel, true, b"ping")?;
                }
                Some(Event::Message { channel, .. }) => {
                    count += 1;
                    println!("pong {count} after {:?}", sent.elapsed());
                    sent = Instant::now();
                    caller.send(channel, true, b"ping")?;
                }
                Some(_) => {}
                None => return Err("the caller's connection has ended".into()),
            },
            event = callee.next() => match event {
                Some(Event::Message { channel, data, is_text: true }) if data == b"ping" => {
                    callee.send(channel, true, b"pong")?;
                }
                Some(_) => {}
                None => return Err("the callee's connection has ended".into()),
            },
        }
    }
    caller.close();
    Ok(())
}
