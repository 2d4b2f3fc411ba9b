//! `ringback ng`: the engine alone, by its command line, its sockets and its signals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::f32::consts::TAU;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringback_media::codec::Law;
use ringback_media::file::wav;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// `ringback ng` on free ports of loopback.
fn ng(more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
    command.args([
        "ng",
        "--listen",
        "127.0.0.1:0",
        "--webrtc",
        "127.0.0.1:0",
        "--interface",
        "main/127.0.0.1",
    ]);
    command.args(more).args(["--set", "log.level=error"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// One that runs; it is killed when it is dropped.
struct Engine {
    process: Child,
    at: SocketAddr,
    announcement: String,
    socket: UdpSocket,
    asked: u32,
}

impl Engine {
    fn start(more: &[&str]) -> Engine {
        let mut process = ng(more).stderr(Stdio::null()).spawn().unwrap();
        let mut announcement = String::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let is_ready = line == "ready";
            announcement += &(line + "\n");
            if is_ready {
                break;
            }
        }
        let at = announcement.lines().find_map(|line| line.trim().strip_prefix("ng ")).expect(&announcement);
        let at = at.split_whitespace().next().unwrap().parse().unwrap();
        Engine { process, at, announcement, socket: listener(), asked: 0 }
    }

    fn ask(&mut self, question: &Value) -> Value {
        self.asked += 1;
        let cookie = format!("{} ", self.asked);
        self.socket.send_to(format!("{cookie}{question}").as_bytes(), self.at).unwrap();
        let answer = received(&self.socket);
        serde_json::from_slice(answer.strip_prefix(cookie.as_bytes()).unwrap()).unwrap()
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn listener() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let len = socket.recv(&mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn sdp(socket: &UdpSocket) -> String {
    let port = socket.local_addr().unwrap().port();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
    )
}

/// The port of the audio in the SDP of an answer.
fn port(answer: &Value) -> SocketAddr {
    let sdp = answer["sdp"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let media = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    SocketAddr::new([127, 0, 0, 1].into(), media.split(' ').next().unwrap().parse().unwrap())
}

fn rtp(sequence: u8, ssrc: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 8, 0, sequence, 0, 0, 0, sequence, 0, 0, 0, ssrc];
    packet.extend([ssrc; 160]);
    packet
}

#[test]
fn it_carries_rtp_between_two_telephones_and_drains() {
    let mut engine = Engine::start(&[]);
    assert!(engine.announcement.contains("interface main  127.0.0.1"), "{}", engine.announcement);
    assert_eq!(engine.ask(&json!({"command": "ping"}))["result"], "pong");

    let (alice, bob) = (listener(), listener());
    let offered =
        engine.ask(&json!({"command": "offer", "call-id": "c", "from-tag": "a", "sdp": sdp(&alice)}));
    let answered = engine
        .ask(&json!({"command": "answer", "call-id": "c", "from-tag": "a", "to-tag": "b", "sdp": sdp(&bob)}));
    let (to_bob, to_alice) = (port(&offered), port(&answered));
    // The media worker answers this one after it has heard what was agreed.
    assert_eq!(engine.ask(&json!({"command": "query", "call-id": "c"}))["totals"]["RTP"]["packets"], 0);
    for number in 0..10 {
        alice.send_to(&rtp(number, 1), to_alice).unwrap();
        bob.send_to(&rtp(number, 2), to_bob).unwrap();
        assert_eq!(received(&bob)[12..], [1; 160]);
        assert_eq!(received(&alice)[12..], [2; 160]);
    }
    let told = engine.ask(&json!({"command": "query", "call-id": "c"}));
    for tag in ["a", "b"] {
        let stream = &told["tags"][tag]["medias"][0]["streams"][0];
        let counts =
            (&stream["stats"]["packets"], &stream["stats"]["bytes"], &stream["stats_out"]["packets"]);
        assert_eq!(counts, (&json!(10), &json!(1_720), &json!(10)), "{stream}");
    }
    assert_eq!(told["totals"]["RTP"]["packets"], 20);

    engine.terminate();
    // It may take a moment to hear of it; from then on there are no new calls, and this one goes on.
    let refused = loop {
        let offer = json!({"command": "offer", "call-id": "d", "from-tag": "a", "sdp": sdp(&alice)});
        let answer = engine.ask(&offer);
        if answer["result"] == "error" {
            break answer;
        }
        engine.ask(&json!({"command": "delete", "call-id": "d", "delete-delay": 0}));
    };
    assert!(refused["error-reason"].as_str().unwrap().contains("is stopping"), "{refused}");
    alice.send_to(&rtp(10, 1), to_alice).unwrap();
    assert_eq!(received(&bob)[12..], [1; 160]);
    assert_eq!(engine.ask(&json!({"command": "delete", "call-id": "c"}))["result"], "ok");
    assert!(engine.process.wait().unwrap().success());
}

const RATE: u32 = 8_000;

fn sample(number: u32, hertz: f32, rate: u32) -> i16 {
    ((number as f32 * hertz / rate as f32 * TAU).sin() * 8_000.0) as i16
}

/// A packet of A-law in which a tone goes on.
fn tone(number: u16, hertz: f32) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 160).to_be_bytes());
    packet.extend([0, 0, 0, hertz as u8]);
    packet.extend((0..160).map(|n| Law::A.compress(sample(u32::from(number) * 160 + n, hertz, RATE))));
    packet
}

/// The part of the power of these samples that a tone has.
fn share(samples: &[i16], hertz: f32, rate: u32) -> f32 {
    let (mut re, mut im, mut total) = (0.0, 0.0, 1.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sample, angle) = (f32::from(*sample), n as f32 * hertz / rate as f32 * TAU);
        re += sample * angle.cos();
        im += sample * angle.sin();
        total += sample * sample;
    }
    2.0 * (re * re + im * im) / (samples.len() as f32 * total)
}

/// A telephone that says a tone every 20 ms and keeps what it hears.
struct Telephone {
    socket: UdpSocket,
    to: SocketAddr,
    hertz: f32,
    said: u16,
}

impl Telephone {
    fn new(socket: UdpSocket, to: SocketAddr, hertz: f32) -> Self {
        Telephone { socket, to, hertz, said: 0 }
    }

    fn say(&mut self) {
        self.socket.send_to(&tone(self.said, self.hertz), self.to).unwrap();
        self.said += 1;
    }

    /// What has come.
    fn hear(&self) -> Vec<i16> {
        self.socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2_048];
        let mut heard = Vec::new();
        while let Ok(len) = self.socket.recv(&mut buffer) {
            heard.extend(buffer[12..len].iter().map(|byte| Law::A.expand(*byte)));
        }
        heard
    }
}

/// Both talk for so many packets; what each has heard.
fn talk(telephones: &mut [Telephone; 2], packets: usize) -> [Vec<i16>; 2] {
    telephones.iter().for_each(|telephone| drop(telephone.hear()));
    let mut heard = [Vec::new(), Vec::new()];
    for _ in 0..packets {
        telephones.iter_mut().for_each(Telephone::say);
        std::thread::sleep(Duration::from_millis(20));
        for (heard, telephone) in heard.iter_mut().zip(telephones.iter()) {
            heard.extend(telephone.hear());
        }
    }
    heard
}

/// Both talk until one of them hears nothing but a tone.
fn talk_until(telephones: &mut [Telephone; 2], listener: usize, hertz: &[f32]) {
    let mut shares = Vec::new();
    for _ in 0..200 {
        let heard = talk(telephones, 10);
        shares.push(hertz.iter().map(|hertz| share(&heard[listener], *hertz, RATE)).sum());
        if shares.last().is_some_and(|share: &f32| *share > 0.95) {
            return;
        }
    }
    panic!("{hertz:?} is not heard: {shares:?}");
}

#[test]
fn a_proxy_has_a_call_recorded_and_files_and_keys_played_to_it() {
    const ALICE: usize = 0;
    const BOB: usize = 1;
    let directory = tempfile::tempdir().unwrap();
    let sounds = directory.path().join("sounds");
    fs::create_dir(&sounds).unwrap();
    let samples: Vec<i16> = (0..32_000).map(|n| sample(n, 600.0, 16_000)).collect();
    let mut file = wav::header(1, 16_000, 2 * samples.len() as u64).to_vec();
    wav::write(&samples, &mut file);
    fs::write(sounds.join("welcome.wav"), file).unwrap();
    let data_dir = format!("data_dir={:?}", directory.path());
    let mut engine = Engine::start(&["--set", &data_dir]);

    let (alice, bob) = (listener(), listener());
    let offer = json!({"command": "offer", "call-id": "c", "from-tag": "a", "sdp": sdp(&alice),
        "record-call": "on", "metadata": "order 7"});
    let offered = engine.ask(&offer);
    let began = Instant::now();
    let answered = engine
        .ask(&json!({"command": "answer", "call-id": "c", "from-tag": "a", "to-tag": "b", "sdp": sdp(&bob)}));
    let names = answered["recordings"].as_array().unwrap_or_else(|| panic!("{answered}")).clone();
    let mut both =
        [Telephone::new(alice, port(&answered), 440.0), Telephone::new(bob, port(&offered), 1_000.0)];
    talk_until(&mut both, ALICE, &[1_000.0]);
    talk_until(&mut both, BOB, &[440.0]);
    talk(&mut both, 100);

    // Files are read by a thread of their own.
    let play = json!({"command": "play media", "call-id": "c", "from-tag": "b", "file": "/prompts/welcome.wav",
        "repeat-times": 100});
    let played = (0..500).map(|_| engine.ask(&play)).find(|answer| {
        std::thread::sleep(Duration::from_millis(10));
        answer["result"] == "ok"
    });
    assert_eq!(played.unwrap()["duration"], 2_000);
    talk_until(&mut both, BOB, &[600.0]);
    let [by_alice, _] = talk(&mut both, 50);
    assert!(share(&by_alice, 1_000.0, RATE) > 0.9, "Alice does not hear the file");
    let stop = json!({"command": "stop media", "call-id": "c", "from-tag": "b"});
    assert_eq!(engine.ask(&stop)["result"], "ok");
    talk_until(&mut both, BOB, &[440.0]);

    // Neither has telephone events: a key is a tone.
    let press =
        json!({"command": "play DTMF", "call-id": "c", "from-tag": "a", "code": "#", "duration": 5_000});
    assert_eq!(engine.ask(&press)["result"], "ok");
    talk_until(&mut both, BOB, &[941.0, 1_477.0]);
    talk_until(&mut both, BOB, &[440.0]);

    // Who is silenced is heard as silence, packet by packet.
    for command in ["silence media", "unsilence media"] {
        assert_eq!(engine.ask(&json!({"command": command, "call-id": "c", "from-tag": "a"}))["result"], "ok");
        talk(&mut both, 10);
        let [by_alice, by_bob] = talk(&mut both, 20);
        let is_silent = by_bob.iter().all(|sample| sample.abs() <= 16);
        assert!(by_bob.len() > 10 * 160 && is_silent == (command == "silence media"), "{command}");
        assert!(share(&by_alice, 1_000.0, RATE) > 0.9, "the other one is heard");
    }

    let deleted = engine.ask(&json!({"command": "delete", "call-id": "c"}));
    let lasted = began.elapsed();
    assert_eq!(deleted["recordings"], json!(names));
    engine.terminate();
    assert!(engine.process.wait().unwrap().success());
    let path = directory.path().join("recordings").join(names[0].as_str().unwrap());
    let file = fs::read(&path).unwrap();
    let samples: Vec<i16> =
        file[wav::HEADER_LEN..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    // What the two have said all the time, and nothing of what was played to them.
    let (said, longest) = (usize::from(both[ALICE].said) * 320, lasted.as_secs_f32() * 16_000.0);
    assert!((said / 2..=longest as usize + 16_000).contains(&samples.len()), "{} samples", samples.len());
    let middle = &samples[16_000..samples.len() - 16_000];
    // A jitter buffer shifts the phase now and then.
    let pieces = || middle.chunks_exact(1_600);
    let mean = |hertz| pieces().map(|piece| share(piece, hertz, 16_000)).sum::<f32>() / pieces().len() as f32;
    let [of_alice, of_bob, of_file] = [440.0, 1_000.0, 600.0].map(mean);
    assert!(of_alice > 0.3 && of_bob > 0.3 && of_file < 0.02, "{of_alice} {of_bob} {of_file}");
    let note = fs::read_to_string(path.with_extension("txt")).unwrap();
    assert_eq!(note, "call-id: c\nmetadata: order 7\n");
}

/// Two engines in a row, which protect what goes between them: a far end of each is the other.
#[test]
fn keys_are_agreed_on_without_ice() {
    for (transport, more, expected) in [
        ("RTP/SAVP", json!({}), "AEAD_AES_256_GCM"),
        ("RTP/SAVP", json!({"SDES": ["only-AES_CM_128_HMAC_SHA1_80"]}), "AES_CM_128_HMAC_SHA1_80"),
        ("RTP/AVP", json!({"OSRTP": ["offer"]}), "AEAD_AES_256_GCM"),
        ("UDP/TLS/RTP/SAVPF", json!({"ICE": "remove"}), "AEAD_AES_256_GCM"),
    ] {
        let (mut near, mut far) = (Engine::start(&[]), Engine::start(&[]));
        let (alice, bob) = (listener(), listener());
        let exchange = |engine: &mut Engine, command: &str, sdp: &Value, more: &Value| {
            let mut question = json!({"command": command, "call-id": "c", "from-tag": "a", "sdp": sdp});
            let question_of = question.as_object_mut().unwrap();
            question_of.extend(more.as_object().unwrap().clone());
            if command == "answer" {
                question_of.insert("to-tag".to_owned(), json!("b"));
            }
            let answer = engine.ask(&question);
            assert_eq!(answer["result"], "ok", "{transport}: {answer}");
            answer
        };
        let mut protected = more;
        protected["transport-protocol"] = json!(transport);
        let plain = json!({"transport-protocol": "RTP/AVP"});
        let between = exchange(&mut near, "offer", &json!(sdp(&alice)), &protected);
        let offered = exchange(&mut far, "offer", &between["sdp"], &plain);
        let answered = exchange(&mut far, "answer", &json!(sdp(&bob)), &json!({}));
        let answered = exchange(&mut near, "answer", &answered["sdp"], &json!({}));
        // A handshake takes a moment, and nothing flows before it.
        let is_heard = |from: &UdpSocket, to: SocketAddr, at: &UdpSocket, ssrc: u8| {
            at.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let mut buffer = [0; 2_048];
            (0..200).any(|number| {
                from.send_to(&rtp(number, ssrc), to).unwrap();
                at.recv(&mut buffer).is_ok_and(|len| buffer[12..len] == [ssrc; 160])
            })
        };
        assert!(is_heard(&alice, port(&answered), &bob, 1), "{transport}: Bob hears nothing");
        assert!(is_heard(&bob, port(&offered), &alice, 2), "{transport}: Alice hears nothing");
        let told = near.ask(&json!({"command": "query", "call-id": "c"}));
        assert_eq!(told["tags"]["b"]["medias"][0]["streams"][0]["crypto suite"], expected, "{told}");
    }
}

#[test]
fn what_is_wrong_with_its_command_line_is_one_sentence() {
    // Where TURN relays by default, which an engine that stands alone does not have.
    let taken = (40_000..50_000).find_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).unwrap();
    let at = taken.local_addr().unwrap().to_string();
    for (more, code, expected) in [
        (&["--interface", "pub/eth0"][..], 2, "`pub/eth0` is not an interface; write it as"),
        (&["--listen", "localhost"], 2, "`localhost` is not an IP address with a port"),
        (&["--rtp-ports", "5"], 2, "`5` is not a range"),
        (&["--listen", &at], 1, "is in use by another program"),
    ] {
        let output = ng(more).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.lines().count() == 1 && text.contains(expected), "{text}");
    }
}
