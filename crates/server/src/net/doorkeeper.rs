//! How many connections there are, and which of them gives way to a new one.
//!
//! A connection on which no user has signed in is a guest. There are bounds for the guests of one source and for all
//! connections; when a new one comes above them, the guest that was there first goes. So a crowd of idle connections
//! keeps nobody out, and a connection on which a user has signed in is never taken away.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringback_sansio::source_prefix;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::End;
use crate::config::Listen;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// In all.
    pub connections: u32,
    /// From one source, without a user.
    pub per_source: u32,
    /// Without a user from a source that many share: a loopback address, or a trusted proxy.
    pub per_shared_source: u32,
}

/// Who lets connections in: in all, and from each source those that no user has signed in on.
#[derive(Debug)]
pub struct Doorkeeper {
    bounds: Bounds,
    listen: Listen,
    hall: Mutex<Hall>,
}

/// Who is inside.
#[derive(Debug, Default)]
struct Hall {
    open: u32,
    /// Connections that we have made ourselves.
    ours: u32,
    refused: u64,
    /// How many have come so far: the number of the next one.
    came: u64,
    /// The guests by their numbers, so that the first one is the oldest.
    guests: BTreeMap<u64, Guest>,
    /// The numbers of the guests of each source.
    sources: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Guest {
    source: IpAddr,
    leave: Arc<Notify>,
}

/// The place of one connection; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    doorkeeper: Arc<Doorkeeper>,
    number: u64,
    /// Told once, when a newer connection needs the place, or whoever has it is to leave.
    leave: Arc<Notify>,
    has_user: AtomicBool,
    /// Whether it is to leave because of what it asks.
    asks_too_much: AtomicBool,
    maker: Maker,
}

/// Who has made a connection.
#[derive(Debug, Clone, Copy)]
enum Maker {
    /// A client.
    Client,
    /// We ourselves.
    Ours,
}

impl Doorkeeper {
    /// Lets connections in up to `bounds`. The proxies of `listen` bring the connections of many.
    pub fn new(bounds: Bounds, listen: Listen) -> Arc<Self> {
        Arc::new(Doorkeeper { bounds, listen, hall: Mutex::default() })
    }

    /// A place for a connection. `None` when there is none to be freed either.
    pub fn admit(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let mut hall = self.hall();
        hall.make_room(source_prefix(source), self.limit(source));
        if hall.open >= self.bounds.connections && !hall.evict_oldest() {
            hall.refused += 1;
            return None;
        }
        let number = hall.came;
        let leave = Arc::new(Notify::new());
        hall.came += 1;
        hall.open += 1;
        hall.enter(number, Guest { source: source_prefix(source), leave: leave.clone() });
        Some(self.place(number, leave, Maker::Client))
    }

    /// The place of a connection of our own. It was made for a user, so no crowd takes it; and since the exchange
    /// bounds how many there are, it counts in none of the bounds for those who come: a telephone that is called keeps
    /// nobody out.
    pub fn ours(self: &Arc<Self>) -> Place {
        let mut hall = self.hall();
        let number = hall.came;
        hall.came += 1;
        hall.ours += 1;
        let place = self.place(number, Arc::new(Notify::new()), Maker::Ours);
        place.has_user.store(true, Ordering::Relaxed);
        place
    }

    fn place(self: &Arc<Self>, number: u64, leave: Arc<Notify>, maker: Maker) -> Place {
        let (has_user, asks_too_much) = (AtomicBool::new(false), AtomicBool::new(false));
        Place { doorkeeper: self.clone(), number, leave, has_user, asks_too_much, maker }
    }

    /// Connections that are open and were not told to leave, whoever made them.
    pub fn open(&self) -> u32 {
        let hall = self.hall();
        hall.open + hall.ours
    }

    /// Connections that were turned away.
    pub fn refused(&self) -> u64 {
        self.hall().refused
    }

    /// Whether every connection from `address` begins with a PROXY header.
    pub fn expects_proxy_header(&self, address: IpAddr) -> bool {
        self.listen.expects_proxy_header(address)
    }

    /// How many guests of a source there may be.
    fn limit(&self, source: IpAddr) -> usize {
        let is_shared = source.to_canonical().is_loopback() || self.listen.is_proxy(source);
        let limit = if is_shared { self.bounds.per_shared_source } else { self.bounds.per_source };
        limit as usize
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        // A poisoned lock means that another task panicked while counting; the counts are still counts.
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hall {
    fn enter(&mut self, number: u64, guest: Guest) {
        self.sources.entry(guest.source).or_default().insert(number);
        self.guests.insert(number, guest);
    }

    /// Takes a guest out of the tables, without telling it.
    fn leave(&mut self, number: u64) -> Option<Guest> {
        let guest = self.guests.remove(&number)?;
        if let Some(numbers) = self.sources.get_mut(&guest.source) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.sources.remove(&guest.source);
            }
        }
        Some(guest)
    }

    /// Sends the oldest guests of a source away until there is room for one more within `limit`.
    fn make_room(&mut self, source: IpAddr, limit: usize) {
        while let Some(numbers) = self.sources.get(&source).filter(|numbers| numbers.len() >= limit) {
            let Some(&oldest) = numbers.first() else { return };
            self.evict(oldest);
        }
    }

    /// Sends the oldest guest of all away; says whether there was one.
    fn evict_oldest(&mut self) -> bool {
        let oldest = self.guests.keys().next().copied();
        oldest.inspect(|&oldest| self.evict(oldest)).is_some()
    }

    /// The task of the connection is told and ends in a moment; its place counts as free at once.
    fn evict(&mut self, number: u64) {
        if let Some(guest) = self.leave(number) {
            self.open -= 1;
            guest.leave.notify_one();
        }
    }
}

impl Place {
    /// A user has signed in on this connection: it takes no place of its source's any more, and is never taken away. An
    /// office behind one address can have any number of phones.
    pub fn authenticated(&self) {
        if self.has_user() {
            return;
        }
        let mut hall = self.doorkeeper.hall();
        // One that was told to leave goes all the same: its place belongs to another.
        if hall.leave(self.number).is_some() {
            self.has_user.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a user has signed in.
    pub fn has_user(&self) -> bool {
        self.has_user.load(Ordering::Relaxed)
    }

    /// A trusted proxy says whose connection this is: it takes a place of that source's.
    pub fn belongs_to(&self, source: IpAddr) {
        let mut hall = self.doorkeeper.hall();
        let Some(guest) = hall.leave(self.number) else { return };
        let prefix = source_prefix(source);
        hall.make_room(prefix, self.doorkeeper.limit(source));
        hall.enter(self.number, Guest { source: prefix, ..guest });
    }

    /// Sends the connection away for what it asks, unless a user has signed in.
    pub fn send_away(&self) {
        // Whoever waits for the end reads why after it was told.
        self.asks_too_much.store(true, Ordering::Relaxed);
        self.doorkeeper.hall().evict(self.number);
    }

    /// Waits until a newer connection needs the place, or the connection is sent away.
    pub async fn evicted(&self) -> End {
        self.leave.notified().await;
        if self.asks_too_much.load(Ordering::Relaxed) { End::OverBudget } else { End::Evicted }
    }

    /// Waits until the place is lost, to a newer connection or because nobody has signed in for too long.
    pub async fn lost(&self, sign_in_within: Duration) -> End {
        tokio::select! {
            end = self.evicted() => end,
            () = sleep(sign_in_within) => match self.has_user() {
                true => self.evicted().await,
                false => End::NotSignedIn,
            },
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut hall = self.doorkeeper.hall();
        if let Maker::Ours = self.maker {
            hall.ours -= 1;
            return;
        }
        let was_guest = hall.leave(self.number).is_some();
        // One that was told to leave is counted as gone already.
        if was_guest || self.has_user() {
            hall.open -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doorkeeper(connections: u32, per_source: u32) -> Arc<Doorkeeper> {
        let bounds = Bounds { connections, per_source, per_shared_source: 5 };
        let listen = Listen {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            proxy_protocol: vec!["192.0.2.4".parse().unwrap()],
            ..Listen::default()
        };
        Doorkeeper::new(bounds, listen)
    }

    fn source(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    /// Whether the connection was told to leave; asking takes the message.
    fn was_evicted(place: &Place) -> bool {
        let mut evicted = std::pin::pin!(place.leave.notified());
        evicted.as_mut().enable()
    }

    fn evicted(places: &[Place]) -> Vec<usize> {
        (0..).zip(places).filter(|(_, place)| was_evicted(place)).map(|(at, _)| at).collect()
    }

    #[test]
    fn the_oldest_guest_of_a_source_gives_way_to_its_newest() {
        let doorkeeper = doorkeeper(10, 2);
        let places: Vec<_> = (0..4).map(|_| doorkeeper.admit(source(1)).expect("a place")).collect();
        let other = doorkeeper.admit(source(2)).expect("another source has places of its own");
        assert_eq!(evicted(&places), [0, 1]);
        assert!(!was_evicted(&other));
        assert_eq!((doorkeeper.open(), doorkeeper.refused()), (3, 0));
        drop(places);
        assert_eq!(doorkeeper.open(), 1, "those that were told to leave are not counted twice");
    }

    #[test]
    fn a_signed_in_connection_takes_no_place_of_its_source_and_is_never_evicted() {
        let doorkeeper = doorkeeper(10, 1);
        let phone = doorkeeper.admit(source(1)).expect("a place");
        phone.authenticated();
        phone.authenticated();
        let guests: Vec<_> = (0..3).map(|_| doorkeeper.admit(source(1)).expect("a place")).collect();
        assert_eq!(evicted(&guests), [0, 1]);
        assert!(!was_evicted(&phone));
        assert_eq!(doorkeeper.open(), 2);
        drop(phone);
        drop(guests);
        assert_eq!(doorkeeper.open(), 0);
    }

    #[test]
    fn the_oldest_guest_of_all_gives_way_when_the_server_is_full() {
        let doorkeeper = doorkeeper(3, 2);
        let phone = doorkeeper.admit(source(1)).expect("a place");
        phone.authenticated();
        let places: Vec<_> = (2..=5).filter_map(|last| doorkeeper.admit(source(last))).collect();
        assert_eq!((places.len(), doorkeeper.open()), (4, 3));
        assert_eq!(evicted(&places), [0, 1]);
        assert!(!was_evicted(&phone));
    }

    #[test]
    fn a_server_full_of_users_turns_new_connections_away() {
        let doorkeeper = doorkeeper(2, 2);
        let phones: Vec<_> = (1..=2).filter_map(|last| doorkeeper.admit(source(last))).collect();
        phones.iter().for_each(Place::authenticated);
        assert!(doorkeeper.admit(source(3)).is_none());
        assert_eq!((doorkeeper.open(), doorkeeper.refused()), (2, 1));
        assert_eq!(evicted(&phones), [0usize; 0]);
        drop(phones);
        assert!(doorkeeper.admit(source(3)).is_some());
    }

    #[test]
    fn connections_of_our_own_keep_nobody_out_and_send_nobody_away() {
        let doorkeeper = doorkeeper(2, 1);
        let guest = doorkeeper.admit(source(1)).expect("a place");
        let ours: Vec<_> = (0..5).map(|_| doorkeeper.ours()).collect();
        assert!(!was_evicted(&guest));
        let phone = doorkeeper.admit(source(2)).expect("there is room for another");
        phone.authenticated();
        assert_eq!((doorkeeper.open(), doorkeeper.refused()), (7, 0));
        let newer = doorkeeper.admit(source(3)).expect("the guest gives way");
        assert!(was_evicted(&guest));
        assert_eq!(evicted(&ours), [0usize; 0]);
        drop((guest, phone, newer));
        assert_eq!(doorkeeper.open(), 5);
        drop(ours);
        assert_eq!(doorkeeper.open(), 0);
    }

    #[test]
    fn who_was_told_to_leave_cannot_sign_in_any_more() {
        let doorkeeper = doorkeeper(10, 1);
        let first = doorkeeper.admit(source(1)).expect("a place");
        let second = doorkeeper.admit(source(1)).expect("a place");
        first.authenticated();
        assert!(!first.has_user());
        drop(first);
        assert_eq!(doorkeeper.open(), 1);
        drop(second);
        assert_eq!(doorkeeper.open(), 0);
    }

    #[test]
    fn the_addresses_of_one_ipv6_customer_are_one_source() {
        let doorkeeper = doorkeeper(10, 1);
        let places: Vec<_> = ["2001:db8:1:2::3", "2001:db8:1:2:f::4", "2001:db8:1:3::3"]
            .iter()
            .filter_map(|address| doorkeeper.admit(address.parse().unwrap()))
            .collect();
        assert_eq!(evicted(&places), [0]);
    }

    #[test]
    fn who_asks_too_much_is_sent_away_and_a_user_never() {
        let doorkeeper = doorkeeper(10, 2);
        let [guest, phone] = [1, 2].map(|last| doorkeeper.admit(source(last)).expect("a place"));
        phone.authenticated();
        guest.send_away();
        phone.send_away();
        assert!(was_evicted(&guest) && !was_evicted(&phone));
        assert_eq!(doorkeeper.open(), 1);
        drop((guest, phone));
        assert_eq!(doorkeeper.open(), 0);
    }

    #[test]
    fn both_kinds_of_proxies_bring_the_connections_of_many() {
        for proxy in [[10, 0, 0, 1], [192, 0, 2, 4]] {
            let doorkeeper = doorkeeper(20, 1);
            let places: Vec<_> = (0..5).filter_map(|_| doorkeeper.admit(proxy.into())).collect();
            assert_eq!(evicted(&places), [0usize; 0]);
        }
    }

    #[test]
    fn behind_a_proxy_each_client_has_the_places_of_its_own_address() {
        let doorkeeper = doorkeeper(20, 1);
        let proxy = IpAddr::from([10, 0, 0, 1]);
        let places: Vec<_> = (0..5).filter_map(|_| doorkeeper.admit(proxy)).collect();
        assert_eq!(evicted(&places), [0usize; 0], "many share a proxy");
        for place in &places[..3] {
            place.belongs_to(source(1));
        }
        places[3].belongs_to(source(2));
        assert_eq!(evicted(&places), [0, 1], "the source of the first three has one place");
        let direct = doorkeeper.admit(source(2)).expect("a place");
        assert_eq!(evicted(&places), [3], "with and without a proxy it is one source");
        drop((places, direct));
        assert_eq!(doorkeeper.open(), 0);
        assert!(doorkeeper.hall().sources.is_empty(), "a source without connections is forgotten");
    }

    #[tokio::test]
    async fn a_connection_without_a_user_ends_in_time_and_one_with_a_user_does_not() {
        let doorkeeper = doorkeeper(10, 2);
        let within = Duration::from_millis(20);
        let guest = doorkeeper.admit(source(1)).expect("a place");
        assert_eq!(guest.lost(within).await, End::NotSignedIn);
        guest.authenticated();
        assert!(tokio::time::timeout(10 * within, guest.lost(within)).await.is_err());
    }

    #[tokio::test]
    async fn who_is_sent_away_hears_why() {
        let guest = doorkeeper(10, 1).admit(source(1)).expect("a place");
        guest.send_away();
        assert_eq!(guest.lost(Duration::from_secs(60)).await, End::OverBudget);
    }

    #[tokio::test]
    async fn who_is_evicted_hears_of_it_whenever_it_asks() {
        let doorkeeper = doorkeeper(10, 1);
        let first = doorkeeper.admit(source(1)).expect("a place");
        let _second = doorkeeper.admit(source(1)).expect("a place");
        assert_eq!(first.lost(Duration::from_secs(60)).await, End::Evicted);
    }
}
