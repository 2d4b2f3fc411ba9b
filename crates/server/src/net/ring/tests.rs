//! The ring over loopback.

use super::*;
use crate::net::wake::Waker;

/// A ring, unless this machine is one that has none.
fn ring() -> Option<Ring> {
    match Ring::new() {
        Ok(ring) => Some(ring),
        Err(error) => {
            let forbidden = [libc::ENOSYS, libc::EPERM, libc::EINVAL].map(Some);
            assert!(forbidden.contains(&error.raw_os_error()), "{error}");
            println!("not tested: {error}");
            None
        }
    }
}

fn bind(address: &str) -> DatagramSocket {
    DatagramSocket::bind(address.parse().unwrap()).unwrap()
}

const LONG: Duration = Duration::from_secs(10);

/// Waits until so many datagrams have come: their marks and payloads.
fn heard(ring: &mut Ring, sockets: &[&DatagramSocket], count: usize) -> Vec<(u64, Vec<u8>)> {
    let mut heard = Vec::new();
    while heard.len() < count {
        for _ in 0..ring.lapsed() {
            let mark = ring.next_lapsed().unwrap();
            ring.hear(sockets[mark as usize], mark, Crowd::Single).unwrap();
        }
        ring.wait(None, LONG).unwrap();
        assert!(ring.arrived() > 0 || ring.lapsed() > 0, "{} of {count} came", heard.len());
        for _ in 0..ring.arrived() {
            let arrival = ring.next_arrival().unwrap();
            let bound = sockets[arrival.mark as usize].bound();
            heard.push((arrival.mark, ring.read(&arrival, bound).unwrap().payload.to_vec()));
            ring.give_back(arrival);
        }
    }
    heard
}

#[test]
fn more_than_there_is_room_for_comes_later_and_in_order() {
    let Some(mut ring) = ring() else { return };
    let (far, ours) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    ours.enlarge_buffer().unwrap();
    ring.hear(&ours, 0, Crowd::Single).unwrap();
    // As many as the smallest receive buffer holds by its own accounting, and more than there are rooms.
    let count = 1300;
    for number in 0..count {
        far.send(far.bound().ip(), ours.bound(), &[number as u8]).unwrap();
    }
    assert_eq!(ours.dropped().unwrap(), 0);
    let heard = heard(&mut ring, &[&ours], count);
    let numbers: Vec<_> = heard.iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(numbers, (0..count).map(|number| number as u8).collect::<Vec<_>>());
}

#[test]
fn sockets_that_found_no_room_are_heard_in_turn() {
    let Some(mut ring) = ring() else { return };
    let far = bind("127.0.0.1:0");
    let many: Vec<_> = (0..usize::from(ROOMS) + 300).map(|_| bind("127.0.0.1:0")).collect();
    let many: Vec<_> = many.iter().collect();
    for (mark, socket) in (0..).zip(&many) {
        ring.hear(socket, mark, Crowd::Single).unwrap();
    }
    for round in 0..3u8 {
        for socket in &many {
            far.send(far.bound().ip(), socket.bound(), &[round]).unwrap();
        }
        let heard = heard(&mut ring, &many, many.len());
        let marks: std::collections::HashSet<_> = heard.iter().map(|(mark, _)| *mark).collect();
        assert_eq!(marks.len(), many.len(), "each is heard once");
        assert!(heard.iter().all(|(_, payload)| *payload == [round]));
    }
}

#[test]
fn a_flood_of_one_crowd_leaves_room_for_the_other() {
    let Some(mut ring) = ring() else { return };
    let (far, shared, leg) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    shared.enlarge_buffer().unwrap();
    ring.hear(&shared, 0, Crowd::Shared).unwrap();
    ring.hear(&leg, 1, Crowd::Single).unwrap();
    (0..1300).for_each(|_| far.send(far.bound().ip(), shared.bound(), b"flood").unwrap());
    far.send(far.bound().ip(), leg.bound(), b"rtp").unwrap();
    ring.wait(Some(Duration::from_millis(50)), LONG).unwrap();
    let marks: Vec<_> = std::iter::from_fn(|| ring.next_arrival()).map(|arrival| arrival.mark).collect();
    assert!(marks.contains(&1), "{} datagrams", marks.len());
    assert!(marks.len() <= usize::from(ROOMS) + 1);
}

#[test]
fn what_is_sent_goes_with_the_next_wait_and_no_slot_is_lost() {
    let Some(mut ring) = ring() else { return };
    let (far, ours) = (bind("127.0.0.9:0"), bind("127.0.0.1:0"));
    far.enlarge_buffer().unwrap();
    let beside = bind("127.0.0.1:0").connect_beside("127.0.0.1".parse().unwrap(), far.bound()).unwrap();
    let count = 2 * SLOTS + 10;
    for number in 0..count {
        let payload = [number as u8; 3];
        if number % 2 == 0 {
            ring.send(&ours, ours.bound().ip(), far.bound(), &payload).unwrap();
        } else {
            ring.send_connected(&beside, &payload).unwrap();
        }
    }
    ring.wait(None, Duration::ZERO).unwrap();
    ring.hear(&far, 0, Crowd::Single).unwrap();
    let heard = heard(&mut ring, &[&far], count);
    assert!(heard.iter().enumerate().all(|(number, (_, payload))| *payload == [number as u8; 3]));
    assert_eq!(ring.failed(), 0);
}

#[test]
fn a_far_end_that_is_not_there_yet_costs_no_later_datagram() {
    let Some(mut ring) = ring() else { return };
    let (server, far) = (bind("0.0.0.0:0"), bind("127.0.0.9:0"));
    let remote = far.bound();
    let beside = server.connect_beside("127.0.0.1".parse().unwrap(), remote).unwrap();
    drop(far);
    // Loopback answers at once that nobody is there, and the socket is told with what it does next.
    ring.send_connected(&beside, b"lost").unwrap();
    ring.flush().unwrap();
    let far = DatagramSocket::bind(remote).unwrap();
    ring.send_connected(&beside, b"heard").unwrap();
    ring.flush().unwrap();
    ring.hear(&far, 0, Crowd::Single).unwrap();
    assert_eq!(heard(&mut ring, &[&far], 1), [(0, b"heard".to_vec())]);
    assert_eq!(ring.failed(), 0);
}

#[test]
fn one_that_is_cut_is_marked() {
    let Some(mut ring) = ring() else { return };
    let (far, ours) = (bind("[::1]:0"), bind("[::]:0"));
    let target = SocketAddr::new("::1".parse().unwrap(), ours.bound().port());
    ring.hear(&ours, 0, Crowd::Single).unwrap();
    for len in [3, ROOM] {
        far.send(far.bound().ip(), target, &vec![7; len]).unwrap();
        ring.wait(None, LONG).unwrap();
        let arrival = ring.next_arrival().unwrap();
        let datagram = ring.read(&arrival, ours.bound()).unwrap();
        assert_eq!((datagram.local, datagram.remote), (target, far.bound()));
        assert_eq!(datagram.truncated, len == ROOM);
        assert!(datagram.payload.len() == len || datagram.truncated);
        ring.give_back(arrival);
    }
}

#[test]
fn a_waker_ends_each_wait_once() {
    let Some(mut ring) = ring() else { return };
    let waker = Waker::new().unwrap();
    ring.hear_edges(&waker).unwrap();
    for _ in 0..3 {
        waker.clear();
        let other = waker.clone();
        let woken = std::thread::spawn(move || other.wake());
        let before = std::time::Instant::now();
        ring.wait(None, LONG).unwrap();
        assert!(before.elapsed() < LONG);
        woken.join().unwrap();
        let before = std::time::Instant::now();
        ring.wait(None, Duration::from_millis(20)).unwrap();
        assert!(before.elapsed() >= Duration::from_millis(20));
    }
}

#[test]
fn what_is_forgotten_gives_its_port_back_while_others_have_much_to_say() {
    let Some(mut ring) = ring() else { return };
    let far = bind("127.0.0.1:0");
    let others: Vec<_> = (0..100).map(|_| bind("127.0.0.1:0")).collect();
    for (mark, socket) in (1..).zip(&others) {
        ring.hear(socket, mark, Crowd::Single).unwrap();
    }
    for _ in 0..3 {
        let ours = bind("127.0.0.1:0");
        let address = ours.bound();
        ring.hear(&ours, 0, Crowd::Single).unwrap();
        ring.wait(None, Duration::ZERO).unwrap();
        for socket in others.iter().chain([&ours]) {
            far.send(far.bound().ip(), socket.bound(), b"rtp").unwrap();
        }
        ring.forget([0]).unwrap();
        drop(ours);
        assert!(DatagramSocket::bind(address).is_ok());
        ring.wait(None, Duration::ZERO).unwrap();
        let mut marks = Vec::new();
        while let Some(arrival) = ring.next_arrival() {
            marks.push(arrival.mark);
            ring.give_back(arrival);
        }
        assert_eq!((marks.len(), marks.contains(&0)), (100, false));
        assert_eq!(ring.lapsed(), 0);
    }
}

#[test]
fn what_was_never_heard_can_be_forgotten() {
    let Some(mut ring) = ring() else { return };
    let (far, ours) = (bind("127.0.0.1:0"), bind("127.0.0.1:0"));
    ring.hear(&ours, 0, Crowd::Single).unwrap();
    ring.forget([7]).unwrap();
    far.send(far.bound().ip(), ours.bound(), b"rtp").unwrap();
    assert_eq!(heard(&mut ring, &[&ours], 1), [(0, b"rtp".to_vec())]);
}
