//! Who sends a request: the challenge, the question for the user, the verdict.
//!
//! A request without credentials, or with credentials of no use, is answered statelessly. Only one whose nonce is ours
//! and fresh makes the store work. Every request that creates state passes here, and a request within a dialog that comes
//! from another address than the dialog's far end; ACK, CANCEL and other requests within a dialog belong to one that did.

use std::time::Instant;

use rand::Rng;
use rand::rngs::StdRng;
use ringback_sip::digest::{self, Authenticator, Claim, Credentials, Realm, Refusal, Reply, Staleness};
use ringback_sip::message::{Builder, Message, Method, Name};
use ringback_sip::uri::Uri;

use crate::ask::{Ask, User};
use crate::event::Event;
use crate::exchange::{Exchange, Incoming, Membership, warning};
use crate::parked::Parked;
use crate::settings::{InvalidSettings, Settings};

/// The authenticator of our realm.
#[derive(Debug)]
pub(crate) struct Authentication {
    authenticator: Authenticator,
}

impl Authentication {
    /// An authenticator under a fresh secret. Nonces of an earlier process are stale.
    pub fn new(settings: &Settings, random: &mut StdRng) -> Result<Self, InvalidSettings> {
        let realm = Realm::new(&settings.realm)?;
        let mut secret = [0; 32];
        random.fill_bytes(&mut secret);
        let digest = digest::Settings { algorithms: settings.digest.clone(), ..digest::Settings::default() };
        let start = settings.epoch.instant;
        Ok(Authentication { authenticator: Authenticator::new(realm, secret, start, &digest) })
    }

    /// What was challenged, accepted and refused.
    pub fn stats(&self) -> &digest::Stats {
        self.authenticator.stats()
    }
}

impl Exchange {
    /// The first half: looks at the credentials and asks who the user is.
    pub(crate) fn authenticate(&mut self, now: Instant, incoming: Incoming) {
        let source = incoming.flow.remote().ip();
        let authenticator = &mut self.authentication.authenticator;
        let selected = authenticator.select(incoming.message.headers(credentials_header(&incoming.message)));
        let examined = selected.and_then(|credentials| {
            let method = incoming.message.method_ref().as_bytes();
            let claim = authenticator.examine(now, source, method, &credentials)?;
            Ok((String::from_utf8_lossy(credentials.username()).into_owned(), claim))
        });
        let (user, claim) = match examined {
            Ok(examined) => examined,
            Err(refusal) => return self.refuse_credentials(now, incoming, refusal, String::new()),
        };
        if self.parked.len() >= self.settings.limits.questions {
            self.stats.requests_overloaded += 1;
            let retry_after = self.retry_after();
            let reply = self.reply(&incoming.message, 503).header(Name::RetryAfter, retry_after).finish();
            return self.reply_stateless(incoming.server, reply);
        }
        if self.begins_call(&incoming) {
            self.fingerprints.insert(self.fingerprint(&incoming.message), incoming.server);
        }
        let realm = self.settings.realm.clone();
        let parked = Parked::Credentials(Box::new(incoming), Box::new(claim));
        self.ask(parked, Ask::Credentials { user, realm });
    }

    /// The second half: the user is known, or known not to be.
    pub(crate) fn credentials_known(
        &mut self,
        now: Instant,
        incoming: Incoming,
        claim: &Claim,
        user: Option<User>,
    ) {
        if self.begins_call(&incoming) {
            self.fingerprints.remove(&self.fingerprint(&incoming.message));
        }
        let source = incoming.flow.remote().ip();
        let secret = user.as_ref().and_then(|user| secret_for(user, claim));
        let verified = self.authentication.authenticator.verify(claim, secret);
        let user = match (user, verified) {
            (Some(user), Ok(())) => user,
            (_, verified) => {
                let refusal = verified.err().unwrap_or(Refusal::BadCredentials);
                let claimed = self.claimed_user(&incoming.message);
                return self.refuse_credentials(now, incoming, refusal, claimed);
            }
        };
        self.admission.succeeded(now, source);
        self.events.push_back(Event::Authenticated { flow: incoming.flow });
        if let Some(id) = self.subscription_of(&incoming.message) {
            let subscription = self.event_state.notifier.get(id);
            return if subscription.is_some_and(|subscription| subscription.watcher == user.name) {
                self.request_in_subscription(now, id, incoming);
            } else {
                self.refuse_identity(now, &incoming);
            };
        }
        match self.membership(&incoming.message, incoming.flow) {
            // It ended while the question was out.
            Some(Membership::None) => {
                self.stats.requests_outside_dialog += 1;
                let reply = self.reply(&incoming.message, 481).finish();
                self.respond(now, incoming.server, reply);
            }
            Some(Membership::Member(key) | Membership::Elsewhere(key)) => {
                let number = self.call_of(key);
                let leg = self.calls.get(&number).and_then(|call| call.leg(key));
                if leg.is_none_or(|leg| leg.aor != user.name) {
                    return self.refuse_identity(now, &incoming);
                }
                self.on_call(now, number, |exchange, call| {
                    exchange.request_in_dialog(now, call, key, incoming);
                });
            }
            None if !claims_to_be(&incoming.message, &user.name) => self.refuse_identity(now, &incoming),
            None if *incoming.message.method_ref() == Method::Register => self.register(now, incoming, &user),
            None => self.serve_when_reached(now, incoming, user),
        }
    }

    /// Serves an authenticated request outside of dialogs.
    pub(crate) fn serve(&mut self, now: Instant, incoming: Incoming, user: &User) {
        match incoming.message.method_ref() {
            Method::Subscribe => self.subscribe(now, incoming, user),
            Method::Publish => self.publish(now, incoming, user),
            Method::Message => self.message(now, incoming, user),
            Method::Invite => self.start_call(now, incoming, user),
            _ => self.proxy(now, incoming, user),
        }
    }

    /// The user that a request claims to be from, as far as it is told.
    fn claimed_user(&mut self, message: &Message) -> String {
        let selected = self.authentication.authenticator.select(message.headers(credentials_header(message)));
        let claimed = selected.as_ref().map_or(&b""[..], Credentials::username);
        String::from_utf8_lossy(claimed).chars().take(MAX_CLAIMED).collect()
    }

    pub(crate) fn begins_call(&self, incoming: &Incoming) -> bool {
        *incoming.message.method_ref() == Method::Invite
            && incoming.message.to().is_ok_and(|to| to.tag().is_none())
    }

    fn refuse_identity(&mut self, now: Instant, incoming: &Incoming) {
        self.stats.identities_refused += 1;
        let words = "the address in From or To belongs to somebody else";
        self.refuse(now, incoming.server, &incoming.message, 403, words);
    }

    fn refuse_credentials(&mut self, now: Instant, incoming: Incoming, refusal: Refusal, claimed: String) {
        let source = incoming.flow.remote().ip();
        if refusal.is_failed_guess() {
            self.stats.credentials_refused += 1;
            self.events.push_back(Event::CredentialsRefused { user: claimed, source });
            if let Some(ban) = self.admission.failed(now, source) {
                self.events.push_back(Event::SourceBanned { source, seconds: ban.as_secs() });
            }
        } else {
            self.stats.requests_unauthenticated += 1;
        }
        let response = match refusal.reply() {
            Reply::BadRequest => {
                self.reply(&incoming.message, 400).header(Name::Warning, warning(&refusal.to_string()))
            }
            Reply::Challenge(staleness) => self.challenge(now, &incoming, staleness),
        };
        self.reply_stateless(incoming.server, response.finish());
    }

    fn challenge(&mut self, now: Instant, incoming: &Incoming, staleness: Staleness) -> Builder {
        let is_register = *incoming.message.method_ref() == Method::Register;
        let (status, name) =
            if is_register { (401, Name::WwwAuthenticate) } else { (407, Name::ProxyAuthenticate) };
        let (source, transport) = (incoming.flow.remote().ip(), incoming.flow.transport());
        let challenges = self.authentication.authenticator.challenge(now, source, transport, staleness);
        let mut reply = self.reply(&incoming.message, status);
        for challenge in &challenges {
            reply = reply.header(name, challenge);
        }
        reply
    }
}

fn credentials_header(message: &Message) -> Name {
    if *message.method_ref() == Method::Register { Name::Authorization } else { Name::ProxyAuthorization }
}

fn secret_for<'u>(user: &'u User, claim: &Claim) -> Option<&'u digest::Ha1> {
    user.ha1.iter().find(|ha1| ha1.algorithm() == claim.algorithm())
}

/// Whether the From (of a REGISTER also the To) names the authenticated user. The host is not compared: without a
/// domain every host is ours, and with one a phone may write the address it was given.
fn claims_to_be(message: &Message, name: &str) -> bool {
    let is_user = |uri: &[u8]| {
        Uri::parse(uri).ok().and_then(|uri| uri.user_unescaped().map(|user| *user == *name.as_bytes()))
            == Some(true)
    };
    let from = message.from().is_ok_and(|from| is_user(from.uri));
    let to = *message.method_ref() != Method::Register || message.to().is_ok_and(|to| is_user(to.uri));
    from && to
}

/// Characters of a claimed user name that are told.
const MAX_CLAIMED: usize = 64;
