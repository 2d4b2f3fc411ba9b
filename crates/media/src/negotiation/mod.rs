//! Offer and answer ([RFC 3264]) between the two legs of a call, each with a media profile of its own.
//!
//! A [`Party`] is one leg's state: what the far end described last, what we described to it last, and an offer that waits
//! for its answer. `handle_offer` and `handle_answer` take what arrived; `offer` and `answer` write what goes out, from
//! what the *other* party described. So a call is two parties and nothing between them:
//!
//! ```text
//! INVITE from A    a.handle_offer(sdp)    b.offer(&a)     → INVITE to B
//! 200 from B       b.handle_answer(sdp)   a.answer(&b)    → 200 to A
//! then             a.agreed()  b.agreed()  payload_map(&a, &b)  payload_map(&b, &a)
//! ```
//!
//! What passes through: audio codecs with their parameters, telephone-event, comfort noise, ptime, and the direction, so
//! that hold works end to end. What belongs to a leg alone: addresses, ICE, DTLS, rtcp-mux, mid and BUNDLE, the m=
//! sections and their order, and payload type numbers.
//!
//! Rules:
//! - One audio section is served, and one of video beside it (`video.rs`), or a fax instead (`fax.rs`). Every other m=
//!   section is answered with port 0, keeps its place and its mid in all later descriptions of that leg, and is not
//!   offered to the other leg. Sections are a list throughout.
//! - An offer keeps the codec order of the offer it passes on, and its payload type numbers, unless the leg already uses
//!   a number otherwise (RFC 3264 §8.3.2) or the number would be taken for RTCP with rtcp-mux ([RFC 5761 §4]).
//! - An answer lists, in the numbers of the offer that it answers, the codecs that the far party took, in *its* order:
//!   it is the real answerer, and its first codec is what it wants to receive (RFC 3264 §6.1 leaves the order free).
//!   telephone-event and comfort noise stay only beside audio of their clock rate ([RFC 4733 §2.1]).
//! - Where the legs share no audio, or may share none, we stand between them: codecs of ours are added behind those of
//!   the offer that is passed on ([`Transcoding`] says when), an answer without common codecs takes the first that we
//!   know, and [`patch`](fn@patch) says what has to be made anew, for the codec or for keys. What both have always comes first.
//! - Formats that name other payload types (`red`, `rtx`, FEC) do not pass, because legs number for themselves; a browser
//!   has `rtx` with us.
//! - A leg with ports of its own is never offered rtcp-mux; an offer of it is accepted. How its media is protected, and
//!   what of that another leg sees (nothing), is told in `protection.rs`.
//! - Our SDES keys stay as they are through holds and refreshes, and change when the far end offers another one of its own
//!   ([RFC 4568 §7.1.4]).
//! - Our offers say `setup:actpass`, our answers prefer `passive`. A role once taken stays as long as the peer's
//!   fingerprints stay, through ICE restarts too ([RFC 8842 §5.5]).
//! - The o= version grows by one when the text changes, and only then. Asking again with unchanged input gives the same
//!   bytes, so 183 and 200 carry one answer.
//!
//! - Where media goes past us ([`Party::past_us`]) each is told the other's own address, and rtcp-mux is theirs to agree
//!   on. The `o=` line stays ours.
//! - Of `a=rtcp` only the port counts: a third address would aim our packets at someone else.
//!
//! Left out: a second section of video, `a=tls-id`, and
//! agreeing with the offerer again when a late answer takes fewer codecs than it was offered; ICE on a leg with ports of
//! its own (its answer has none, so the offerer goes without, [RFC 8839 §4.2.5]).
//!
//! [RFC 3264]: https://www.rfc-editor.org/rfc/rfc3264
//! [RFC 4733 §2.1]: https://www.rfc-editor.org/rfc/rfc4733#section-2.1
//! [RFC 4568 §7.1.4]: https://www.rfc-editor.org/rfc/rfc4568#section-7.1.4
//! [RFC 5761 §4]: https://www.rfc-editor.org/rfc/rfc5761#section-4
//! [RFC 8839 §4.2.5]: https://www.rfc-editor.org/rfc/rfc8839#section-4.2.5
//! [RFC 8842 §5.5]: https://www.rfc-editor.org/rfc/rfc8842#section-5.5

mod acceptance;
mod agreed;
mod bypass;
mod fax;
mod formats;
#[doc(hidden)]
pub mod fuzz;
mod local;
mod party;
mod patch;
mod payloads;
mod protection;
mod refusal;
mod settings;
mod stream;
mod video;
mod writing;

pub use bypass::{Source, plain_address, reach_each_other};
pub use local::{Local, LocalVideo, Profile};
pub use party::Party;
pub use patch::{Keys, Patch, Signalled, patch, patch_alone, recordable};
pub use payloads::{Payload, PayloadMap, Payloads, payload_map};
pub use protection::{Sdes, Seed, Srtp};
pub use refusal::Refusal;
/// The ICE credentials of a [`Local`], for those who may not know the crate that they come from.
pub use ringback_nat::ice::Credentials;
pub use settings::{Candidates, Dtls, LegSettings, Remote, Transcoding};
pub use video::{Repairs, VideoSettings, offers_video, video_map};
