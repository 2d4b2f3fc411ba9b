//! Every state with every event, as text that can be laid beside the RFC's figures.

use std::fmt::{Debug, Write};

use ringback_sansio::Transport;

use super::timers::Timer;
use super::{
    cancel, client, invite_client, invite_server, non_invite_client, non_invite_server, server, success,
};

const TIMERS: [Timer; 15] = [
    Timer::A,
    Timer::B,
    Timer::D,
    Timer::E,
    Timer::F,
    Timer::G,
    Timer::H,
    Timer::I,
    Timer::J,
    Timer::K,
    Timer::L,
    Timer::M,
    Timer::Trying,
    Timer::Success,
    Timer::Cancelled,
];

/// One line for each pair: the step over UDP, and over TCP where it differs.
fn table<S: Debug + Copy, E: Debug + Copy, A: Debug + 'static>(
    states: &[S],
    events: &[E],
    next: impl Fn(S, E, Transport) -> Option<(S, &'static [A])>,
) -> String {
    let mut text = String::new();
    for &state in states {
        for &event in events {
            let row = |transport| match next(state, event, transport) {
                None => "absorbed".to_owned(),
                Some((to, actions)) => {
                    let actions: Vec<String> = actions.iter().map(|action| format!("{action:?}")).collect();
                    format!("{:<14} {}", format!("{to:?}"), actions.join(", ")).trim_end().to_owned()
                }
            };
            let (udp, tcp) = (row(Transport::Udp), row(Transport::Tcp));
            let pair = format!("{state:?} + {event:?}");
            writeln!(text, "{pair:<32} -> {udp}").unwrap();
            if tcp != udp {
                writeln!(text, "{:<32} -> {tcp}", "    reliable").unwrap();
            }
        }
    }
    text
}

fn started_by_client(actions: &[client::Action]) -> Vec<Timer> {
    use client::Action::{Double, Start, StartAtT2};
    let timer = |action: &client::Action| match action {
        Start(timer) | Double(timer) | StartAtT2(timer) => Some(*timer),
        _ => None,
    };
    actions.iter().filter_map(timer).collect()
}

fn started_by_server(actions: &[server::Action]) -> Vec<Timer> {
    use server::Action::{Double, Start};
    let timer = |action: &server::Action| match action {
        Start(timer) | Double(timer) => Some(*timer),
        _ => None,
    };
    actions.iter().filter_map(timer).collect()
}

/// Checks what holds for every table: a timer is started only in a state that owns it, fires only there, and
/// the last state neither owns one nor is left.
fn check<S: Debug + Copy + PartialEq, E: Debug + Copy, A: 'static>(
    states: &[S],
    last: S,
    events: &[E],
    fired: impl Fn(Timer) -> Option<E>,
    timers: impl Fn(S) -> &'static [Timer],
    started: impl Fn(&[A]) -> Vec<Timer>,
    next: impl Fn(S, E, Transport) -> Option<(S, &'static [A])>,
) {
    assert!(timers(last).is_empty());
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        for &state in states {
            for &event in events {
                let Some((to, actions)) = next(state, event, transport) else { continue };
                assert_ne!(state, last, "{event:?} leaves the last state");
                for timer in started(actions) {
                    assert!(timers(to).contains(&timer), "{state:?} + {event:?} starts {timer:?} in {to:?}");
                }
            }
            for timer in TIMERS {
                let Some(event) = fired(timer) else { continue };
                let means_something = next(state, event, transport).is_some();
                assert_eq!(means_something, timers(state).contains(&timer), "{timer:?} in {state:?}");
            }
        }
    }
}

fn assert_table(name: &str, table: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, table));
}

#[test]
fn invite_client() {
    use invite_client::Event::{
        Failure, Provisional, Success, TimerA, TimerB, TimerD, TimerM, TransportError,
    };
    use invite_client::State::{Accepted, Calling, Completed, Proceeding, Terminated};
    let states = [Calling, Proceeding, Completed, Accepted, Terminated];
    let events = [Provisional, Success, Failure, TimerA, TimerB, TimerD, TimerM, TransportError];
    assert_table("transaction_invite_client", &table(&states, &events, invite_client::next));
    check(
        &states,
        Terminated,
        &events,
        invite_client::Event::fired,
        invite_client::State::timers,
        started_by_client,
        invite_client::next,
    );
}

#[test]
fn invite_server() {
    use invite_server::Event::{
        Ack, Failure, Invite, Provisional, Success, TimerG, TimerH, TimerI, TimerL, TimerTrying,
        TransportError,
    };
    use invite_server::State::{Accepted, Completed, Confirmed, Proceeding, Terminated};
    let states = [Proceeding, Accepted, Completed, Confirmed, Terminated];
    let events = [
        Invite,
        Ack,
        Provisional,
        Success,
        Failure,
        TimerTrying,
        TimerG,
        TimerH,
        TimerI,
        TimerL,
        TransportError,
    ];
    assert_table("transaction_invite_server", &table(&states, &events, invite_server::next));
    check(
        &states,
        Terminated,
        &events,
        invite_server::Event::fired,
        // The timer of the 2xx runs in Accepted and belongs to the machine of the 2xx.
        |state| match state {
            Accepted => &[Timer::L],
            state => state.timers(),
        },
        started_by_server,
        invite_server::next,
    );
}

#[test]
fn non_invite_client() {
    use non_invite_client::Event::{Final, Provisional, TimerE, TimerF, TimerK, TransportError};
    use non_invite_client::State::{Completed, Proceeding, Terminated, Trying};
    let states = [Trying, Proceeding, Completed, Terminated];
    let events = [Provisional, Final, TimerE, TimerF, TimerK, TransportError];
    assert_table("transaction_non_invite_client", &table(&states, &events, non_invite_client::next));
    check(
        &states,
        Terminated,
        &events,
        non_invite_client::Event::fired,
        non_invite_client::State::timers,
        started_by_client,
        non_invite_client::next,
    );
}

#[test]
fn non_invite_server() {
    use non_invite_server::Event::{Final, Provisional, Request, TimerJ, TransportError};
    use non_invite_server::State::{Completed, Proceeding, Terminated, Trying};
    let states = [Trying, Proceeding, Completed, Terminated];
    let events = [Request, Provisional, Final, TimerJ, TransportError];
    assert_table("transaction_non_invite_server", &table(&states, &events, non_invite_server::next));
    check(
        &states,
        Terminated,
        &events,
        non_invite_server::Event::fired,
        non_invite_server::State::timers,
        started_by_server,
        non_invite_server::next,
    );
}

#[test]
fn success() {
    use success::Event::{Ack, Stop, TimerL, TimerSuccess};
    use success::State::{Abandoned, Acknowledged, Unacknowledged};
    let states = [Unacknowledged, Acknowledged, Abandoned];
    let events = [Ack, Stop, TimerSuccess, TimerL];
    assert_table(
        "transaction_success",
        &table(&states, &events, |state, event, _| success::next(state, event)),
    );
}

#[test]
fn cancel() {
    use cancel::Event::{Asked, Final, Provisional, TimerCancelled};
    use cancel::State::{Answered, Sent, TooLate, Unanswered, Waiting};
    let states = [Unanswered, Answered, Waiting, Sent, TooLate];
    let events = [Asked, Provisional, Final, TimerCancelled];
    assert_table(
        "transaction_cancel",
        &table(&states, &events, |state, event, _| cancel::next(state, event)),
    );
}

/// What is done at the start over each kind of transport: a retransmission timer only where messages get
/// lost.
#[test]
fn beginnings() {
    use client::Action::{SendRequest, Start};
    assert_eq!(invite_client::begin(Transport::Udp), [SendRequest, Start(Timer::A), Start(Timer::B)]);
    assert_eq!(non_invite_client::begin(Transport::Udp), [SendRequest, Start(Timer::E), Start(Timer::F)]);
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        assert_eq!(invite_client::begin(transport), [SendRequest, Start(Timer::B)]);
        assert_eq!(non_invite_client::begin(transport), [SendRequest, Start(Timer::F)]);
    }
    assert_eq!(success::begin(), [server::Action::Start(Timer::Success)]);
}
