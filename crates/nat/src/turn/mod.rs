//! A TURN server ([RFC 8656]) without sockets.
//!
//! # How it is driven
//!
//! There is a [`Server`] for each thread that relays; each is made with [`Settings`] of its own and a clone of one
//! [`Quotas`], and with [`Users`], which are asked for keys and accounts during the calls below: where they are shared,
//! by a handle.
//!
//! 1. What a client sends goes into [`Server::handle_datagram`]: a datagram as it is, with [`Flow::datagram`]; of a
//!    stream one message after the other, as [`first_message`] cuts them, with a flow that has the number of its
//!    connection; of a DTLS association each record of application data, with a flow that has the number of it. What is
//!    [`NotTurn`] ends the connection, and a connection that has ended ends in [`Server::close`].
//! 2. The [`Verdict`] says what to do with the data in it, and it is done before the next call:
//!    - `ToPeer`: send it from the relay socket.
//!    - `ToRelay`: copy it behind [`HEADROOM`] bytes of a buffer and give it to [`Server::handle_relayed`].
//!    - `ToMedia`: give it to our media as a datagram from `from` to `to`. What media sends back to `from` goes into
//!      [`Server::handle_relayed`] with `relay` and `to`.
//!    - `ToClient` comes of `handle_relayed` alone: send the message over its flow.
//! 3. After each call [`Server::poll_transmit`] is emptied, then [`Server::poll_command`]. For [`Command::Open`] a UDP
//!    socket is bound, and [`Server::handle_opened`] is told its address as peers see it, or [`NotOpened`], at once or
//!    within five seconds. For [`Command::Close`] it is closed. A number is never used twice.
//! 4. What comes to a relay socket is received behind [`HEADROOM`] bytes and goes into [`Server::handle_relayed`].
//! 5. [`Server::handle_timeout`] is due at [`Server::poll_timeout`].
//! 6. News from elsewhere: [`Server::set_policy`] when our addresses or media ports change, [`Server::set_unix_time`]
//!    when the clock is set, [`Server::close_account`] of every server when an account is closed or has another
//!    password.
//!
//! # Assumptions
//!
//! A 5-tuple always comes to the same server: another one knows nothing of its allocation, answers 437 and drops its
//! data. One receiving socket does so, and so do several that share a port (SO_REUSEPORT), as long as none of them is
//! opened or closed while there are allocations: the kernel chooses among them by the 5-tuple and by how many there
//! are. Quotas are of all servers that share them. The budgets of sources are of each server, because they are asked
//! without a lock: a source that comes from several ports has them with as many servers as those lead to. An allocation
//! reaches another one of the same server only: the relay sockets of others are own addresses, which are no peers.
//!
//! Clients come over UDP, TCP, TLS or DTLS. Relayed transport addresses are of UDP. Every allocation has an owner that was
//! authenticated by the long-term credential mechanism of [RFC 8489 §9.2]. A peer is what [`PeerPolicy`] lets be one,
//! whatever permissions there are. An allocation outlives the credentials that it was made with
//! (`docs/decisions/0027`), and one with a ticket the 5-tuple (`mobility.rs`).
//!
//! # What a stranger gets
//!
//! Without credentials there is nothing but Binding and a challenge, so often for each source ([`Limits`]). A source
//! that has sent a nonce of ours back, or comes over a connection, is where it says that it is, and has budgets that nobody
//! uses up in its name. Wrong credentials count for such a source; after too many none are looked up.
//!
//! A forged request makes of a realm of 9 to 12 bytes: 88 bytes for the 28 of an Allocate request, that is 3.1 times
//! its bytes, or 2.1 times with the headers of IPv4 and UDP; 1.6 times for a Binding request; 1.4 times for what
//! credentials would not help, and at most 1.6 times for a request that has some. In the name of a client that has an
//! allocation, whose 5-tuple has to be known, it is 4.4 times. Each source is sent fifty such answers at once and fifty
//! in a second by a server.
//!
//! # Left out
//!
//! EVEN-PORT that reserves the next port, and RESERVATION-TOKEN (refused with 508, as by a server that has no such ports:
//! whoever has rtcp-mux needs no two ports in a row), DONT-FRAGMENT (refused with 420), relayed transport addresses of TCP
//! ([RFC 6062]; 442), ICMP in Data indications, user names that SASLprep would change, the security feature "Username
//! anonymity": a USERHASH is understood and not asked for.
//!
//! [`Flow::datagram`]: ringback_sansio::Flow::datagram
//! [RFC 8656]: https://www.rfc-editor.org/rfc/rfc8656
//! [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2
//! [RFC 6062]: https://www.rfc-editor.org/rfc/rfc6062

mod allocation;
mod authentication;
mod budget;
mod channel_data;
pub mod client;
mod credentials;
mod dispatch;
mod drops;
#[doc(hidden)]
pub mod fuzz;
mod lifecycle;
mod mobility;
mod nonce;
mod peer_policy;
mod quotas;
mod relaying;
mod reply;
mod requests;
mod server;
mod settings;
mod sources;

use stun_types::message::Method;

use crate::demux::{Class, classify};

pub use allocation::{Family, RelayKey};
pub use budget::Rate;
pub use channel_data::{LONGEST_IN_STREAM, NotTurn, first_message};
pub use credentials::{Lookup, PasswordAlgorithm, TimeLimited, User, UserName, Users, userhash};
pub use drops::{Drops, Errors, Reason, Stats};
pub use peer_policy::PeerPolicy;
pub use quotas::Quotas;
pub use relaying::{HEADROOM, TAILROOM};
pub use server::{Command, NotOpened, Port, Server, Verdict};
pub use settings::{Limits, Secret, Settings, UnsoundSettings};
pub use sources::Sources;

/// Whether a packet that has come to a port of media is for a TURN server: ChannelData, or STUN that is no Binding.
///
/// A Binding is answered by whoever gets it, or is a check of ICE.
pub fn is_of_a_client(packet: &[u8]) -> bool {
    match (classify(packet), packet) {
        (Class::TurnChannel, _) => true,
        // RFC 8489 §5: 14 bits of type, of which the class takes the fifth and the ninth.
        (Class::Stun, [high, low, ..]) => u16::from_be_bytes([*high, *low]) & 0x3eef != 1,
        // Channel numbers of RFC 5766, which RFC 7983 left to nobody else.
        (Class::Unknown, [80..=127, ..]) => true,
        _ => false,
    }
}

/// The methods of [RFC 8656 §17](https://www.rfc-editor.org/rfc/rfc8656#section-17).
const ALLOCATE: Method = Method::new(0x003);
const REFRESH: Method = Method::new(0x004);
const SEND: Method = Method::new(0x006);
const DATA_METHOD: Method = Method::new(0x007);
const CREATE_PERMISSION: Method = Method::new(0x008);
const CHANNEL_BIND: Method = Method::new(0x009);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_a_turn_server_is_told_by_its_first_bytes() {
        // Allocate, its answer, Refresh, Send, Data, CreatePermission, ChannelBind and ChannelData.
        let requests = [[0, 3], [1, 3], [0, 4], [0, 0x16], [0, 0x17], [0, 8], [0, 9]];
        for start in requests.iter().chain(&[[0x40, 0], [0x4f, 0xff], [0x50, 0], [0x7f, 0xfe]]) {
            assert!(is_of_a_client(start), "{start:02x?}");
        }
        // Binding in each of its classes, DTLS, RTP, and what is cut off.
        for start in
            [&[0, 1][..], &[1, 1], &[0, 0x11], &[1, 0x11], &[22, 254], &[128, 0], &[192, 0], &[0], &[]]
        {
            assert!(!is_of_a_client(start), "{start:02x?}");
        }
    }
}
