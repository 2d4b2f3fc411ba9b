//! STUN, TURN and ICE: how two ends find a path through NATs.
//!
//! [`demux`] tells the protocols of one port apart, [`stun`] reads and writes STUN messages, [`ice`] is our side of the
//! connectivity checks, and [`turn`] relays for those who find no other path. None of it has a socket: bytes come in,
//! bytes go out.

pub mod demux;
#[doc(hidden)]
pub mod fuzz;
pub mod ice;
pub mod stun;
pub mod turn;
