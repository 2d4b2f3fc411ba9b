use ringback_sansio::{FiveTuple, Transport};

use super::*;
use crate::tap::ladder::{Lanes, row};
use crate::tap::rules::Rules;

/// A passage with a clock of its own, and what it did as text.
struct Bench {
    passage: Passage,
    rules: SharedRules,
    start: Instant,
    elapsed: Duration,
}

impl Bench {
    fn new(transport: Transport, rules: &str) -> Bench {
        let tuple = |transport, local: &str, remote: &str| {
            FiveTuple::new(transport, local.parse().unwrap(), remote.parse().unwrap())
        };
        let ends = Ends {
            browser: tuple(Transport::Ws, "127.0.0.1:8088", "127.0.0.1:40000"),
            server: tuple(transport, "192.0.2.1:5070", "192.0.2.9:5060"),
        };
        let rules = SharedRules::new(Rules::parse(rules).unwrap());
        let passage = Passage::new(1, ends, rules.clone());
        Bench { passage, rules, start: Instant::now(), elapsed: Duration::ZERO }
    }

    fn moment(&self) -> Moment {
        Moment { now: self.start + self.elapsed, at: SystemTime::UNIX_EPOCH, elapsed: self.elapsed }
    }

    fn come(&mut self, from: Side, text: &str) {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.passage.handle_message(self.moment(), from, bytes, Kind::Text);
    }

    fn wait(&mut self, time: Duration) {
        self.elapsed += time;
        self.passage.handle_timeout(self.start + self.elapsed);
    }

    /// The start lines of what is to be sent, with whom they go to.
    fn sent(&mut self) -> Vec<String> {
        let outgoing = std::iter::from_fn(|| self.passage.poll_outgoing());
        let shown = outgoing.map(|outgoing| {
            let text = String::from_utf8(outgoing.bytes.to_vec()).unwrap();
            let first = text.lines().next().unwrap_or_default().trim_end_matches(" SIP/2.0");
            format!("{} {}", outgoing.to.word(), first.trim_start_matches("SIP/2.0 "))
        });
        shown.collect()
    }

    fn ladder(&mut self) -> String {
        let entries = std::iter::from_fn(|| self.passage.poll_entry());
        let rows = entries.map(|entry| row(&entry, Lanes::One(30)));
        rows.map(|row| format!("{}{} {}\n", row.place, row.lane, row.about)).collect()
    }
}

fn request(method: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c1\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn response(status: &str, method: &str) -> String {
    request(method).replace(&format!("{method} sip:bob@example.com SIP/2.0"), &format!("SIP/2.0 {status}"))
}

#[test]
fn a_call_with_rules_is_a_ladder() {
    let rules = "drop 180\nset User-Agent to \"x\" in INVITE\ndelay 200 to INVITE by 1s\nduplicate BYE\n\
                 answer OPTIONS from server with 503 \"Closed\"";
    let mut bench = Bench::new(Transport::Ws, rules);
    bench.come(Side::Browser, &request("INVITE"));
    bench.come(Side::Server, &response("180 Ringing", "INVITE"));
    assert_eq!(bench.sent(), ["server INVITE sip:bob@example.com"]);
    bench.come(Side::Server, &response("200 OK", "INVITE"));
    bench.come(Side::Browser, &request("INFO"));
    assert_eq!(bench.sent(), ["server INFO sip:bob@example.com"], "what is delayed is overtaken");
    assert_eq!(bench.passage.poll_timeout(), Some(bench.start + Duration::from_secs(1)));
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.sent(), ["browser 200 OK"]);
    assert_eq!(bench.passage.poll_timeout(), None);
    bench.come(Side::Server, &request("BYE"));
    assert_eq!(bench.sent(), ["browser BYE sip:bob@example.com"; 2]);
    bench.come(Side::Server, &request("OPTIONS"));
    assert_eq!(bench.sent(), ["server 503 Closed"]);
    bench.come(Side::Browser, "nothing of SIP");
    assert_eq!(bench.sent(), ["server nothing of SIP"]);
    insta::assert_snapshot!(bench.ladder());
}

#[test]
fn the_ack_of_an_answer_of_the_tap_ends_here_and_that_of_another_does_not() {
    let mut bench = Bench::new(Transport::Ws, "answer INVITE from browser with 486");
    bench.come(Side::Browser, &request("INVITE"));
    bench.come(Side::Browser, &request("ACK"));
    assert_eq!(bench.sent(), ["browser 486 Busy Here"]);
    bench.come(Side::Server, &request("ACK"));
    bench.come(Side::Browser, &request("ACK").replace("z9hG4bK1", "z9hG4bK2"));
    assert_eq!(bench.sent(), ["browser ACK sip:bob@example.com", "server ACK sip:bob@example.com"]);
}

#[test]
fn rules_that_are_changed_hold_from_the_next_message_on() {
    let mut bench = Bench::new(Transport::Ws, "");
    bench.come(Side::Browser, &request("BYE"));
    assert_eq!(bench.sent().len(), 1);
    let rule = crate::tap::Rule::parse("drop BYE", crate::tap::Origin::Typed).unwrap();
    bench.rules.change(|rules| rules.push(rule)).unwrap();
    bench.come(Side::Browser, &request("BYE"));
    assert!(bench.sent().is_empty());
}

#[test]
fn what_is_delayed_is_bounded() {
    let mut bench = Bench::new(Transport::Ws, "delay BYE by 10s");
    for _ in 0..MOST_DELAYED + 3 {
        bench.come(Side::Browser, &request("BYE"));
    }
    assert_eq!(bench.sent().len(), 3, "what finds no room goes at once");
    bench.wait(Duration::from_secs(10));
    assert_eq!(bench.sent().len(), MOST_DELAYED);
}

#[test]
fn towards_udp_what_is_not_answered_is_repeated_and_what_is_no_sip_ends_here() {
    let mut bench = Bench::new(Transport::Udp, "");
    bench.come(Side::Browser, &request("INVITE"));
    assert_eq!(bench.sent(), ["server INVITE sip:bob@example.com"]);
    bench.wait(Duration::from_millis(500));
    assert_eq!(bench.sent(), ["server INVITE sip:bob@example.com"]);
    bench.come(Side::Server, "nothing of SIP");
    bench.come(Side::Server, "\0\0\0\0");
    bench.come(Side::Server, &response("200 OK", "INVITE"));
    assert_eq!(bench.sent(), Vec::<String>::new(), "the last is no response to anything of ours");
    bench.come(Side::Browser, &request("BYE").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!(bench.sent(), ["browser 483 Too Many Hops"]);
    insta::assert_snapshot!(bench.ladder());
}

#[test]
fn an_answer_of_the_tap_to_the_server_is_repeated_when_its_invite_is() {
    let mut bench = Bench::new(Transport::Udp, "answer INVITE from server with 480 once");
    for _ in 0..2 {
        bench.come(Side::Server, &request("INVITE"));
        assert_eq!(bench.sent(), ["server 480 Temporarily Unavailable"]);
    }
    bench.come(Side::Server, &request("ACK"));
    assert!(bench.sent().is_empty());
}
