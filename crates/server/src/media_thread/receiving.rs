//! What becomes of a datagram: the worker judges it, and what it says is done.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ringback_media::insert::PacketWay;
use ringback_media::session::{Destination, LegKey, Packet, Socket, Verdict, Worker};
use ringback_nat::demux::{Class, classify};
use ringback_nat::turn;
use ringback_sansio::Flow;

use super::turn::Turn;
use super::{Counters, MediaThread};
use crate::net::datagram::Datagram;
use crate::net::stun;
use crate::voice_thread::{self, Order, Voice};

/// Datagrams of allocations that are taken in one round before the sockets are looked at again.
const RELAYED_A_ROUND: usize = 256;

impl MediaThread {
    /// Takes what has come by the sockets; says how many packets.
    pub(super) fn receive(&mut self) -> io::Result<usize> {
        let MediaThread { worker, sockets, packet, counters, voice, owed, ways, .. } = self;
        let mut hearing = Hearing { now: Instant::now(), worker, counters, voice, owed, ways };
        let received = sockets
            .round(packet, |turn, socket, datagram, packet| hearing.take(turn, socket, datagram, packet))?;
        self.hand_out();
        Ok(received)
    }

    /// Takes what has come from allocations of TURN, as if it had come by the shared sockets; says how many packets.
    pub(super) fn receive_relayed(&mut self) -> usize {
        let MediaThread { worker, sockets, packet, counters, voice, owed, ways, .. } = self;
        let mut hearing = Hearing { now: Instant::now(), worker, counters, voice, owed, ways };
        let mut received = 0;
        while received < RELAYED_A_ROUND
            && let Some((remote, local, data)) = sockets.turn().poll()
        {
            received += 1;
            let datagram = Datagram { local, remote, payload: &data, truncated: false };
            if let Some(destination) = hearing.take(sockets.turn(), Socket::Shared, &datagram, packet) {
                sockets.send(destination, packet.bytes());
            }
        }
        if received == RELAYED_A_ROUND {
            // There may be more: come back at once.
            self.commands.waker.wake();
        }
        if received > 0 {
            self.hand_out();
        }
        received
    }
}

/// What hears a datagram.
struct Hearing<'a> {
    now: Instant,
    worker: &'a mut Worker,
    counters: &'a mut Counters,
    voice: &'a Voice,
    owed: &'a VecDeque<Order>,
    ways: &'a mut HashMap<LegKey, Option<PacketWay>>,
}

impl Hearing<'_> {
    /// Takes a datagram. What is to be sent for it is in the packet then.
    fn take(
        &mut self,
        turn: &Turn,
        socket: Socket,
        datagram: &Datagram<'_>,
        packet: &mut Packet,
    ) -> Option<Destination> {
        if datagram.truncated || !packet.fill(datagram.payload) {
            self.counters.truncated += 1;
            return None;
        }
        // The worker keeps its legs apart by itself; this is for what is nobody's.
        let handled = catch_unwind(AssertUnwindSafe(|| match socket {
            Socket::Shared if turn.is_served() && turn::is_of_a_client(datagram.payload) => {
                self.hand_on(turn, datagram);
                None
            }
            Socket::Shared => self.answer(datagram, packet).or_else(|| self.judge(socket, datagram, packet)),
            Socket::Rtp(_) | Socket::Rtcp(_) => self.judge(socket, datagram, packet),
        }));
        handled.unwrap_or_else(|_| {
            // Once, since whoever can send one can send many.
            if self.counters.panics == 0 {
                tracing::error!(remote = %datagram.remote, "a packet was dropped because of a mistake in Ringback; please report it");
            }
            self.counters.panics += 1;
            None
        })
    }

    /// Hands on what a client of TURN has sent to the port of media.
    fn hand_on(&mut self, turn: &Turn, datagram: &Datagram<'_>) {
        let flow = Flow::datagram(datagram.local, datagram.remote);
        match turn.hand_on(flow, datagram.payload) {
            true => self.counters.turn_handed_on += 1,
            false => self.counters.turn_full += 1,
        }
    }

    /// Answers a Binding request that is for nobody's leg.
    fn answer(&mut self, datagram: &Datagram<'_>, packet: &mut Packet) -> Option<Destination> {
        let reply = stun::answer(datagram.remote, datagram.payload)?;
        packet.fill(reply.bytes()).then(|| {
            self.counters.stun_answered += 1;
            let (local, remote) = (datagram.local, datagram.remote);
            Destination { socket: Socket::Shared, local, remote }
        })
    }

    /// Has the worker judge it.
    fn judge(&mut self, socket: Socket, datagram: &Datagram<'_>, packet: &mut Packet) -> Option<Destination> {
        let verdict = self.worker.handle_packet(self.now, socket, datagram.local, datagram.remote, packet);
        if let Some((leg, copy)) = self.worker.poll_copy() {
            let (is_rtp, copy) = (classify(copy) == Class::Rtp, voice_thread::Datagram::new(copy));
            // RTCP is told beside RTP, wherever it comes from.
            if is_rtp {
                self.came(leg, datagram);
            }
            self.order(copy.map(|copy| Order::Copy(leg, copy)));
        }
        match verdict {
            Verdict::Forward(destination) | Verdict::Reply(destination) => Some(destination),
            Verdict::Insert(leg) => {
                self.came(leg, datagram);
                self.order(voice_thread::Datagram::new(packet.bytes()).map(|it| Order::Packet(leg, it)));
                None
            }
            // The copies are sent when the round is over.
            Verdict::Shown | Verdict::Consumed | Verdict::Drop(_) => None,
        }
    }

    /// Tells the voice thread which way a leg's packets come. One that is not told is told with the next packet.
    fn came(&mut self, leg: LegKey, datagram: &Datagram<'_>) {
        let way = PacketWay { from: datagram.remote, to: datagram.local };
        if let Some(known) = self.ways.get_mut(&leg)
            && *known != Some(way)
            && self.owed.is_empty()
            && self.voice.order(Order::Way(leg, way)).is_ok()
        {
            *known = Some(way);
        }
    }

    /// Gives the voice thread a packet. What is owed to it comes first, and packets do not wait for that.
    fn order(&mut self, order: Option<Order>) {
        let order = order.filter(|_| self.owed.is_empty());
        if order.is_none_or(|order| self.voice.order(order).is_err()) {
            self.counters.voice_full += 1;
        }
    }
}
