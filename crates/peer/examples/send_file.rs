//! Sends a file over a data channel to another peer, or takes one. The descriptions are carried by hand.
//!
//! ```sh
//! cargo run -p ringback-peer --example send_file -- send picture.png      # prints an offer, waits for the answer
//! cargo run -p ringback-peer --example send_file -- take copy.png         # waits for the offer, prints an answer
//! ```
//!
//! On the channel: the length of the file as text, its bytes in messages of 16 KiB, and the length as text from the side that
//! has taken all of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what it does")]

mod by_hand;

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;

use by_hand::read_description;
use ringback_peer::webrtc::{Connection, Event, SendError, Settings};

/// The bytes of a message.
const PIECE: usize = 16 << 10;
/// The longest file that is taken.
const LONGEST: u64 = 100 << 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(what), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("say `send FILE` or `take FILE`".into());
    };
    let settings = Settings { has_audio: false, ..Settings::default() };
    let connection = Connection::open(settings).await?;
    match what.as_str() {
        "send" => send(connection, &path).await,
        "take" => take(connection, &path).await,
        _ => Err("say `send FILE` or `take FILE`".into()),
    }
}

async fn send(mut connection: Connection, path: &str) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(path)?;
    connection.open_channel("file");
    println!("{}", connection.offer()?);
    connection.accept(&read_description()?)?;
    let mut pieces = bytes.chunks(PIECE).peekable();
    let mut is_full = true;
    let mut open = None;
    while let Some(event) = connection.next().await {
        match event {
            Event::ChannelOpened { channel, .. } => {
                connection.send(channel, true, bytes.len().to_string().as_bytes())?;
                (open, is_full) = (Some(channel), false);
            }
            Event::Drained(_) => is_full = false,
            Event::Message { data, is_text: true, .. } if data == bytes.len().to_string().as_bytes() => {
                eprintln!("{} bytes have arrived", bytes.len());
                connection.close();
            }
            _ => {}
        }
        while let (Some(channel), Some(piece), false) = (open, pieces.peek(), is_full) {
            match connection.send(channel, false, piece) {
                Ok(()) => drop(pieces.next()),
                // It goes on when the channel is drained.
                Err(SendError::Full) => is_full = true,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

async fn take(mut connection: Connection, path: &str) -> Result<(), Box<dyn Error>> {
    let answer = connection.answer(&read_description()?)?;
    println!("{answer}");
    let mut file = File::create(path)?;
    let (mut expected, mut taken) = (None, 0);
    while let Some(event) = connection.next().await {
        let Event::Message { channel, is_text, data } = event else { continue };
        if is_text {
            let length: u64 = std::str::from_utf8(&data)?.parse()?;
            if length > LONGEST {
                return Err(format!("{length} bytes are more than {LONGEST}").into());
            }
            expected = Some(length);
        } else {
            taken += data.len() as u64;
            if expected.is_none_or(|expected| taken > expected) {
                return Err("more comes than was said".into());
            }
            file.write_all(&data)?;
        }
        if expected == Some(taken) {
            connection.send(channel, true, taken.to_string().as_bytes())?;
            eprintln!("{taken} bytes are in {path}");
        }
    }
    Ok(())
}
