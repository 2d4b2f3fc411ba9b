//! A TURN server ([RFC 8656]) without sockets.
//!
//! Assumptions: one server is one worker's, and a flow and its allocation stay with it; clients come over UDP, TCP or TLS,
//! and messages of a stream are cut apart before they come here ([`first_message`]). Relayed transport addresses are of UDP.
//! Every allocation has an owner that was authenticated by the long-term credential mechanism of [RFC 8489 §9.2]; without
//! credentials there is nothing but Binding and a challenge, so often for each source. A peer is what [`PeerPolicy`] lets be
//! one, whatever permissions there are.
//!
//! An allocation outlives the credentials that it was made with (`docs/decisions/0027`).
//!
//! Left out: EVEN-PORT and RESERVATION-TOKEN (refused with 508, as by a server that has no such ports), DONT-FRAGMENT
//! (refused with 420), relayed transport addresses of TCP ([RFC 6062]; 442), mobility ([RFC 8016]; its attribute need not be
//! understood and is not), ALTERNATE-SERVER, ICMP in Data indications, user names that SASLprep would change, the security
//! feature "Username anonymity": a USERHASH is understood and not asked for.
//!
//! [RFC 8656]: https://www.rfc-editor.org/rfc/rfc8656
//! [RFC 8489 §9.2]: https://www.rfc-editor.org/rfc/rfc8489#section-9.2
//! [RFC 6062]: https://www.rfc-editor.org/rfc/rfc6062
//! [RFC 8016]: https://www.rfc-editor.org/rfc/rfc8016

mod allocation;
mod authentication;
mod budget;
mod channel_data;
mod credentials;
mod drops;
#[doc(hidden)]
pub mod fuzz;
mod lifecycle;
mod nonce;
mod peer_policy;
mod relaying;
mod reply;
mod requests;
mod server;
mod settings;

use stun_types::message::Method;

pub use allocation::{CHANNEL_LIFETIME, Family, PERMISSION_LIFETIME, RelayKey};
pub use budget::Rate;
pub use channel_data::{ChannelNumber, LONGEST_IN_STREAM, NotTurn, first_message};
pub use credentials::{Lookup, PasswordAlgorithm, TimeLimited, User, UserName, Users, userhash};
pub use drops::{Drops, Errors, Reason, Stats};
pub use peer_policy::{InvalidPrefix, PeerPolicy, Prefix};
pub use relaying::{HEADROOM, TAILROOM};
pub use server::{Command, NotOpened, Server, Verdict};
pub use settings::{Limits, RealmTooLong, Settings};

/// The methods of [RFC 8656 §17](https://www.rfc-editor.org/rfc/rfc8656#section-17).
const ALLOCATE: Method = Method::new(0x003);
const REFRESH: Method = Method::new(0x004);
const SEND: Method = Method::new(0x006);
const DATA_METHOD: Method = Method::new(0x007);
const CREATE_PERMISSION: Method = Method::new(0x008);
const CHANNEL_BIND: Method = Method::new(0x009);
