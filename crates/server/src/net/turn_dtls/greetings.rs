//! Who says hello over DTLS, and how often it is listened to.
//!
//! Over UDP anybody can write anybody's address. Until a cookie has come back nothing is kept of a client, and its source is
//! answered so often in a second and no more: nobody is flooded in somebody's name, though an answer is shorter than what
//! it answers. A handshake costs a signature, so those who are where they say they are have a budget for them too.

use std::net::SocketAddr;
use std::time::Instant;

use ringback_media::dtls::{Cookies, Greeting};
use ringback_nat::turn::{Rate, Sources};

use super::Dropped;

/// How often a source is asked for a cookie: as often as TURN over UDP answers it without one.
const HELLOS: Rate = Rate::per_second(50, 50);

/// How many handshakes a source may begin: an office behind one address has its phones start in the same minute.
const HANDSHAKES: Rate = Rate::per_second(20, 100);

/// What is known of everybody who says hello: of nobody by name.
pub struct Greetings {
    cookies: Cookies,
    hellos: Sources,
    handshakes: Sources,
}

impl Greetings {
    /// Nobody has said anything. `secrets` are random bytes, new with each start.
    pub fn new(now: Instant, secrets: &[[u8; 32]; 3]) -> Self {
        let [cookies, hellos, handshakes] = secrets;
        Greetings {
            cookies: Cookies::new(cookies, now),
            hellos: Sources::new(now, hellos, HELLOS),
            handshakes: Sources::new(now, handshakes, HANDSHAKES),
        }
    }

    /// Handles a ClientHello: the answer that asks for a cookie, or the hello that has brought it back.
    pub fn handle(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        datagram: &[u8],
    ) -> Result<Greeting, Dropped> {
        let greeting = self.cookies.greet(now, local, remote, datagram)?;
        // A flood in a client's name does not keep out the hello that it alone could send.
        if matches!(greeting, Greeting::Asked(_)) && !self.hellos.take(now, remote.ip()) {
            return Err(Dropped::HelloBudget);
        }
        Ok(greeting)
    }

    /// Whether a client that has brought its cookie back may begin a handshake; if so, it does.
    pub fn may_begin(&mut self, now: Instant, remote: SocketAddr) -> bool {
        self.handshakes.take(now, remote.ip())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LOCAL: &str = "192.0.2.1:5349";

    /// A ClientHello with one cipher suite.
    fn hello(cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend_from_slice(&[7; 32]);
        body.extend_from_slice(&[0, cookie.len() as u8]);
        body.extend_from_slice(cookie);
        body.extend_from_slice(&[0, 2, 0xc0, 0x2b, 1, 0]);
        let length = body.len() as u8;
        let number = u8::from(!cookie.is_empty());
        let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, number, 0, 12 + length];
        bytes.extend_from_slice(&[1, 0, 0, length, 0, number, 0, 0, 0, 0, 0, length]);
        bytes.extend_from_slice(&body);
        bytes
    }

    struct World {
        greetings: Greetings,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            let now = Instant::now();
            World { greetings: Greetings::new(now, &[[1; 32], [2; 32], [3; 32]]), now }
        }

        fn handle(&mut self, remote: &str, datagram: &[u8]) -> Result<Greeting, Dropped> {
            self.greetings.handle(self.now, LOCAL.parse().unwrap(), remote.parse().unwrap(), datagram)
        }

        /// How many of a hundred hellos, each from another port, are answered.
        fn answered(&mut self, source: &str) -> usize {
            let ports = 1000..1100;
            ports.filter(|port| self.handle(&format!("{source}:{port}"), &hello(&[])).is_ok()).count()
        }
    }

    #[test]
    fn a_flood_from_one_source_is_answered_so_often_and_no_more() {
        let mut world = World::new();
        assert_eq!(world.answered("198.51.100.7"), 50);
        let dropped = world.handle("198.51.100.7:2000", &hello(&[])).unwrap_err();
        assert_eq!(dropped, Dropped::HelloBudget);
        assert_eq!(world.answered("198.51.100.8"), 50, "another one has a budget of its own");
        world.now += Duration::from_secs(1);
        assert_eq!(world.answered("198.51.100.7"), 50);
    }

    #[test]
    fn a_flood_in_its_name_does_not_keep_out_who_has_a_cookie() {
        let mut world = World::new();
        let client = "198.51.100.7:4000";
        let Ok(Greeting::Asked(answer)) = world.handle(client, &hello(&[])) else { panic!("it is asked") };
        world.answered("198.51.100.7");
        let second = hello(&answer[answer.len() - 32..]);
        assert!(matches!(world.handle(client, &second), Ok(Greeting::Verified(_))));
        let forged = hello(&[5; 32]);
        assert_eq!(world.handle(client, &forged).unwrap_err(), Dropped::WrongCookie);
    }

    #[test]
    fn who_is_there_may_begin_so_many_handshakes() {
        let mut world = World::new();
        let client = "198.51.100.7:4000".parse().unwrap();
        let begun = (0..300).filter(|_| world.greetings.may_begin(world.now, client)).count();
        assert_eq!(begun, 100);
    }
}
