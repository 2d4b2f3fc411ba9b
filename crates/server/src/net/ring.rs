//! Datagrams of many sockets in one system call, by [io_uring](https://man7.org/linux/man-pages/man7/io_uring.7.html).
//!
//! Each socket has one request that stands: the kernel puts every datagram into the next free room and says which. What is
//! sent is gathered and handed over with the next wait. So a round costs one system call, however many sockets it is about.
//!
//! Not every machine allows it: a kernel older than 6.1 lacks it, and containers often forbid it. [`Ring::new`] says so,
//! and whoever drives the sockets does without. docs/decisions/0028 has what it saves.
#![allow(unsafe_code, reason = "requests point at memory that the kernel reads and writes later")]

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringback_sansio::canonical;

use super::datagram::{
    CONTROL_SPACE, Cover, Datagram, DatagramSocket, NAME_SPACE, address_in, is_ours, local_of,
};

/// Rooms for received datagrams of each [`Crowd`]; a power of two. What finds none waits in its socket.
const ROOMS: u16 = 1024;

/// Datagrams that end a rest: half of what there is room for.
const MANY: usize = ROOMS as usize / 2;

/// Datagrams that are gathered before they are handed over without a wait.
const SLOTS: usize = 256;

/// Requests that are handed over at once: a full set of datagrams, and receives that are asked for again.
const REQUESTS: u32 = 512;

/// Completions that the kernel has room for.
const COMPLETIONS: u32 = 4096;

/// What the kernel writes first: how long the name, the control messages and the payload are, and flags
/// (`struct io_uring_recvmsg_out`). The name, the control messages and the payload follow, each at its place.
const LENGTHS: usize = 16;

/// A room takes what is told of a datagram, and `PAYLOAD` bytes of it.
const ROOM: usize = (LENGTHS + NAME_SPACE + CONTROL_SPACE + PAYLOAD).next_multiple_of(64);

/// The longest datagram that goes through here, in bytes; of a longer one the end is lost.
pub const PAYLOAD: usize = 2048;

/// What a slot takes: such a datagram with what is put around it on its way.
const SLOT: usize = PAYLOAD + 128;

/// The sockets that share rooms: a flood at those of one crowd takes none of the other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// Sockets at ports that everybody knows.
    Shared,
    /// Sockets of one call, or of one client, each.
    Single,
}

/// The sockets of a thread, to whoever receives and sends by them.
///
/// It belongs to the thread that waits by it first.
pub struct Ring {
    uring: IoUring,
    is_enabled: bool,
    /// What ends waits, and whether it is to be heard again.
    edges: Option<Fd>,
    edges_lapsed: bool,
    /// How much the kernel is to say of each datagram.
    asked: Box<libc::msghdr>,
    rooms: [Rooms; 2],
    slots: Box<[Slot]>,
    /// Slots that are filled and not handed over.
    filled: usize,
    arrivals: VecDeque<Arrival>,
    /// Marks of sockets that the kernel hears no more.
    lapsed: VecDeque<u64>,
    failed: u64,
    forgetting: Forgetting,
    /// How often slots were free again, by which a completion tells that it is of what is in its slot now.
    generation: u32,
    /// What has gone wrong since the last wait.
    broken: Option<io::Error>,
}

/// Requests that are to end.
#[derive(Default)]
struct Forgetting {
    marks: Vec<u64>,
    /// Marks of which the kernel has said how many requests they have.
    answered: usize,
    /// How many they are, and how many of them have ended.
    requests: usize,
    ended: usize,
}

impl Forgetting {
    /// How many completions are still to come.
    fn left(&self) -> usize {
        let unanswered = self.marks.len().saturating_sub(self.answered);
        unanswered + self.requests.saturating_sub(self.ended)
    }
}

// SAFETY: the raw pointers in `asked` are null.
unsafe impl Send for Ring {}

/// A datagram that has come.
#[derive(Debug)]
pub struct Arrival {
    /// The mark of its socket.
    pub mark: u64,
    room: u16,
    len: usize,
}

impl Ring {
    /// A ring without sockets. An error says why the machine has none.
    pub fn new() -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_r_disabled()
            .setup_cqsize(COMPLETIONS)
            .dontfork()
            .build(REQUESTS)?;
        let mut rooms = [Rooms::new(Crowd::Shared), Rooms::new(Crowd::Single)];
        for rooms in &mut rooms {
            rooms.register(&uring)?;
        }
        // SAFETY: an all-zero msghdr is valid.
        let mut asked: Box<libc::msghdr> = Box::new(unsafe { mem::zeroed() });
        asked.msg_namelen = NAME_SPACE as libc::socklen_t;
        asked.msg_controllen = CONTROL_SPACE;
        Ok(Ring {
            uring,
            is_enabled: false,
            edges: None,
            edges_lapsed: false,
            asked,
            rooms,
            slots: (0..SLOTS).map(|_| Slot::new()).collect(),
            filled: 0,
            arrivals: VecDeque::with_capacity(2 * usize::from(ROOMS)),
            lapsed: VecDeque::new(),
            failed: 0,
            forgetting: Forgetting::default(),
            generation: 0,
            broken: None,
        })
    }

    /// Hears a socket from the next wait on; its datagrams bear the mark, whose highest bit may be set only if one of the
    /// two lowest is.
    pub fn hear(&mut self, socket: &DatagramSocket, mark: u64, crowd: Crowd) -> io::Result<()> {
        let request = opcode::RecvMsgMulti::new(fd_of(socket), &raw const *self.asked, crowd as u16);
        self.push(request.build().user_data(mark))
    }

    /// Ends waits whenever the descriptor has an edge.
    pub fn hear_edges(&mut self, of: &impl AsFd) -> io::Result<()> {
        self.edges = Some(Fd(of.as_fd().as_raw_fd()));
        self.edges_lapsed = true;
        Ok(())
    }

    /// Hears the sockets of these marks no more, so that they can be closed: until then a request would hold their ports.
    /// What has come by them is lost.
    pub fn forget(&mut self, marks: impl IntoIterator<Item = u64>) -> io::Result<()> {
        self.forgetting = Forgetting::default();
        for mark in marks {
            let request = opcode::AsyncCancel2::new(CancelBuilder::user_data(mark).all());
            self.push(request.build().user_data(FORGOTTEN))?;
            self.forgetting.marks.push(mark);
        }
        // A request that is cancelled ends when the kernel comes to it, which may have other work first.
        for _ in 0..MOST_TRIES {
            self.enter(self.forgetting.left().max(1), Some(Duration::ZERO))?;
            if self.forgetting.left() == 0 {
                break;
            }
        }
        let Forgetting { marks: forgotten, .. } = mem::take(&mut self.forgetting);
        self.lapsed.retain(|mark| !forgotten.contains(mark));
        for _ in 0..self.arrivals.len() {
            match self.arrivals.pop_front() {
                Some(arrival) if forgotten.contains(&arrival.mark) => self.give_back(arrival),
                Some(arrival) => self.arrivals.push_back(arrival),
                None => break,
            }
        }
        Ok(())
    }

    /// Hands over what is to be sent, then waits for something to happen, at most so long. With a `rest` it waits that
    /// long in any case, unless very much comes.
    pub fn wait(&mut self, rest: Option<Duration>, at_most: Duration) -> io::Result<()> {
        if let Some(of) = self.edges.filter(|_| mem::take(&mut self.edges_lapsed)) {
            let request = opcode::PollAdd::new(of, libc::POLLIN as u32).multi(true).build();
            self.push(request.user_data(EDGE))?;
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let is_quiet = self.arrivals.is_empty() && self.uring.completion().is_empty();
        match rest {
            Some(rest) if is_quiet => self.enter(MANY, Some(rest)),
            None if is_quiet => self.enter(1, Some(at_most)),
            _ => self.enter(0, None),
        }
    }

    /// How many datagrams have come.
    pub fn arrived(&self) -> usize {
        self.arrivals.len()
    }

    /// The first of them.
    pub fn next_arrival(&mut self) -> Option<Arrival> {
        self.arrivals.pop_front()
    }

    /// Whether more sockets are to be heard again than can be at once.
    pub fn has_lapsed(&self) -> bool {
        self.lapsed.len() > MANY
    }

    /// Sockets that are to be heard again now, if they are still there: there was no room, or they told of an error.
    /// No more than there may be room for: [`Ring::next_lapsed`] has their marks.
    pub fn lapsed(&self) -> usize {
        self.lapsed.len().min(MANY)
    }

    /// The mark of the one that waits for longest.
    pub fn next_lapsed(&mut self) -> Option<u64> {
        self.lapsed.pop_front()
    }

    /// Reads a datagram that came to a socket that is bound to `bound`.
    pub fn read(&self, arrival: &Arrival, bound: SocketAddr) -> Option<Datagram<'_>> {
        let room = self.rooms(arrival.room).room(arrival.room)?.get(..arrival.len)?;
        let (lengths, told) = room.split_at_checked(LENGTHS)?;
        let (name, told) = told.split_at_checked(NAME_SPACE)?;
        let (control, payload) = told.split_at_checked(CONTROL_SPACE)?;
        let number =
            |place: usize| Some(u32::from_ne_bytes(*lengths.get(4 * place..)?.first_chunk()?) as usize);
        // What was longer than its space says its full length.
        let (name_len, control_len, payload_len) = (number(0)?, number(1)?, number(2)?);
        // SAFETY: an all-zero msghdr is valid.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control_len.min(control.len());
        let local = local_of(&header).unwrap_or(bound.ip());
        Some(Datagram {
            local: canonical(SocketAddr::new(local, bound.port())),
            remote: canonical(address_in(name.get(..name_len)?)?),
            payload: payload.get(..payload_len).unwrap_or(payload),
            truncated: number(3)? & libc::MSG_TRUNC as usize != 0,
        })
    }

    /// Gives the room of a datagram back to the kernel.
    pub fn give_back(&mut self, arrival: Arrival) {
        offer(&mut self.rooms, arrival.room);
    }

    /// Sends one datagram from the address `local` with the next wait.
    pub fn send(
        &mut self,
        socket: &DatagramSocket,
        local: IpAddr,
        remote: SocketAddr,
        payload: &[u8],
    ) -> io::Result<()> {
        let (number, slot) = self.slot(socket, payload)?;
        let Slot { cover, bytes, len, .. } = slot;
        let header = cover.write(socket, local, remote, bytes.get(..*len).unwrap_or_default());
        slot.is_connected = false;
        let request = opcode::SendMsg::new(fd_of(socket), header).flags(SEND_FLAGS as u32).build();
        self.hand_in(request, number)
    }

    /// Sends one datagram by a connected socket with the next wait.
    pub fn send_connected(&mut self, socket: &DatagramSocket, payload: &[u8]) -> io::Result<()> {
        let (number, slot) = self.slot(socket, payload)?;
        slot.is_connected = true;
        let request = opcode::Send::new(fd_of(socket), slot.bytes.as_ptr(), slot.len as u32);
        let request = request.flags(SEND_FLAGS).build();
        self.hand_in(request, number)
    }

    /// Datagrams that the kernel did not take.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Hands over what is to be sent.
    pub fn flush(&mut self) -> io::Result<()> {
        self.enter(0, None)
    }

    /// A free slot with the payload in it.
    fn slot(&mut self, socket: &DatagramSocket, payload: &[u8]) -> io::Result<(usize, &mut Slot)> {
        if self.filled == SLOTS {
            self.flush()?;
        }
        let number = self.filled;
        let slot = self.slots.get_mut(number).ok_or(io::ErrorKind::OutOfMemory)?;
        let room = slot.bytes.get_mut(..payload.len()).ok_or(io::ErrorKind::InvalidInput)?;
        room.copy_from_slice(payload);
        slot.len = payload.len();
        slot.socket = socket.as_fd().as_raw_fd();
        Ok((number, slot))
    }

    fn hand_in(&mut self, request: squeue::Entry, number: usize) -> io::Result<()> {
        if self.uring.submission().is_full() {
            // What is handed over here is of the generation before; this one is not among it.
            self.flush()?;
        }
        let mark = SENT | u64::from(self.generation) << GENERATION | (number as u64) << 2;
        let request = request.user_data(mark).flags(squeue::Flags::SKIP_SUCCESS);
        self.push(request)?;
        self.filled = number + 1;
        Ok(())
    }

    fn push(&mut self, request: squeue::Entry) -> io::Result<()> {
        if self.uring.submission().is_full() {
            self.flush()?;
        }
        // SAFETY: what a request points at lives as long as the ring (`asked`, `slots`), and a slot is not written to again
        // before its request has been carried out (`enter`). Sockets are forgotten before they are closed.
        unsafe { self.uring.submission().push(&request) }.map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    /// Hands requests over, waits for so many completions, and takes them. Sends are carried out at once
    /// (`MSG_DONTWAIT`), so that every slot is free afterwards.
    fn enter(&mut self, want: usize, at_most: Option<Duration>) -> io::Result<()> {
        if !self.is_enabled {
            self.uring.submitter().register_enable_rings()?;
            self.is_enabled = true;
        }
        for _ in 0..MOST_TRIES {
            let entered = match at_most {
                Some(at_most) => {
                    let time = Timespec::from(at_most);
                    self.uring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(&time))
                }
                None => self.uring.submitter().submit_and_wait(want),
            };
            self.take_completions();
            if let Err(error) = entered
                && !is_passing(&error)
            {
                return Err(error);
            }
            if self.uring.submission().is_empty() {
                self.filled = 0;
                self.generation = self.generation.wrapping_add(1) & MOST_GENERATIONS;
                return Ok(());
            }
        }
        Err(io::Error::other("io_uring does not take what is handed over"))
    }

    fn take_completions(&mut self) {
        let Ring { uring, arrivals, lapsed, slots, failed, edges_lapsed, rooms, .. } = self;
        let Ring { forgetting, generation, broken, .. } = self;
        for completion in uring.completion() {
            let (mark, result) = (completion.user_data(), completion.result());
            if mark == EDGE {
                *edges_lapsed |= !cqueue::more(completion.flags());
                if result < 0 && result != -libc::ECANCELED {
                    *broken = Some(io::Error::from_raw_os_error(-result));
                }
                continue;
            }
            if mark == FORGOTTEN {
                forgetting.answered += 1;
                forgetting.requests += usize::try_from(result).unwrap_or(0);
                continue;
            }
            if mark & SENT != 0 && mark & 3 == 0 {
                // One that comes a round late, because there was no room for it, is of what its slot had before.
                let is_now = (mark & !SENT) >> GENERATION == u64::from(*generation);
                let slot = slots.get((mark as usize >> 2) % SLOTS).filter(|_| is_now);
                *failed += u64::from(!slot.is_some_and(|slot| slot.send_again(result)));
                continue;
            }
            match (usize::try_from(result), cqueue::buffer_select(completion.flags())) {
                (Ok(len), Some(room)) => arrivals.push_back(Arrival { mark, room, len }),
                (Err(_), Some(room)) => offer(rooms, room),
                (_, None) => {}
            }
            let error = (result < 0).then(|| io::Error::from_raw_os_error(-result));
            if let Some(error) = error.filter(is_ours) {
                *broken = Some(error);
            }
            if !cqueue::more(completion.flags()) {
                if forgetting.marks.contains(&mark) {
                    forgetting.ended += 1;
                } else if result != -libc::ECANCELED {
                    lapsed.push_back(mark);
                }
            }
        }
    }

    fn rooms(&self, room: u16) -> &Rooms {
        let [shared, single] = &self.rooms;
        if room < ROOMS { shared } else { single }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Nothing is written to the rooms once no request stands. If it fails there was none.
        let _ = self.uring.submitter().register_sync_cancel(None, CancelBuilder::any());
    }
}

/// A datagram that is to be sent.
struct Slot {
    socket: RawFd,
    is_connected: bool,
    bytes: [u8; SLOT],
    len: usize,
    cover: Cover,
}

impl Slot {
    fn new() -> Self {
        Slot { socket: -1, is_connected: false, bytes: [0; SLOT], len: 0, cover: Cover::new() }
    }

    /// Sends a datagram again by a connected socket that was told of the one before; says whether it went.
    fn send_again(&self, result: i32) -> bool {
        // SAFETY: the bytes are there, and as many as are told.
        self.is_connected
            && result != -libc::EAGAIN
            && unsafe { libc::send(self.socket, self.bytes.as_ptr().cast(), self.len, SEND_FLAGS) } >= 0
    }
}

/// Rooms for datagrams, which the kernel takes from a ring of its own.
struct Rooms {
    crowd: Crowd,
    ring: Box<Entries>,
    rooms: Vec<Room>,
    tail: u16,
}

#[repr(C, align(4096))]
struct Entries([BufRingEntry; ROOMS as usize]);

#[derive(Clone)]
#[repr(C, align(64))]
struct Room([u8; ROOM]);

impl Rooms {
    fn new(crowd: Crowd) -> Self {
        // SAFETY: an entry is three numbers.
        let ring = unsafe { Box::new(mem::zeroed()) };
        Rooms { crowd, ring, rooms: vec![Room([0; ROOM]); usize::from(ROOMS)], tail: 0 }
    }

    /// The number of the first one: the numbers of one crowd follow those of the other.
    fn first(&self) -> u16 {
        self.crowd as u16 * ROOMS
    }

    fn register(&mut self, uring: &IoUring) -> io::Result<()> {
        let address = (&raw const *self.ring) as u64;
        // SAFETY: the ring of entries lives, at this place, as long as `uring`, which is dropped before it.
        unsafe { uring.submitter().register_buf_ring_with_flags(address, ROOMS, self.crowd as u16, 0) }?;
        (self.first()..self.first() + ROOMS).for_each(|number| self.offer(number));
        Ok(())
    }

    fn room(&self, number: u16) -> Option<&[u8]> {
        self.rooms.get(usize::from(number - self.first())).map(|room| room.0.as_slice())
    }

    /// Lets the kernel write to a room.
    fn offer(&mut self, number: u16) {
        let first = self.first();
        let place = usize::from(self.tail & (ROOMS - 1));
        let Some(room) = self.rooms.get_mut(usize::from(number - first)) else { return };
        let Some(entry) = self.ring.0.get_mut(place) else { return };
        entry.set_addr(room.0.as_mut_ptr() as u64);
        entry.set_len(ROOM as u32);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the ring of entries begins here, and the tail lies in its first entry, where only this writes.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.ring.0.as_mut_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Lets the kernel write to a room, of whichever crowd it is.
fn offer([shared, single]: &mut [Rooms; 2], room: u16) {
    let rooms = if room < ROOMS { shared } else { single };
    rooms.offer(room);
}

fn fd_of(socket: &DatagramSocket) -> Fd {
    Fd(socket.as_fd().as_raw_fd())
}

/// Whether the ring is sound after an error: the time is over, a signal came, or completions have to be taken first.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}

/// Attempts in a row after which the kernel is believed.
const MOST_TRIES: usize = 8;

const SEND_FLAGS: libc::c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

// Marks of our own, with the highest bit and not the two lowest.

/// Of what is sent, with the number of its slot above the two lowest bits, and the generation of the slots above that.
const SENT: u64 = 1 << 63;
const GENERATION: u32 = 16;
const MOST_GENERATIONS: u32 = u32::MAX >> 1;
/// Of a descriptor that ends waits.
const EDGE: u64 = u64::MAX << 3;
/// Of what ends requests.
const FORGOTTEN: u64 = u64::MAX << 2;

#[cfg(test)]
mod tests;
