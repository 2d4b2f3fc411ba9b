//! The registrar ([RFC 3261 §10.3]), with what of outbound ([RFC 5626 §6]) and Path ([RFC 3327 §5.3]) concerns it.
//!
//! [`process`] does one REGISTER that has been authenticated: its address of record is the caller's to say. It gives the
//! response, and what the store must have before that response may be sent:
//!
//! ```text
//! process ──▶ Outcome { ticket, changes, response }
//!               │ None: send the response
//!               │ Some: write `changes`; then
//!               ├─ written     ──▶ Location::commit(ticket),    send the response
//!               └─ not written ──▶ Location::roll_back(ticket), send `not_stored`
//! ```
//!
//! Assumptions and what is left out:
//! - A retransmission never comes here: the transaction layer absorbs it.
//! - Contacts other than `sip:` and `sips:` are refused, for they could not be reached over a flow.
//! - A Path is stored whether or not the client says `Supported: path` (RFC 3327 §5.3 leaves that to us), because the
//!   contact cannot be reached without it; it is told to the client only when it does say so.
//! - A `reg-id` is honoured with or without `Supported: outbound`: what matters is that a device is recognised when it
//!   comes back. Only with it is a first hop without outbound an error.
//! - A Flow-Timer is for flows that the client keeps alive by CRLF: over WebSockets we ping (RFC 7118 §6), and over
//!   datagrams it says nothing.
//! - A Service-Route goes to every client, as RFC 3608 has no option tag for it; GRUUs to those that ask.
//! - `Contact` headers in URIs and third-party registration policy are not here.
//!
//! [RFC 3261 §10.3]: https://www.rfc-editor.org/rfc/rfc3261#section-10.3
//! [RFC 5626 §6]: https://www.rfc-editor.org/rfc/rfc5626#section-6
//! [RFC 3327 §5.3]: https://www.rfc-editor.org/rfc/rfc3327#section-5.3

mod contact;
mod rejection;
mod settings;

pub use rejection::Rejection;
pub use settings::{InvalidSettings, Settings};

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use ringback_sansio::Flow;

use crate::gruu::Gruus;
use crate::header::HeaderError;
use crate::location::{Binding, Change, Draft, Location, Ticket, Update};
use crate::message::{Builder, Message, Name};
use crate::outbound;
use crate::uri::Uri;
use contact::Contact;

/// What a REGISTER comes to.
#[derive(Debug)]
#[must_use = "the ticket is committed or rolled back, and the response sent"]
pub struct Outcome {
    /// The update, when there is one: the response may be sent only after it is committed.
    pub ticket: Option<Ticket>,
    /// What the store must write for the update.
    pub changes: Vec<Change>,
    /// The 200, with every contact of the address of record. Tag and Date are the caller's to add.
    pub response: Builder,
}

/// Does a REGISTER for an address of record, received over the flow.
///
/// Either all of its contacts are done or none.
pub fn process(
    location: &mut Location,
    settings: &Settings,
    now: Instant,
    request: &Message,
    aor: &[u8],
    flow: Flow,
) -> Result<Outcome, Rejection> {
    let registration = Registration::read(request, settings, flow)?;
    let mut update = location.update(aor);
    let mut uses_outbound = false;
    if registration.wildcard(request)? {
        for binding in update.bindings().to_vec() {
            registration.check_order(&update, &binding)?;
            update.remove(binding.id());
        }
    } else {
        for value in request.values(Name::Contact) {
            let contact = Contact::parse(value)?;
            if contact.is_gruu_of(request.to()?.uri) {
                return Err(Rejection::ContactIsGruu);
            }
            uses_outbound |= registration.apply(&mut update, settings, now, &contact)?;
        }
    }
    let (ticket, changes) = update.finish();
    let response = registration.response(request, location, settings, now, aor, uses_outbound);
    Ok(Outcome { ticket, changes, response })
}

/// The answer to a REGISTER whose changes the store did not take.
pub fn not_stored(request: &Message) -> Builder {
    Builder::reply(request, 500)
}

/// What is common to all contacts of a REGISTER.
struct Registration<'m> {
    call_id: &'m [u8],
    cseq: u32,
    expires: Option<u32>,
    user_agent: &'m [u8],
    path: Vec<u8>,
    supports_path: bool,
    /// The client asks for outbound or requires it.
    supports_outbound: bool,
    first_hop_supports_outbound: bool,
    /// The To, when the client is to be given GRUUs.
    gruu_base: Option<&'m [u8]>,
    flow: Flow,
}

impl<'m> Registration<'m> {
    fn read(request: &'m Message, settings: &Settings, flow: Flow) -> Result<Self, Rejection> {
        let gives_gruus = settings.gruus.is_some();
        let is_gruu = |option: &[u8]| gives_gruus && option.eq_ignore_ascii_case(b"gruu");
        let mut unsupported =
            request.values(Name::Require).filter(|option| !is_option(option) && !is_gruu(option)).peekable();
        if unsupported.peek().is_some() {
            return Err(Rejection::BadExtension {
                unsupported: unsupported.collect::<Vec<_>>().join(&b", "[..]),
            });
        }
        let has =
            |name: Name, option: &[u8]| request.values(name).any(|value| value.eq_ignore_ascii_case(option));
        let supports = |option: &[u8]| has(Name::Supported, option) || has(Name::Require, option);
        Ok(Registration {
            call_id: request.call_id().ok_or(HeaderError::missing(Name::CallId))?,
            cseq: request.cseq()?.number,
            expires: request.expires(),
            user_agent: request.header(Name::UserAgent).unwrap_or_default(),
            path: outbound::path(request)?,
            supports_path: supports(b"path"),
            supports_outbound: supports(b"outbound"),
            first_hop_supports_outbound: outbound::first_hop_supports_outbound(request),
            gruu_base: if gives_gruus && supports(b"gruu") { Some(request.to()?.uri) } else { None },
            flow,
        })
    }

    /// Something that differs from request to request.
    fn chance(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.call_id, self.cseq).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether every binding is to be removed; a `*` in any other company is an error (§10.3 step 6).
    fn wildcard(&self, request: &Message) -> Result<bool, Rejection> {
        if !request.values(Name::Contact).any(|value| value == b"*") {
            return Ok(false);
        }
        if !request.is_wildcard_contact() {
            return Err(Rejection::WildcardWithContacts);
        }
        if self.expires != Some(0) {
            return Err(Rejection::WildcardWithoutZero);
        }
        Ok(true)
    }

    /// Adds, refreshes or removes one contact (§10.3 step 7); says whether it was registered for outbound.
    fn apply(
        &self,
        update: &mut Update<'_>,
        settings: &Settings,
        now: Instant,
        contact: &Contact<'_>,
    ) -> Result<bool, Rejection> {
        let asked = contact.outbound()?;
        if asked.is_some() && self.supports_outbound && !self.first_hop_supports_outbound {
            return Err(Rejection::FirstHopLacksOutbound);
        }
        let outbound = asked.filter(|_| self.first_hop_supports_outbound);
        let key = contact.key(outbound);
        let known = update.find(&key).cloned();
        if let Some(binding) = &known {
            self.check_order(update, binding)?;
        }
        let place = known.as_ref().map(|binding| binding.id());
        let same_call_id = known.filter(|binding| binding.call_id() == self.call_id);
        let first_cseq = same_call_id.map_or(self.cseq, |binding| binding.first_cseq());
        let Some(seconds) = settings.grant(contact.expires().or(self.expires), self.chance())? else {
            if let Some(id) = place {
                update.remove(id);
            }
            return Ok(false);
        };
        update.put(
            place,
            &Draft {
                contact: contact.text(),
                uri: contact.uri(),
                instance: contact.instance(),
                reg_id: outbound.map(|(_, reg_id)| reg_id),
                q: contact.q(),
                call_id: self.call_id,
                cseq: self.cseq,
                first_cseq,
                path: &self.path,
                user_agent: self.user_agent,
                flow: self.flow,
                expires: now + Duration::from_secs(u64::from(seconds)),
            },
        )?;
        Ok(outbound.is_some())
    }

    /// Refuses a REGISTER that was sent before one that is already done (§10.3 step 7).
    fn check_order(&self, update: &Update<'_>, binding: &Binding) -> Result<(), Rejection> {
        // Two contacts of one REGISTER that come to one binding: the later one counts.
        let in_order =
            update.is_own(binding) || binding.call_id() != self.call_id || binding.cseq() < self.cseq;
        if in_order { Ok(()) } else { Err(Rejection::OutOfOrder) }
    }

    /// The 200 with what is registered (§10.3 step 8).
    fn response(
        &self,
        request: &Message,
        location: &Location,
        settings: &Settings,
        now: Instant,
        aor: &[u8],
        uses_outbound: bool,
    ) -> Builder {
        let mut response = Builder::reply(request, 200);
        let mut line = Vec::with_capacity(USUAL_CONTACT);
        let base = self.gruu_base.and_then(|base| Uri::parse(base).ok());
        for binding in location.targets(aor).filter(|binding| binding.expires() > now) {
            let left = binding.expires().saturating_duration_since(now);
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            line.clear();
            line.extend_from_slice(binding.contact());
            line.extend_from_slice(b";expires=");
            line.extend_from_slice(seconds.to_string().as_bytes());
            if let (Some(gruus), Some(aor)) = (&settings.gruus, &base) {
                add_gruus(gruus, aor, binding, &mut line);
            }
            response = response.header(Name::Contact, &line);
        }
        for route in &settings.service_routes {
            response = response.header(Name::ServiceRoute, route);
        }
        if self.supports_path && !self.path.is_empty() {
            response = response.header(Name::Path, &self.path);
        }
        if uses_outbound {
            response = response.header(Name::Supported, "outbound, path");
            // The client looks here for whether its registration is one for outbound (RFC 5626 §4.2.1).
            if self.supports_outbound {
                response = response.header(Name::Require, "outbound");
            }
            if let Some(seconds) = settings.flow_timer
                && self.supports_outbound
                && self.flow.transport().is_stream()
            {
                response = response.header(Name::FlowTimer, seconds.to_string());
            }
        }
        response
    }
}

/// Writes the GRUUs of a contact's device as parameters ([RFC 5627 §5.1]).
///
/// No character of a URI needs an escape in quotes.
///
/// [RFC 5627 §5.1]: https://www.rfc-editor.org/rfc/rfc5627#section-5.1
fn add_gruus(gruus: &Gruus, aor: &Uri<'_>, binding: &Binding, line: &mut Vec<u8>) {
    let Some(instance) = binding.instance() else { return };
    line.extend_from_slice(b";pub-gruu=\"");
    gruus.write_public(aor, instance, line);
    line.push(b'"');
    let before = line.len();
    line.extend_from_slice(b";temp-gruu=\"");
    if gruus.write_temporary(aor, binding, line) {
        line.push(b'"');
    } else {
        line.truncate(before);
    }
}

/// Whether we do what the option tag stands for, in a REGISTER.
fn is_option(tag: &[u8]) -> bool {
    OPTIONS.iter().any(|option| option.eq_ignore_ascii_case(tag))
}

const OPTIONS: [&[u8]; 2] = [b"outbound", b"path"];

/// Room for the Contact of a browser.
const USUAL_CONTACT: usize = 448;
