//! The questions of the exchange and who answers them: the accounts in memory, and the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use ringback_control::{Answer, Ask, AskId, Epoch, Exchange, NotConnected, User};
use ringback_sip::location::Change;
use ringback_sip::resolve;

use super::records;
use crate::net::client::{Dialler, Order};
use crate::store::{MessageRow, Reader, Write, Writer};
use crate::telemetry::{LogLimit, NOBODY, Sound, limited};

/// Those who may sign in, by name.
#[derive(Debug)]
pub struct Users(HashMap<String, User>);

impl Users {
    /// Takes the accounts.
    pub fn new(users: Vec<User>) -> Self {
        Users(users.into_iter().map(|user| (user.name.clone(), user)).collect())
    }

    /// Adds, changes or (`None`) removes one.
    pub fn change(&mut self, name: String, user: Option<Box<User>>) {
        match user {
            Some(user) => self.0.insert(name, *user),
            None => self.0.remove(&name),
        };
    }
}

/// Questions that wait for the store.
#[derive(Debug)]
pub struct Pending {
    writer: Writer,
    reader: Reader,
    dialler: Dialler,
    epoch: Epoch,
    asked: HashMap<u64, AskId>,
    next: u64,
    log: Arc<LogLimit>,
    sound: Arc<Sound>,
}

impl Pending {
    /// Nothing waits.
    pub fn new(
        writer: Writer,
        reader: Reader,
        dialler: Dialler,
        epoch: Epoch,
        log: Arc<LogLimit>,
        sound: Arc<Sound>,
    ) -> Self {
        Pending { writer, reader, dialler, epoch, asked: HashMap::new(), next: 0, log, sound }
    }

    /// Answers a question, at once or when the store has written.
    pub fn ask(&mut self, now: Instant, id: AskId, ask: Ask, users: &Users, exchange: &mut Exchange) {
        match ask {
            Ask::Credentials { user, .. } => {
                exchange.handle_answer(now, id, Answer::Credentials(users.0.get(&user).cloned()));
            }
            Ask::Persist(changes) => {
                let writes = changes.iter().map(|change| self.write(change)).collect();
                self.submit(now, id, writes, "a registration was refused", exchange);
            }
            Ask::StoreMessage(message) => {
                let writes = vec![Write::AddMessage(Box::new(records::message_row(*message)))];
                self.submit(now, id, writes, "a message was refused", exchange);
            }
            Ask::AmendRecord { call, leg, metrics } => {
                let leg = records::signed(leg as u64);
                let reported = Box::new(records::reported_row(&metrics));
                let writes = vec![Write::AmendCdr { call, leg, reported }];
                self.submit(now, id, writes, "a report about a call that is over was refused", exchange);
            }
            Ask::MessageDelivered { user, number } => {
                let writes = vec![Write::RemoveMessage { user, number: records::signed(number) }];
                self.submit(now, id, writes, "a message that was delivered is kept", exchange);
            }
            Ask::ForgetMessages { user } => {
                let writes = vec![Write::RemoveMessages { user }];
                self.submit(now, id, writes, "the messages of a user who is no more are kept", exchange);
            }
            Ask::StoredMessages { user, after } => {
                let ticket = self.ticket();
                match self.reader.messages(ticket, user, records::signed(after)) {
                    Ok(()) => {
                        self.asked.insert(ticket, id);
                    }
                    Err(refused) => {
                        let words = "messages are delivered another time";
                        limited!(self.log, WARN, NOBODY, "messages", %refused, "{words}");
                        exchange.handle_answer(now, id, Answer::Messages(Vec::new()));
                    }
                }
            }
            Ask::Features { user, features } => {
                let ticket = self.ticket();
                match self.writer.submit(ticket, vec![Write::PutFeatures { user, features }]) {
                    Ok(()) => {
                        self.asked.insert(ticket, id);
                    }
                    Err(refused) => {
                        tracing::warn!(%refused, "a setting was refused");
                        exchange.handle_answer(now, id, Answer::Persisted(false));
                    }
                }
            }
            // The numbers of the exchange are those of the orders: they come back as they are.
            Ask::Dns(question) => {
                if self.dialler.order(Order::LookUp(id.0, question)).is_err() {
                    exchange.handle_answer(now, id, Answer::Dns(resolve::Answer::Failed));
                }
            }
            Ask::Connect(target) => {
                if self.dialler.order(Order::Connect(id.0, target)).is_err() {
                    exchange.handle_answer(now, id, Answer::Connected(Err(NotConnected::TooMany)));
                }
            }
            Ask::Record(cdr) => {
                records::log(&cdr);
                self.sound.count(&cdr);
                let ticket = self.ticket();
                let row = Box::new(records::row(&cdr));
                match self.writer.submit(ticket, vec![Write::Cdr(row)]) {
                    // It waits in the writer for a disk that takes no writes.
                    Ok(()) => {
                        self.asked.insert(ticket, id);
                    }
                    Err(refused) => {
                        tracing::error!(%refused, call = cdr.id, "the record of a call is lost");
                        exchange.handle_answer(now, id, Answer::Persisted(false));
                    }
                }
            }
        }
    }

    /// The store has settled a ticket.
    pub fn settled(&mut self, now: Instant, ticket: u64, durable: bool, exchange: &mut Exchange) {
        if let Some(id) = self.asked.remove(&ticket) {
            exchange.handle_answer(now, id, Answer::Persisted(durable));
        }
    }

    /// The store has read the messages of a ticket.
    pub fn read(&mut self, now: Instant, ticket: u64, rows: Vec<MessageRow>, exchange: &mut Exchange) {
        if let Some(id) = self.asked.remove(&ticket) {
            let messages = rows.into_iter().map(records::message).collect();
            exchange.handle_answer(now, id, Answer::Messages(messages));
        }
    }

    /// Has the store write, or says at once that it does not.
    fn submit(
        &mut self,
        now: Instant,
        id: AskId,
        writes: Vec<Write>,
        otherwise: &'static str,
        exchange: &mut Exchange,
    ) {
        let ticket = self.ticket();
        match self.writer.submit(ticket, writes) {
            Ok(()) => {
                self.asked.insert(ticket, id);
            }
            Err(refused) => {
                limited!(self.log, WARN, NOBODY, otherwise, %refused, "{otherwise}");
                exchange.handle_answer(now, id, Answer::Persisted(false));
            }
        }
    }

    /// Whether the store takes writes.
    pub fn store_is_healthy(&self) -> bool {
        self.writer.stats().is_healthy()
    }

    fn ticket(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn write(&self, change: &Change) -> Write {
        match change {
            Change::Upsert { binding, .. } => Write::UpsertBinding(records::binding_row(
                &binding.record(self.epoch.unix_ms(binding.expires())),
            )),
            Change::Remove { binding, .. } => Write::RemoveBinding {
                aor: String::from_utf8_lossy(binding.aor().as_bytes()).into_owned(),
                key: records::binding_key(binding.id()),
            },
        }
    }
}
