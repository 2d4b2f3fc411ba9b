//! Sends a SIP server of this machine REGISTERs without credentials, from a thousand addresses of 127.0.0.0/8, as
//! `bench/flood.mjs` asks: `flood PORT DATAGRAMS_A_SECOND SECONDS`. Writes how many were sent.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for a terminal")]

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SOURCES: u64 = 1000;

/// Between two waves.
const PAUSE: Duration = Duration::from_micros(500);

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let &[port, rate, seconds] = &numbers[..] else {
        eprintln!("flood PORT DATAGRAMS_A_SECOND SECONDS");
        return ExitCode::from(2);
    };
    match u16::try_from(port).map_err(io::Error::other).and_then(|port| flood(port, rate, seconds)) {
        Ok(sent) => {
            println!("{sent}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is answered is never read: the kernel drops it.
fn flood(port: u16, rate: u64, seconds: u64) -> io::Result<u64> {
    let sources = (0..SOURCES).map(|number| source(number, port)).collect::<io::Result<Vec<_>>>()?;
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        let due = rate * begun.elapsed().as_micros() as u64 / 1_000_000;
        for number in sent..due {
            let (socket, address) = &sources[(number % SOURCES) as usize];
            // A datagram that does not fit into the server's buffer is lost without an error.
            socket.send(register(number, address).as_bytes())?;
        }
        sent = due;
        sleep(PAUSE);
    }
    Ok(sent)
}

fn source(number: u64, port: u16) -> io::Result<(UdpSocket, String)> {
    let [high, low] = (number as u16).to_be_bytes();
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, high, low), 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    let address = socket.local_addr()?.to_string();
    Ok((socket, address))
}

fn register(number: u64, address: &str) -> String {
    format!(
        "REGISTER sip:127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {address};branch=z9hG4bKflood{number};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:stranger{number}@127.0.0.1>;tag={number}\r\n\
         To: <sip:stranger{number}@127.0.0.1>\r\n\
         Call-ID: flood-{number}\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:stranger{number}@{address}>\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
