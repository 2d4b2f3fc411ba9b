//! Fuzz target of this crate: a plain function that must return for every input.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringback_sansio::Flow;

use crate::phone::{Login, Phone, Settings};
use crate::rooms::{FileEvent, Files, Numbers};
use crate::rtp::{Protection, RtpSession};

/// Reads `data` as a script: each piece goes to a phone, to a session of RTP or to the files of a room, and time passes in
/// between. Pieces end with a zero byte; the first byte of a piece says whose it is.
///
/// `now` is any instant: nothing here depends on it.
pub fn peer(data: &[u8], mut now: Instant) {
    let address = |last| SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 5060));
    let mut phone = Phone::new(settings(), Flow::datagram(address(1), address(2)), 1);
    let host = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let mut session = RtpSession::new(address(1), host, Protection::Sdes, 1);
    let mut files = Files::new(1 << 20, Numbers::Even);
    for piece in data.split(|byte| *byte == 0).take(MOST_PIECES) {
        let Some((kind, rest)) = piece.split_first() else { continue };
        match kind {
            b'r' => phone.register(now),
            b'c' => drop(phone.call(now, "sip:bob@example.com", Bytes::from_static(b"offer"))),
            b'a' => phone.answer(now, Bytes::from_static(b"answer")),
            b'h' => phone.hang_up(now),
            b'm' => phone.handle_message(now, Bytes::copy_from_slice(rest)),
            b'o' => drop(session.offer()),
            // What is refused is as good as what is taken.
            b's' => drop(session.accept(now, rest)),
            b'q' => drop(session.answer(now, rest)),
            b'p' => session.handle_datagram(now, address(2), &mut rest.to_vec()),
            b't' => files.handle_text(rest),
            b'b' => files.handle_bytes(rest.to_vec()),
            b'f' => drop(files.offer(now, &String::from_utf8_lossy(rest), rest.len() as u64)),
            _ => now += Duration::from_millis(u64::from(*kind) * 100),
        }
        phone.handle_timeout(now);
        session.handle_timeout(now);
        files.handle_timeout(now);
        drain(&mut phone, &mut session, &mut files);
    }
}

fn drain(phone: &mut Phone, session: &mut RtpSession, files: &mut Files) {
    while phone.poll_transmit().is_some() {}
    while phone.poll_event().is_some() {}
    while session.poll_transmit().is_some() {}
    while let Some(audio) = session.audio()
        && audio.poll_heard().is_some()
    {}
    while let Some(event) = files.poll_event() {
        match event {
            FileEvent::Offered { id, size, .. } => {
                assert!(size <= 1 << 20, "what is too long is refused");
                files.accept(id);
            }
            FileEvent::Bytes { id, data } => files.taken(id, data.len() as u64),
            _ => {}
        }
    }
    let mut sent = 0;
    while let Some((id, _, len)) = files.wanted(0) {
        files.supply(id, &vec![0; len]);
        while files.poll_send().is_some() {}
        sent += len;
        assert!(sent <= 9 << 20, "nobody is sent more than was offered");
    }
    while files.poll_send().is_some() {}
}

fn settings() -> Settings {
    let login = Login { user: "alice".into(), password: "secret".into(), realm: None };
    Settings {
        user: "alice".into(),
        domain: "example.com".into(),
        login: Some(login),
        expires: Duration::from_secs(60),
        product: "fuzz".into(),
    }
}

const MOST_PIECES: usize = 200;
