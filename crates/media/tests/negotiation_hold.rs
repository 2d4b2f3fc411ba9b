//! Hold: every direction passes end to end, in both styles, and two-way audio comes back in any order.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop where it is wrong")]

mod sdp_peers;

use ringback_media::negotiation::Party;
use ringback_media::sdp::Direction::{self, Inactive, RecvOnly, SendOnly, SendRecv};
use sdp_peers::{exchange, line, rtp, sections, text, webrtc, with_direction};

const OFFER: &str = text!("chromium-offer");
const ANSWER: &str = text!("baresip-answer");

#[test]
fn every_direction_of_an_offer_and_its_answer() {
    for (offered, answered, told, a_sends, a_receives) in [
        (SendRecv, SendRecv, SendRecv, true, true),
        (SendRecv, SendOnly, SendOnly, false, true),
        (SendRecv, RecvOnly, RecvOnly, true, false),
        (SendRecv, Inactive, Inactive, false, false),
        (SendOnly, RecvOnly, RecvOnly, true, false),
        (SendOnly, Inactive, Inactive, false, false),
        (RecvOnly, SendOnly, SendOnly, false, true),
        (RecvOnly, Inactive, Inactive, false, false),
        (Inactive, Inactive, Inactive, false, false),
        // Answers that RFC 3264 §6.1 does not allow are cut to what it does.
        (SendOnly, SendRecv, RecvOnly, true, false),
        (SendOnly, SendOnly, Inactive, false, false),
        (RecvOnly, SendRecv, SendOnly, false, true),
        (RecvOnly, RecvOnly, Inactive, false, false),
        (Inactive, SendRecv, Inactive, false, false),
        (Inactive, SendOnly, Inactive, false, false),
        (Inactive, RecvOnly, Inactive, false, false),
    ] {
        let row = format!("offer {offered}, answer {answered}");
        let (mut a, mut b) = (webrtc(), rtp());
        let (to_b, to_a) = exchange(
            &mut a,
            &with_direction(OFFER, offered.attribute()),
            &mut b,
            &with_direction(ANSWER, answered.attribute()),
        );
        assert_eq!(sections(&to_b)[0].direction, offered, "{row}");
        assert_eq!(sections(&to_a)[0].direction, told, "{row}");
        let (a, b) = (a.agreed().unwrap(), b.agreed().unwrap());
        assert_eq!((a.sends, a.receives), (a_sends, a_receives), "{row}");
        assert_eq!((b.sends, b.receives), (a_receives, a_sends), "{row}: the other leg mirrors");
    }
}

#[test]
fn an_address_of_zeros_is_a_hold_on_a_plain_leg() {
    let (mut a, mut b) = (rtp(), webrtc());
    exchange(&mut a, text!("baresip-offer"), &mut b, text!("chromium-answer"));
    let answer = with_direction(text!("chromium-answer"), "recvonly");
    let (to_b, to_a) = exchange(&mut a, text!("phone-hold-rfc2543"), &mut b, &answer);
    assert_eq!(line(&to_b, "c="), Some("c=IN IP4 192.0.2.1"), "the browser sees our address, not zeros");
    assert_eq!(sections(&to_b)[0].direction, SendOnly);
    assert_eq!(sections(&to_a)[0].direction, RecvOnly);
    assert!(a.is_on_hold());
    let settings = a.agreed().unwrap();
    assert_eq!((settings.sends, settings.receives, settings.remote), (true, false, None));

    let (to_b, to_a) = exchange(&mut a, text!("baresip-offer"), &mut b, text!("chromium-answer"));
    assert_eq!([sections(&to_b)[0].direction, sections(&to_a)[0].direction], [SendRecv, SendRecv]);
    assert!(!a.is_on_hold());
    assert!(a.agreed().unwrap().remote.is_some());
}

#[test]
fn an_address_of_zeros_in_an_answer_is_a_hold_too() {
    let (mut a, mut b) = (webrtc(), rtp());
    let (_, to_a) = exchange(&mut a, OFFER, &mut b, text!("phone-hold-rfc2543"));
    assert_eq!(sections(&to_a)[0].direction, SendOnly);
    assert!(b.is_on_hold() && !a.is_on_hold());
}

#[test]
fn zeros_and_inactive_together_are_inactive() {
    let (mut a, mut b) = (rtp(), webrtc());
    a.handle_offer(with_direction(text!("phone-hold-rfc2543"), "inactive").as_bytes()).unwrap();
    assert_eq!(sections(b.offer(&a).unwrap())[0].direction, Inactive);
}

/// A telephone's own idea of hold, and how it says so in offers and answers.
#[derive(Clone, Copy)]
struct Phone {
    text: &'static str,
    /// It holds the other.
    holds: bool,
    /// It was told that the other holds it.
    is_held: bool,
    /// As JsSIP does, an offer says what it knows of both sides; others say `sendonly` whatever the other does.
    minds_the_other: bool,
}

impl Phone {
    fn offer(&self) -> String {
        let direction = match (self.holds, self.is_held && self.minds_the_other) {
            (false, false) => SendRecv,
            (true, false) => SendOnly,
            (false, true) => RecvOnly,
            (true, true) => Inactive,
        };
        with_direction(self.text, direction.attribute())
    }

    fn answer(&mut self, offered: Direction) -> String {
        self.is_held = !offered.receives();
        let wanted = if self.holds { SendOnly } else { SendRecv };
        with_direction(self.text, wanted.and(offered.reversed()).attribute())
    }
}

/// One phone changes its mind and tells the other through us.
fn reinvite(from: (&mut Party, &mut Phone), to: (&mut Party, &mut Phone)) {
    from.0.handle_offer(from.1.offer().as_bytes()).unwrap();
    let offered = sections(to.0.offer(from.0).unwrap())[0].direction;
    to.0.handle_answer(to.1.answer(offered).as_bytes()).unwrap();
    from.0.answer(to.0).unwrap();
}

#[test]
fn mutual_hold_recovers_in_every_order() {
    for minds in [(true, true), (true, false), (false, true), (false, false)] {
        for (a_holds_first, a_resumes_first) in [(true, true), (true, false), (false, true), (false, false)] {
            let row =
                format!("minds {minds:?}, A holds first {a_holds_first}, A resumes first {a_resumes_first}");
            let phone = |text, minds_the_other| Phone { text, holds: false, is_held: false, minds_the_other };
            let (mut a, mut b) = (webrtc(), rtp());
            let mut alice = phone(OFFER, minds.0);
            let mut bob = phone(ANSWER, minds.1);
            reinvite((&mut a, &mut alice), (&mut b, &mut bob));

            for a_acts in [a_holds_first, !a_holds_first] {
                if a_acts {
                    alice.holds = true;
                    reinvite((&mut a, &mut alice), (&mut b, &mut bob));
                } else {
                    bob.holds = true;
                    reinvite((&mut b, &mut bob), (&mut a, &mut alice));
                }
            }
            for party in [&a, &b] {
                let settings = party.agreed().unwrap();
                assert!(!settings.sends && !settings.receives, "{row}: both hold");
            }

            for a_acts in [a_resumes_first, !a_resumes_first] {
                if a_acts {
                    alice.holds = false;
                    reinvite((&mut a, &mut alice), (&mut b, &mut bob));
                } else {
                    bob.holds = false;
                    reinvite((&mut b, &mut bob), (&mut a, &mut alice));
                }
            }
            for party in [&a, &b] {
                let settings = party.agreed().unwrap();
                assert!(settings.sends && settings.receives, "{row}: nobody holds");
                assert!(!party.is_on_hold(), "{row}");
            }
        }
    }
}

#[test]
fn an_echo_follows_a_hold() {
    let mut a = webrtc();
    for (offered, told) in
        [(SendOnly, RecvOnly), (RecvOnly, SendOnly), (Inactive, Inactive), (SendRecv, SendRecv)]
    {
        a.handle_offer(with_direction(OFFER, offered.attribute()).as_bytes()).unwrap();
        assert_eq!(sections(a.answer_alone().unwrap())[0].direction, told);
        assert_eq!(a.direction(), Some(offered));
    }
}
