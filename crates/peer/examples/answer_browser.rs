//! Answers a browser and plays a file to it.
//!
//! ```sh
//! cargo run -p ringback-peer --example answer_browser -- music.wav
//! ```
//!
//! Then open <http://127.0.0.1:8090/>, or the address that you have named after the file. The page makes an offer and posts it; the answer comes back in the response. That is all
//! the signalling there is.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use ringback_peer::audio::{Clip, read_clip};
use ringback_peer::webrtc::{Connection, Event, Settings};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a WAV or Ogg file to play")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let clip = Arc::new(read_clip(Path::new(&path))?);
    let listener = TcpListener::bind(&address).await?;
    println!("open http://{}/ in a browser", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let clip = clip.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(stream, clip).await {
                println!("{error}");
            }
        });
    }
}

/// Answers one request: with the page, or with the answer to an offer.
async fn serve(mut stream: TcpStream, clip: Arc<Clip>) -> Result<(), Box<dyn Error>> {
    let mut reader = BufReader::new(&mut stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let is_offer = line.starts_with("POST ");
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).await?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map(|length: usize| length.min(LONGEST_OFFER))?;
        }
    }
    if !is_offer {
        return reply(&mut stream, "text/html", PAGE).await;
    }
    let mut offer = vec![0; length];
    reader.read_exact(&mut offer).await?;
    let mut connection = Connection::open(Settings::default()).await?;
    let answer = connection.answer(std::str::from_utf8(&offer)?)?;
    reply(&mut stream, "application/sdp", &answer).await?;
    drop(stream);
    play(connection, clip).await;
    Ok(())
}

/// Plays the clip until the page is closed.
async fn play(mut connection: Connection, clip: Arc<Clip>) {
    while let Some(event) = connection.next().await {
        match event {
            Event::Connected => {
                println!("connected; playing");
                if let Some(audio) = connection.audio() {
                    audio.play(Instant::now(), clip.clone(), None);
                }
            }
            // The page does not come back by itself.
            Event::Disconnected => connection.close(),
            _ => {}
        }
    }
    println!("the page is gone");
}

async fn reply(stream: &mut TcpStream, kind: &str, body: &str) -> Result<(), Box<dyn Error>> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

const LONGEST_OFFER: usize = 64 * 1024;

const PAGE: &str = r#"<!doctype html>
<title>A peer in Rust</title>
<button id="start">Listen</button> <span id="state"></span>
<script>
document.querySelector('#start').onclick = async () => {
  const connection = new RTCPeerConnection();
  const state = document.querySelector('#state');
  connection.onconnectionstatechange = () => (state.textContent = connection.connectionState);
  connection.ontrack = ({ streams, track }) => {
    const audio = new Audio();
    audio.srcObject = streams[0] ?? new MediaStream([track]);
    audio.play();
  };
  connection.addTransceiver('audio');
  await connection.setLocalDescription();
  while (connection.iceGatheringState !== 'complete')
    await new Promise((resolve) => (connection.onicegatheringstatechange = resolve));
  const response = await fetch('/offer', { method: 'POST', body: connection.localDescription.sdp });
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
};
</script>
"#;
