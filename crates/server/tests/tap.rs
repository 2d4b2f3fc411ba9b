//! `ringback tap` over real sockets: what passes between two WebSockets, and what becomes of it towards UDP and TCP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bytes::Bytes;
use ringback_sip::framing::{Frame as StreamFrame, StreamFramer};
use ringback_sip::message::{Builder, Message, Name};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{
    ClientRequestBuilder, Error, Message as Frame, WebSocket, accept_hdr, client,
};

/// How long anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tap that runs; it is killed when it is dropped.
struct Tap {
    child: Child,
    at: SocketAddr,
    lines: Receiver<String>,
}

impl Tap {
    /// Starts one that leads to `to`.
    fn start(to: &str, more: &[&str]) -> Tap {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringback"))
            .args(["tap", "--listen", "127.0.0.1:0", "--to", to])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        // From here on it is killed whatever happens.
        let mut tap = Tap { child, at: SocketAddr::from(([0; 4], 0)), lines };
        let first = tap.line("://");
        let (_, rest) = first.split_once("://").unwrap();
        tap.at = rest.split(' ').next().unwrap().parse().unwrap();
        tap.line("ready");
        tap
    }

    /// Waits for a line of the ladder that contains `text`.
    fn line(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line with {text}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// A page's WebSocket.
    fn connect(&self) -> Result<Browser, Box<Error>> {
        connect(self.at)
    }

    /// Ends it as a user does.
    fn end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Browser = WebSocket<TcpStream>;

/// A page's WebSocket to the tap at an address.
fn connect(at: SocketAddr) -> Result<Browser, Box<Error>> {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = ClientRequestBuilder::new(format!("ws://{}/own?x=y", at).parse().unwrap())
        .with_sub_protocol("sip")
        .with_header("Origin", "http://page.example")
        .with_header("Cookie", "a=b");
    match client(request, stream) {
        Ok((socket, response)) => {
            assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
            Ok(socket)
        }
        Err(tokio_tungstenite::tungstenite::HandshakeError::Failure(error)) => Err(Box::new(error)),
        Err(error) => panic!("{error}"),
    }
}

/// What a WebSocket server saw in an opening handshake.
struct Opening {
    path: String,
    headers: Vec<(String, String)>,
}

impl Opening {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A WebSocket server of SIP that takes one connection.
#[expect(clippy::result_large_err, reason = "the WebSocket crate says how its callback fails")]
fn accept(listener: &TcpListener) -> (WebSocket<TcpStream>, Opening) {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut opening = Opening { path: String::new(), headers: Vec::new() };
    let socket = accept_hdr(stream, |request: &Request, mut response: Response| {
        opening.path = request.uri().to_string();
        let headers = request.headers().iter();
        opening.headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        response.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        Ok(response)
    })
    .unwrap();
    (socket, opening)
}

/// A tap, a browser on one side and a server on the other.
fn pair(path: &str, more: &[&str]) -> (Tap, Browser, WebSocket<TcpStream>, Opening) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tap = Tap::start(&format!("ws://{}{path}", listener.local_addr().unwrap()), more);
    let (browser, (server, opening)) = std::thread::scope(|scope| {
        let server = scope.spawn(|| accept(&listener));
        (tap.connect().unwrap(), server.join().unwrap())
    });
    (tap, browser, server, opening)
}

fn request(method: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\n\
         CSeq: 1 {method}\r\nContact: <sip:ab12@x.invalid;transport=ws>\r\nContent-Length: 0\r\n\r\n"
    )
}

fn parse(bytes: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(bytes)).unwrap()
}

#[test]
fn what_passes_between_two_web_sockets_is_what_came() {
    let (tap, mut browser, mut server, opening) = pair("", &[]);
    assert_eq!(opening.path, "/own?x=y", "without a path of its own, that of the browser");
    assert_eq!(opening.header("sec-websocket-protocol"), Some("sip"));
    assert_eq!(opening.header("origin"), Some("http://page.example"));
    assert_eq!(opening.header("cookie"), Some("a=b"));
    assert_eq!(opening.header("sec-websocket-extensions"), None);
    let binary = Frame::binary(request("INFO").replace("Max-Forwards", "max-forwards ").into_bytes());
    for frame in [Frame::text(request("OPTIONS")), binary, Frame::text("no SIP"), Frame::text("\r\n\r\n")] {
        browser.send(frame.clone()).unwrap();
        assert_eq!(server.read().unwrap(), frame);
        server.send(frame.clone()).unwrap();
        assert_eq!(browser.read().unwrap(), frame);
    }
    tap.line("opened by a page of http://page.example");
    assert!(tap.line("OPTIONS").contains("─▶│ 1 alice→bob"));
    tap.line("not SIP: no SIP");
}

#[test]
fn a_ping_is_answered_by_the_far_end_and_by_nobody_else() {
    let (_tap, mut browser, mut server, _) = pair("/ws", &[]);
    server.send(Frame::Ping("are you there".into())).unwrap();
    // The WebSocket layer of the test answers pings when it reads.
    assert_eq!(browser.read().unwrap(), Frame::Ping("are you there".into()));
    browser.flush().unwrap();
    assert_eq!(server.read().unwrap(), Frame::Pong("are you there".into()));
    // One pong, not two: what comes next is the next message.
    browser.send(Frame::text("next")).unwrap();
    assert_eq!(server.read().unwrap(), Frame::text("next"));
}

#[test]
fn a_close_code_is_passed_on_either_way() {
    let farewell = |code| CloseFrame { code: CloseCode::from(code), reason: "mine".into() };
    let (tap, mut browser, mut server, _) = pair("/ws", &[]);
    browser.close(Some(farewell(4001))).unwrap();
    assert_eq!(server.read().unwrap(), Frame::Close(Some(farewell(4001))));
    assert_eq!(browser.read().unwrap(), Frame::Close(Some(farewell(4001))));
    tap.line("the browser closed: 4001 mine");
    let (tap, mut browser, mut server, _) = pair("/ws", &[]);
    server.close(Some(farewell(1013))).unwrap();
    assert_eq!(browser.read().unwrap(), Frame::Close(Some(farewell(1013))));
    tap.line("the server closed: 1013 mine");
}

#[test]
fn who_is_gone_without_a_word_is_so_for_the_other_side_and_a_tap_that_ends_says_so() {
    let (tap, browser, mut server, _) = pair("/ws", &[]);
    drop(browser);
    assert!(server.read().is_err(), "no close frame");
    tap.line("the browser is gone without a close frame");
    let (tap, mut browser, mut server, _) = pair("/ws", &[]);
    tap.end();
    for socket in [&mut browser, &mut server] {
        let Frame::Close(Some(close)) = socket.read().unwrap() else { panic!("no close frame") };
        assert_eq!(close.code, CloseCode::Away);
    }
}

#[test]
fn host_and_origin_are_what_the_user_says() {
    let more = ["--host", "pbx.example.com", "--origin", "https://phone.example.com"];
    let (_tap, _browser, _server, opening) = pair("/a?b", &more);
    assert_eq!(opening.path, "/a?b");
    assert_eq!(opening.header("host"), Some("pbx.example.com"));
    assert_eq!(opening.header("origin"), Some("https://phone.example.com"));
}

#[test]
fn a_server_that_is_not_there_or_refuses_is_a_status_of_the_handshake() {
    let status = |tap: &Tap| match *tap.connect().unwrap_err() {
        Error::Http(response) => response.status().as_u16(),
        error => panic!("{error}"),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tap = Tap::start(&format!("ws://{}/", listener.local_addr().unwrap()), &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        assert_eq!(status(&tap), 403);
    });
    drop(listener);
    assert_eq!(status(&tap), 502);
    tap.line("cannot be reached");
    // A browser without the sub-protocol is told so.
    let mut stream = TcpStream::connect(tap.at).unwrap();
    let head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_rule_answers_and_the_server_hears_nothing() {
    let rules = ["--rule", "answer INVITE from browser with 486", "--rule", "duplicate BYE"];
    let (tap, mut browser, mut server, _) = pair("/ws", &rules);
    browser.send(Frame::text(request("INVITE"))).unwrap();
    let answer = parse(&browser.read().unwrap().into_data());
    assert_eq!((answer.status(), answer.method().as_str()), (Some(486), "INVITE"));
    assert!(answer.to().unwrap().tag().is_some());
    // The ACK of that answer ends here too; a BYE passes, and twice.
    browser.send(Frame::text(request("ACK").replace("z9hG4bKACK", "z9hG4bKINVITE"))).unwrap();
    browser.send(Frame::text(request("BYE"))).unwrap();
    for _ in 0..2 {
        assert_eq!(server.read().unwrap(), Frame::text(request("BYE")));
    }
    tap.line("rule 1: answer 486");
    tap.line("by the tap");
}

#[test]
fn towards_udp_the_tap_is_a_via_hop() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let tap = Tap::start(&format!("udp://{}", server.local_addr().unwrap()), &[]);
    let mut browser = tap.connect().unwrap();
    browser.send(Frame::text(request("INVITE"))).unwrap();
    let mut buffer = [0; 4096];
    let (length, hop) = server.recv_from(&mut buffer).unwrap();
    let sent = parse(&buffer[..length]);
    let vias: Vec<String> = sent.values(Name::Via).map(|via| String::from_utf8_lossy(via).into()).collect();
    assert!(vias[0].starts_with(&format!("SIP/2.0/UDP {hop};rport;branch=z9hG4bK")), "{vias:?}");
    assert_eq!(vias[1], "SIP/2.0/WS x.invalid;branch=z9hG4bKINVITE;received=127.0.0.1");
    let contact = String::from_utf8(sent.header(Name::Contact).unwrap().to_vec()).unwrap();
    assert_eq!(contact, format!("<sip:ab12@{hop};transport=udp>"));

    // Nobody answers, so it is sent again; the answer ends that.
    let (length, _) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(parse(&buffer[..length]), sent);
    server.send_to(Builder::reply(&sent, 180).finish().bytes(), hop).unwrap();
    let got = parse(&browser.read().unwrap().into_data());
    assert_eq!((got.status(), got.values(Name::Via).count()), (Some(180), 1));

    // A request to that Contact finds the browser, once; what the browser answers finds the server, each time.
    let bye = request("BYE").replace("sip:bob@example.com SIP", &format!("sip:ab12@{hop};transport=udp SIP"));
    let bye = bye.replace("WS x.invalid", &format!("UDP {}", server.local_addr().unwrap()));
    server.send_to(bye.as_bytes(), hop).unwrap();
    server.send_to(bye.as_bytes(), hop).unwrap();
    let got = parse(&browser.read().unwrap().into_data());
    assert_eq!(got.request_uri(), b"sip:ab12@x.invalid;transport=ws");
    browser
        .send(Frame::text(String::from_utf8(Builder::reply(&got, 200).finish().bytes().to_vec()).unwrap()))
        .unwrap();
    let (length, _) = server.recv_from(&mut buffer).unwrap();
    let answer = parse(&buffer[..length]);
    assert_eq!((answer.status(), answer.values(Name::Via).count()), (Some(200), 1));
    server.send_to(bye.as_bytes(), hop).unwrap();
    let (length, _) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(parse(&buffer[..length]), answer);
    tap.line("a repetition, answered as before");

    // A ping ends here, and so does a keep-alive.
    browser.send(Frame::Ping("x".into())).unwrap();
    assert_eq!(browser.read().unwrap(), Frame::Pong("x".into()));
    browser.send(Frame::text("\r\n\r\n")).unwrap();
    assert_eq!(browser.read().unwrap(), Frame::text("\r\n"));
}

#[test]
fn towards_tcp_messages_are_cut_by_their_length_and_the_end_of_the_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tap = Tap::start(&format!("tcp://{}", listener.local_addr().unwrap()), &[]);
    let mut browser = tap.connect().unwrap();
    let (mut server, hop) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    browser.send(Frame::text(request("OPTIONS"))).unwrap();
    let mut framer = StreamFramer::new();
    let sent = loop {
        let mut buffer = [0; 4096];
        let read = server.read(&mut buffer).unwrap();
        framer.push(&buffer[..read]).unwrap();
        if let Some(StreamFrame::Message(bytes)) = framer.next() {
            break parse(&bytes);
        }
    };
    assert!(sent.via().unwrap().raw.starts_with(format!("SIP/2.0/TCP {hop};").as_bytes()));
    assert!(sent.header(Name::Contact).unwrap().ends_with(b";transport=tcp>"));
    // Two answers in three pieces, a ping between them.
    let answer = |status| Builder::reply(&sent, status).finish().bytes().to_vec();
    let stream = [&answer(100)[..], b"\r\n\r\n", &answer(200)].concat();
    for piece in stream.chunks(stream.len() / 3 + 1) {
        server.write_all(piece).unwrap();
        server.flush().unwrap();
    }
    for status in [100, 200] {
        assert_eq!(parse(&browser.read().unwrap().into_data()).status(), Some(status));
    }
    let mut pong = [0; 2];
    server.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
    drop(server);
    let Frame::Close(Some(close)) = browser.read().unwrap() else { panic!("no close frame") };
    assert_eq!(close.code, CloseCode::Away);
}

/// A certificate for 127.0.0.1, which is its own authority, with its key, in files.
fn certificate(folder: &Path) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tap.pem"), folder.join("tap.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    (certificate.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

#[test]
fn over_wss_the_server_is_verified_unless_the_user_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("ws://{}/ws", listener.local_addr().unwrap());
    // The second tap takes wss, so it is a server of wss to the first one.
    let second = Tap::start(&to, &["--certificate", &certificate, "--key", &key]);
    let to = format!("wss://{}/ws", second.at);
    let first = Tap::start(&to, &[]);
    assert!(matches!(*first.connect().unwrap_err(), Error::Http(response) if response.status() == 502));
    first.line("TLS handshake with wss://");
    for more in [&["--ca", &certificate][..], &["--insecure"]] {
        let first = Tap::start(&to, more);
        let (mut browser, (mut server, _)) = std::thread::scope(|scope| {
            let server = scope.spawn(|| accept(&listener));
            (first.connect().unwrap(), server.join().unwrap())
        });
        browser.send(Frame::text(request("OPTIONS"))).unwrap();
        assert_eq!(server.read().unwrap(), Frame::text(request("OPTIONS")));
    }
    assert!(refusal(&["--to", &to, "--ca", &key], 2).contains("no certificate in PEM"));
}

#[test]
fn towards_tls_the_tap_is_a_via_hop_too() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = certificate(folder.path());
    let chain = CertificateDer::pem_file_iter(&certificate).unwrap().map(Result::unwrap).collect();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tls://{}", listener.local_addr().unwrap());
    let tap = Tap::start(&to, &["--ca", &certificate]);
    let at = tap.at;
    std::thread::scope(|scope| {
        let browser = scope.spawn(move || {
            let mut browser = connect(at).unwrap();
            browser.send(Frame::text(request("OPTIONS"))).unwrap();
            parse(&browser.read().unwrap().into_data())
        });
        let (stream, hop) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut server = rustls::StreamOwned::new(tls, stream);
        let mut buffer = [0; 4096];
        let read = server.read(&mut buffer).unwrap();
        let sent = parse(&buffer[..read]);
        assert!(sent.via().unwrap().raw.starts_with(format!("SIP/2.0/TLS {hop};").as_bytes()));
        assert!(sent.header(Name::Contact).unwrap().ends_with(b";transport=tls>"));
        server.write_all(Builder::reply(&sent, 200).finish().bytes()).unwrap();
        assert_eq!(browser.join().unwrap().status(), Some(200));
    });
}

/// The one sentence with which a tap does not start.
fn refusal(arguments: &[&str], code: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ringback")).arg("tap").args(arguments).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let [sentence] = text.lines().collect::<Vec<_>>()[..] else { panic!("one sentence: {text}") };
    sentence.strip_prefix("ringback: ").unwrap().to_owned()
}

#[test]
fn what_is_typed_wrongly_is_one_sentence_with_code_2() {
    let to = ["--to", "ws://127.0.0.1:1/"];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.txt");
    std::fs::write(&file, "# mine\ndrop 180 from server\ndrip BYE\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        refusal(&[&to[..], &["--rules", file]].concat(), 2),
        format!(
            "`{file}`, line 3: `drip` is no action; write drop, delay, duplicate, answer, set, remove or replace"
        )
    );
    assert_eq!(
        refusal(&[&to[..], &["--rule", "drop bye"]].concat(), 2),
        "--rule: `bye` is no kind of message; write a method such as INVITE, a code such as 180 or 4xx, requests, \
         responses or everything"
    );
    assert!(refusal(&["--to", "http://x/"], 2).contains("does not begin with ws://"));
    assert!(refusal(&[&to[..], &["--save", "x.doc"]].concat(), 2).contains(".pcap, .hep or .txt"));
    assert!(refusal(&[&to[..], &["--origin", "a\u{1}b"]].concat(), 2).contains("cannot stand in a header"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    assert!(refusal(&[&to[..], &["--listen", &at]].concat(), 1).contains("--listen ADDRESS:PORT"));
}
