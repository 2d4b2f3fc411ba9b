//! A connection that goes on asking beyond what a stranger may ask is closed, over TCP and WebSocket; one of a user
//! never.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringback_sip::digest::{Login, Purpose, answer};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(30);

/// Far more than may be asked at once, and than is earned back while they are sent.
const MANY: usize = 20_000;

/// A server that runs; it is killed when it is dropped.
struct Server {
    child: Child,
    data: TempDir,
    sip: SocketAddr,
    http: SocketAddr,
}

impl Server {
    fn start() -> Server {
        let data = tempfile::tempdir().unwrap();
        let directory = data.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringback"));
        command.arg("serve").arg("--data-dir").arg(&directory).args(["--set", "log.level=error"]);
        for listener in ["http", "https", "sip_udp", "sip_tcp", "sip_tls", "webrtc", "turn", "turn_tls"] {
            command.args(["--set", &format!("listen.{listener}=127.0.0.1:0")]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let (mut sip, mut http) = (None, None);
        for line in lines.by_ref().take_while(|line| line != "ready") {
            if let Some(address) = line.trim().strip_prefix("SIP TCP") {
                sip = Some(address.trim().parse().unwrap());
            }
            if let Some((_, rest)) = line.split_once("http://") {
                http = Some(rest.split('/').next().unwrap().parse().unwrap());
            }
        }
        thread::spawn(move || lines.for_each(drop));
        Server { child, data, sip: sip.expect("a SIP address"), http: http.expect("an HTTP address") }
    }

    /// How many connections have ended for what they asked.
    fn closed(&self) -> u64 {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let line = text.lines().find(|line| {
            line.starts_with("ringback_connections_ended_total") && line.contains("\"over_budget\"")
        });
        line.expect("the counter").rsplit(' ').next().unwrap().parse().unwrap()
    }

    fn await_closed(&self, count: u64) {
        let until = Instant::now() + WITHIN;
        while self.closed() != count {
            assert!(Instant::now() < until, "{} connections were closed", self.closed());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The first password of the user.
    fn password(&self, user: &str) -> String {
        let text = fs::read_to_string(self.data.path().join("data/demo-users")).unwrap();
        let line = text.lines().find(|line| line.starts_with(user)).expect("the user");
        line.split_whitespace().last().unwrap().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection from that address of this machine.
fn connect(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::from(from), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream.set_write_timeout(Some(WITHIN)).unwrap();
    stream
}

fn request(method: &str, number: usize, more: &str) -> String {
    format!(
        "{method} sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:alice@127.0.0.1>\r\n\
         Call-ID: {number}\r\nCSeq: {number} {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The next answer.
fn read_answer(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the server closed the connection: {head}");
    }
    head
}

/// Asks until there is an answer: the budget of the source fills up with time.
fn await_answer(stream: &mut BufReader<TcpStream>) {
    stream.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let until = Instant::now() + WITHIN;
    for number in 2.. {
        assert!(Instant::now() < until, "no request is answered");
        stream.get_mut().write_all(request("OPTIONS", number, "").as_bytes()).unwrap();
        let mut line = String::new();
        if stream.read_line(&mut line).is_ok() {
            assert!(line.starts_with("SIP/2.0 200"), "{line}");
            return;
        }
    }
}

/// Sends many requests while it reads what comes back; gives all that came when the server has closed the connection.
fn flood(mut stream: TcpStream, requests: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Vec<u8> {
    let mut reading = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        for request in requests {
            // The server closes in the middle of it.
            if stream.write_all(&request).is_err() {
                return;
            }
        }
    });
    let (mut come, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = reading.read(&mut buffer) {
        come.extend_from_slice(&buffer[..read]);
    }
    sender.join().unwrap();
    come
}

#[test]
fn a_connection_that_stays_over_its_budget_is_closed_and_that_of_a_user_never() {
    let server = Server::start();

    // One that means well shares the source, and the budget.
    let mut bystander = BufReader::new(connect([127, 0, 0, 3], server.sip));
    bystander.get_mut().write_all(request("OPTIONS", 1, "").as_bytes()).unwrap();
    assert!(read_answer(&mut bystander).starts_with("SIP/2.0 200"));
    let options = (1..=MANY).map(|number| request("OPTIONS", number, "").into_bytes());
    let come = flood(connect([127, 0, 0, 3], server.sip), options);
    let answers = String::from_utf8_lossy(&come).matches("SIP/2.0 200").count();
    assert!(answers < MANY / 2, "{answers} were answered");
    server.await_closed(1);
    await_answer(&mut bystander);

    // Bytes of a WebSocket: masked text frames behind the handshake.
    let stream = connect([127, 0, 0, 4], server.http);
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n",
        server.http
    );
    (&stream).write_all(handshake.as_bytes()).unwrap();
    let frames = (1..=MANY).map(|number| {
        let payload = request("OPTIONS", number, "").replace("SIP/2.0/TCP", "SIP/2.0/WS").into_bytes();
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[0x81, 0x80 | 126, length[0], length[1], 0, 0, 0, 0], &payload[..]].concat()
    });
    let come = flood(stream, frames);
    assert!(come.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&come[..200.min(come.len())]));
    let words = b"more was asked than a stranger may ask";
    assert!(come.windows(words.len()).any(|window| window == words), "a client is told why");
    server.await_closed(2);

    // A user may ask as much as there is time for.
    let mut phone = BufReader::new(connect([127, 0, 0, 5], server.sip));
    let contact = "Contact: <sip:alice@127.0.0.5;transport=tcp>\r\n";
    phone.get_mut().write_all(request("REGISTER", 1, contact).as_bytes()).unwrap();
    let challenge = read_answer(&mut phone);
    let value =
        challenge.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: ")).expect("a challenge");
    let password = server.password("alice");
    let login = Login { realm: None, user: b"alice", password: password.as_bytes() };
    let purpose = Purpose { method: b"REGISTER", uri: b"sip:127.0.0.1", cnonce: "1", nc: 1 };
    let credentials = String::from_utf8(answer([value.as_bytes()], &login, &purpose).unwrap()).unwrap();
    let more = format!("{contact}Authorization: {credentials}\r\n");
    phone.get_mut().write_all(request("REGISTER", 2, &more).as_bytes()).unwrap();
    assert!(read_answer(&mut phone).starts_with("SIP/2.0 200"));
    for number in 3..MANY / 4 {
        phone.get_mut().write_all(request("OPTIONS", number, "").as_bytes()).unwrap();
        assert!(read_answer(&mut phone).starts_with("SIP/2.0 "));
    }
    assert_eq!(server.closed(), 2);
}
