//! UDP sockets that know which of our addresses a datagram came to, and answer from it.
//!
//! On a wildcard address the kernel would answer from whatever address its routing table likes; the far side's NAT
//! and every ICE agent drop such an answer. `IP_PKTINFO` and `IPV6_PKTINFO` tell the address on the way in and choose
//! it on the way out. The standard library has neither, nor `recvmmsg`; this is the one file that calls the C library
//! for them.
#![allow(unsafe_code, reason = "recvmmsg, sendmsg and control messages have no safe counterpart")]

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use ringback_sansio::canonical;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The receive buffer that is asked for. The kernel grants what `net.core.rmem_max` allows.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// A non-blocking UDP socket.
#[derive(Debug)]
pub struct DatagramSocket {
    socket: Socket,
    bound: SocketAddr,
}

impl DatagramSocket {
    /// Binds the address; an IPv6 wildcard takes IPv6 only, so that both families can be bound side by side. Where only one
    /// address is bound, nothing has to be told of it with each datagram.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        match address.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => set_flag(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
            }
            _ => {}
        }
        socket.bind(&SockAddr::from(address))?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(DatagramSocket { socket, bound })
    }

    /// Another handle of the same socket, for another thread.
    pub fn another(&self) -> io::Result<Self> {
        Ok(DatagramSocket { socket: self.socket.try_clone()?, bound: self.bound })
    }

    /// Another handle of the same socket, for a task to wait for what comes.
    pub fn waited_for(&self) -> io::Result<tokio::net::UdpSocket> {
        tokio::net::UdpSocket::from_std(self.socket.try_clone()?.into())
    }

    /// Asks for a receive buffer of [`RECEIVE_BUFFER`] bytes and says what was granted.
    pub fn enlarge_buffer(&self) -> io::Result<usize> {
        self.socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        // The kernel doubles the figure for its own book-keeping and reports the doubled one.
        Ok(self.socket.recv_buffer_size()? / 2)
    }

    /// How many datagrams the kernel has dropped because the receive buffer was full (`SO_MEMINFO`).
    pub fn dropped(&self) -> io::Result<u32> {
        let mut info = [0u32; MEMINFO_LEN];
        let mut len = mem::size_of_val(&info) as libc::socklen_t;
        // SAFETY: the kernel writes at most `len` bytes to `info`, and their number to `len`; both outlive the call.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                info.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        info.last().copied().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// The address bound, with the port that was given for port 0.
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Receives as many datagrams as are there, and no more than `most` or than fit; 0 when there are none.
    pub fn receive<const SIZE: usize>(&self, batch: &mut Batch<SIZE>, most: usize) -> io::Result<usize> {
        let count = batch.prepare(most);
        for _ in 0..MOST_ERRORS {
            // SAFETY: `prepare` has pointed that many headers at a buffer, an address and a control buffer each, which
            // `batch` owns and which outlive the call.
            let received = unsafe {
                libc::recvmmsg(
                    self.socket.as_raw_fd(),
                    batch.headers.as_mut_ptr(),
                    count as u32,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            batch.received = usize::try_from(received).unwrap_or(0);
            if received >= 0 {
                return Ok(batch.received);
            }
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                error if is_ours(&error) => return Err(error),
                // What is to be received waits behind it.
                _ => {}
            }
        }
        Ok(0)
    }

    /// A second socket at the same port that talks with `remote` alone, from our address `local`. What `remote` sends to
    /// that address comes by it from here on, everything else still by this one. The kernel need not look for its way
    /// with each datagram.
    pub fn connect_beside(&self, local: IpAddr, remote: SocketAddr) -> io::Result<DatagramSocket> {
        let socket = Socket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        let bound = SocketAddr::new(local, self.bound.port());
        // Both have to agree, and only for so long: another process must not get the port by agreeing too.
        self.socket.set_reuse_port(true)?;
        let connected = socket
            .set_reuse_port(true)
            .and_then(|()| socket.bind(&SockAddr::from(bound)))
            .and_then(|()| socket.connect(&SockAddr::from(remote)))
            .and_then(|()| socket.set_reuse_port(false));
        self.socket.set_reuse_port(false)?;
        connected?;
        Ok(DatagramSocket { socket, bound })
    }

    /// Talks with another far end from here on, by a socket of [`DatagramSocket::connect_beside`].
    pub fn turn_to(&self, remote: SocketAddr) -> io::Result<()> {
        self.socket.connect(&SockAddr::from(remote))
    }

    /// Sends one datagram by a socket of [`DatagramSocket::connect_beside`].
    pub fn send_connected(&self, payload: &[u8]) -> io::Result<()> {
        match self.socket.send(payload) {
            // Most often it is told of the datagram before, and this one has not been sent yet.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.socket.send(payload),
            sent => sent,
        }?;
        Ok(())
    }

    /// Sends one datagram from the address `local`.
    pub fn send(&self, local: IpAddr, remote: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let mut cover = Cover::new();
        let header = cover.write(self, local, remote, payload);
        // SAFETY: the header points at `payload` and at parts of `cover`, which live until the call returns; the kernel
        // does not write to what `iov_base` points at.
        let sent = unsafe { libc::sendmsg(self.socket.as_raw_fd(), header, libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What `sendmsg` is told of one datagram; used again for the next.
pub(super) struct Cover {
    name: SockAddr,
    control: Control,
    vector: libc::iovec,
    header: libc::msghdr,
}

// SAFETY: the raw pointers inside are set anew before every use.
unsafe impl Send for Cover {}

impl Cover {
    pub(super) fn new() -> Self {
        // SAFETY: an all-zero iovec and an all-zero msghdr are valid.
        let (vector, header) = unsafe { (mem::zeroed(), mem::zeroed()) };
        let name = SockAddr::from(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0));
        Cover { name, control: Control::default(), vector, header }
    }

    /// Writes that `payload` goes from `local` to `remote` by `socket`. What it gives points at `payload` and into this,
    /// and may be used while neither is moved or changed.
    pub(super) fn write(
        &mut self,
        socket: &DatagramSocket,
        local: IpAddr,
        remote: SocketAddr,
        payload: &[u8],
    ) -> *const libc::msghdr {
        self.name = SockAddr::from(remote);
        self.vector = libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() };
        self.header.msg_name = self.name.as_ptr().cast_mut().cast();
        self.header.msg_namelen = self.name.len();
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
        let chosen = socket.bound.ip().is_unspecified() && !local.is_unspecified();
        self.header.msg_controllen = if chosen { self.control.write(local) } else { 0 };
        self.header.msg_control =
            if chosen { self.control.0.as_mut_ptr().cast() } else { std::ptr::null_mut() };
        &raw const self.header
    }
}

/// Room for datagrams of up to `SIZE` bytes each, used again for every receive.
pub struct Batch<const SIZE: usize> {
    buffers: Vec<[u8; SIZE]>,
    names: Vec<Name>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
}

// SAFETY: the raw pointers inside point into the vectors beside them and are set anew before every use.
unsafe impl<const SIZE: usize> Send for Batch<SIZE> {}

/// A datagram that was received.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Our address and port that it was sent to.
    pub local: SocketAddr,
    /// Who sent it.
    pub remote: SocketAddr,
    /// Its bytes.
    pub payload: &'a [u8],
    /// Whether it was longer than the room for it, and lost its end.
    pub truncated: bool,
}

impl<const SIZE: usize> Batch<SIZE> {
    /// Room for `count` datagrams.
    pub fn new(count: usize) -> Self {
        // SAFETY: all-zero iovecs and mmsghdrs are valid.
        let (vector, header) = unsafe { (mem::zeroed::<libc::iovec>(), mem::zeroed::<libc::mmsghdr>()) };
        Batch {
            buffers: vec![[0; SIZE]; count],
            names: vec![Name::default(); count],
            controls: vec![Control::default(); count],
            vectors: vec![vector; count],
            headers: vec![header; count],
            received: 0,
        }
    }

    /// Points the headers for that many datagrams at their buffers, and says how many there are; the kernel shortens the
    /// lengths at each receive.
    fn prepare(&mut self, most: usize) -> usize {
        let parts = self.buffers.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let parts = parts.zip(&mut self.vectors).zip(&mut self.headers);
        for ((((buffer, name), control), vector), header) in parts.take(most) {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: SIZE };
            let header = &mut header.msg_hdr;
            header.msg_name = name.0.as_mut_ptr().cast();
            header.msg_namelen = NAME_SPACE as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_SPACE;
            header.msg_flags = 0;
        }
        most.min(self.headers.len())
    }

    /// The datagrams of the last receive. `bound` is what its socket is bound to.
    pub fn datagrams(&self, bound: SocketAddr) -> impl Iterator<Item = Datagram<'_>> {
        let headers = self.headers.iter().take(self.received);
        headers.zip(&self.buffers).zip(&self.names).filter_map(move |((header, buffer), name)| {
            let remote = address_in(&name.0)?;
            let local = local_of(&header.msg_hdr).unwrap_or(bound.ip());
            Some(Datagram {
                local: canonical(SocketAddr::new(local, bound.port())),
                remote: canonical(remote),
                payload: buffer.get(..header.msg_len as usize)?,
                truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
            })
        })
    }
}

/// Room for one control message with packet info of either family, aligned as the kernel wants it.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; CONTROL_SPACE]);

/// Bytes of a [`Control`].
pub(super) const CONTROL_SPACE: usize = 64;

/// Room for the address of who sent a datagram, of either family.
#[derive(Clone, Copy, Default)]
#[repr(align(8))]
struct Name([u8; NAME_SPACE]);

/// Bytes of a `sockaddr_in6`, which is the longer one, and what keeps what follows aligned.
pub(super) const NAME_SPACE: usize = 32;

/// The figures of `SO_MEMINFO`; the last is that of dropped datagrams.
const MEMINFO_LEN: usize = 9;

impl Default for Control {
    fn default() -> Self {
        Control([0; CONTROL_SPACE])
    }
}

impl Control {
    /// Writes the control message that sends from `local`; gives its length.
    fn write(&mut self, local: IpAddr) -> usize {
        match local {
            IpAddr::V4(address) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.put(libc::IPPROTO_IP, libc::IP_PKTINFO, info)
            }
            IpAddr::V6(address) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                    ipi6_ifindex: 0,
                };
                self.put(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
            }
        }
    }

    fn put<T>(&mut self, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
        let size = mem::size_of::<T>() as u32;
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, length) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size) as usize) };
        assert!(space <= CONTROL_SPACE, "packet info fits the control buffer");
        // SAFETY: the buffer is aligned for a cmsghdr and has room for it and for `value` (asserted above).
        unsafe {
            let header = self.0.as_mut_ptr().cast::<libc::cmsghdr>();
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = length;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(value);
        }
        space
    }
}

/// Whether a receive failed because of what we asked for. Everything else is told once and passes: an ICMP message about
/// an earlier datagram, which a connected socket is told and which whoever knows its ports can forge, a signal, a lack of
/// memory. None of that may end a thread.
pub(super) fn is_ours(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::EINVAL))
}

/// Errors in a row that are passed over before what else there is has its turn.
const MOST_ERRORS: usize = 8;

/// The address in the bytes of a `sockaddr_in` or a `sockaddr_in6`.
pub(super) fn address_in(name: &[u8]) -> Option<SocketAddr> {
    let family = name.first_chunk().map(|bytes| libc::c_int::from(u16::from_ne_bytes(*bytes)))?;
    let port = name.get(2..4)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))?;
    let ip = match family {
        libc::AF_INET => Ipv4Addr::from(*name.get(4..8)?.first_chunk::<4>()?).into(),
        libc::AF_INET6 => Ipv6Addr::from(*name.get(8..24)?.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The address that the packet came to, from its control messages.
pub(super) fn local_of(header: &libc::msghdr) -> Option<IpAddr> {
    // SAFETY: the header was filled by recvmmsg and its control buffer is alive; the CMSG macros stay within
    // `msg_controllen`.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info = data.cast::<libc::in_pktinfo>().read_unaligned();
                    return Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    return Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                }
                _ => message = libc::CMSG_NXTHDR(header, message),
            }
        }
    }
    None
}

fn set_flag(socket: &Socket, level: libc::c_int, name: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is an int that lives until the call returns, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const on).cast(),
            mem::size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn receive_one(socket: &DatagramSocket) -> (SocketAddr, SocketAddr, Vec<u8>) {
        let mut batch = Batch::<2048>::new(4);
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if socket.receive(&mut batch, usize::MAX).unwrap() > 0 {
                let datagram = batch.datagrams(socket.bound()).next().unwrap();
                return (datagram.local, datagram.remote, datagram.payload.to_vec());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no datagram came");
    }

    #[test]
    fn a_wildcard_socket_answers_from_the_address_it_was_asked_at() {
        let server = DatagramSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = server.bound().port();
        for address in ["127.0.0.1", "127.0.0.5"] {
            let client = DatagramSocket::bind("127.0.0.9:0".parse().unwrap()).unwrap();
            let target = SocketAddr::new(address.parse().unwrap(), port);
            client.send(client.bound().ip(), target, b"ping").unwrap();
            let (local, remote, payload) = receive_one(&server);
            assert_eq!((local, remote, payload.as_slice()), (target, client.bound(), b"ping".as_slice()));
            server.send(local.ip(), remote, b"pong").unwrap();
            let (_, from, payload) = receive_one(&client);
            assert_eq!((from, payload.as_slice()), (target, b"pong".as_slice()));
        }
    }

    #[test]
    fn a_connected_socket_has_its_far_end_to_itself() {
        let server = DatagramSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let [far, stranger] = ["127.0.0.9:0", "127.0.0.8:0"]
            .map(|address| DatagramSocket::bind(address.parse().unwrap()).unwrap());
        let local: IpAddr = "127.0.0.5".parse().unwrap();
        let target = SocketAddr::new(local, server.bound().port());
        let beside = server.connect_beside(local, far.bound()).unwrap();
        assert_eq!(beside.bound(), target);
        far.send(far.bound().ip(), target, b"far").unwrap();
        stranger.send(stranger.bound().ip(), target, b"stranger").unwrap();
        assert_eq!(receive_one(&beside), (target, far.bound(), b"far".to_vec()));
        assert_eq!(receive_one(&server), (target, stranger.bound(), b"stranger".to_vec()));
        beside.send_connected(b"answer").unwrap();
        assert_eq!(receive_one(&far), (far.bound(), target, b"answer".to_vec()));
        let another = DatagramSocket::bind(SocketAddr::new("127.0.0.6".parse().unwrap(), target.port()));
        assert!(another.is_err(), "the port is nobody else's");
    }

    #[test]
    fn a_far_end_that_is_not_there_yet_costs_no_later_datagram() {
        let server = DatagramSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let far = DatagramSocket::bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let remote = far.bound();
        let beside = server.connect_beside("127.0.0.1".parse().unwrap(), remote).unwrap();
        drop(far);
        // Loopback answers at once that nobody is there, and the socket is told with what it does next.
        beside.send_connected(b"lost").unwrap();
        let far = DatagramSocket::bind(remote).unwrap();
        beside.send_connected(b"heard").unwrap();
        assert_eq!(receive_one(&far).2, b"heard");
        drop(far);
        beside.send_connected(b"lost").unwrap();
        assert_eq!(beside.receive(&mut Batch::<64>::new(1), 1).unwrap(), 0, "an ICMP error ends nothing");
    }

    #[test]
    fn only_a_mistake_of_ours_fails_a_receive() {
        let told = |code| is_ours(&io::Error::from_raw_os_error(code));
        // What ICMP and ICMPv6 become, by the kernel's tables, a signal and a lack of memory.
        let passing = [
            libc::ECONNREFUSED,
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
            libc::ENOPROTOOPT,
            libc::EMSGSIZE,
            libc::EPROTO,
            libc::EHOSTDOWN,
            libc::ENONET,
            libc::EOPNOTSUPP,
            libc::EACCES,
            libc::EINTR,
            libc::ENOBUFS,
            libc::ENOMEM,
        ];
        assert_eq!(passing.map(told), [false; 13]);
        assert_eq!([libc::EBADF, libc::ENOTSOCK, libc::EFAULT, libc::EINVAL].map(told), [true; 4]);
    }

    #[test]
    fn datagrams_that_find_the_buffer_full_are_counted() {
        let server = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        server.socket.set_recv_buffer_size(0).unwrap();
        let client = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_eq!(server.dropped().unwrap(), 0);
        for _ in 0..100 {
            client.send(client.bound().ip(), server.bound(), &[7; 1000]).unwrap();
        }
        assert!((50..100).contains(&server.dropped().unwrap()), "{:?}", server.dropped());
    }

    #[test]
    fn the_same_over_ipv6() {
        let server = DatagramSocket::bind("[::]:0".parse().unwrap()).unwrap();
        let client = DatagramSocket::bind("[::1]:0".parse().unwrap()).unwrap();
        let target = SocketAddr::new("::1".parse().unwrap(), server.bound().port());
        client.send(client.bound().ip(), target, b"ping").unwrap();
        let (local, remote, _) = receive_one(&server);
        assert_eq!((local, remote), (target, client.bound()));
        server.send(local.ip(), remote, b"pong").unwrap();
        assert_eq!(receive_one(&client).1, target);
    }

    #[test]
    fn a_batch_keeps_datagrams_apart_and_marks_the_cut_one() {
        let server = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = DatagramSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        for payload in [b"one".as_slice(), b"two and more", b"three"] {
            client.send(client.bound().ip(), server.bound(), payload).unwrap();
        }
        let mut batch = Batch::<8>::new(8);
        let mut seen = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(10);
        while seen.len() < 3 && Instant::now() < deadline {
            server.receive(&mut batch, usize::MAX).unwrap();
            seen.extend(batch.datagrams(server.bound()).map(|d| (d.payload.to_vec(), d.truncated)));
        }
        assert_eq!(
            seen,
            [(b"one".to_vec(), false), (b"two and ".to_vec(), true), (b"three".to_vec(), false)]
        );
    }
}
