//! Finding a place: located, then connected to.

use std::time::{Duration, Instant};

use rand::Rng;
use ringback_sansio::{Flow, Transport};
use ringback_sip::resolve::{
    self, Abilities, Destination, Failover, Failure, Families, Resolution, Target, Targets,
};
use ringback_sip::uri::Uri;

use super::dialogs::Stranded;
use super::held::WITHIN_BESIDE_OTHERS;
use super::large::NO_TCP;
use super::responses::Unanswerable;
use super::{Endpoint, HeldId, Place, Way};
use crate::ask::{Answer, Ask, NotConnected};
use crate::exchange::Exchange;
use crate::parked::Parked;

/// A place that is being looked for.
#[derive(Debug)]
pub(super) struct Search {
    begun: Instant,
    stage: Stage,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
enum Stage {
    Locating(Box<Resolution>),
    Connecting {
        failover: Box<Failover>,
        /// Until when what the DNS said holds.
        until: Instant,
    },
}

/// What waits for a place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiting {
    /// A request.
    Held(HeldId),
    /// A dialog whose connection is gone.
    Dialog(Stranded),
    /// The responses to an INVITE whose connection is gone.
    Response(Unanswerable),
}

/// What there is to a place at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sought {
    Found(Flow),
    /// Who waits is told.
    UnderWay,
    OutOfReach,
}

impl Exchange {
    /// Looks for a place.
    pub(super) fn seek(&mut self, now: Instant, place: &Place, waiting: Waiting) -> Sought {
        if !self.reach.searches.contains_key(place) {
            if let Some(flow) = self.reach.fresh_flow(now, place) {
                return Sought::Found(flow);
            }
            if self.reach.hopeless.get(place).is_some_and(|until| now < *until) {
                return Sought::OutOfReach;
            }
            self.begin_search(now, place);
        }
        match self.reach.searches.get_mut(place) {
            // It was waited for as long as it may be, and the device has another way.
            Some(search) if place.is_beside && now >= search.begun + WITHIN_BESIDE_OTHERS => {
                Sought::OutOfReach
            }
            Some(search) if search.waiting.len() < MAX_WAITING => {
                search.waiting.push(waiting);
                Sought::UnderWay
            }
            Some(_) => {
                self.stats.destinations_overloaded += 1;
                Sought::OutOfReach
            }
            None => self.reach.flow(place).map_or(Sought::OutOfReach, Sought::Found),
        }
    }

    fn begin_search(&mut self, now: Instant, place: &Place) {
        if self.reach.searches.len() >= MAX_SEARCHES
            || self.reach.searches_at(place.host) >= MAX_SEARCHES_A_HOST
        {
            self.stats.destinations_overloaded += 1;
            return;
        }
        let destination = Uri::parse(&place.uri).ok().and_then(|uri| Destination::of_uri(&uri).ok());
        let abilities = Abilities { transports: OURS.to_vec(), families: Families::V4First };
        let seed = self.random.next_u64();
        let resolution =
            destination.and_then(|destination| Resolution::new(now, &destination, &abilities, seed).ok());
        let Some(resolution) = resolution else {
            self.stats.destinations_unresolvable += 1;
            return self.reach.give_up(now, place.clone(), NOT_AGAIN);
        };
        let stage = Stage::Locating(Box::new(resolution));
        let search = Search { begun: now, stage, waiting: Vec::new() };
        self.reach.searches.insert(place.clone(), search);
        self.locate(now, place);
    }

    /// The DNS has answered a question about a place.
    pub(crate) fn dns_answered(&mut self, now: Instant, place: &Place, id: resolve::AskId, answer: Answer) {
        let answer = match answer {
            Answer::Dns(answer) => answer,
            _ => {
                self.stats.answers_unasked += 1;
                resolve::Answer::Failed
            }
        };
        if let Some(Search { stage: Stage::Locating(resolution), .. }) = self.reach.searches.get_mut(place) {
            resolution.handle_answer(now, id, answer);
            self.locate(now, place);
        }
    }

    /// Asks what there is to ask; connects when that is over.
    fn locate(&mut self, now: Instant, place: &Place) {
        let Some(Search { stage: Stage::Locating(resolution), .. }) = self.reach.searches.get_mut(place)
        else {
            return;
        };
        let questions: Vec<_> = std::iter::from_fn(|| resolution.poll_ask()).collect();
        let outcome = resolution.outcome().map(|outcome| outcome.cloned());
        let negative_ttl = resolution.negative_ttl();
        let unusable = resolution.dropped().unusable;
        for (id, question) in questions {
            self.ask(Parked::Dns(place.clone(), id), Ask::Dns(question));
        }
        let Some(outcome) = outcome else { return };
        self.stats.destinations_refused += unusable;
        match outcome {
            Ok(targets) => self.located(now, place, targets),
            Err(_) => {
                self.stats.destinations_not_found += u64::from(unusable == 0);
                self.out_of_reach(now, place, negative_ttl);
            }
        }
    }

    fn located(&mut self, now: Instant, place: &Place, mut targets: Targets) {
        self.stats.destinations_refused += targets.retain(|target| self.may_go_to(place, target));
        targets.truncate(MAX_TARGETS);
        let until = targets.valid_until();
        let Some(failover) = Failover::new(now, &targets, &self.reach.failed) else {
            return self.out_of_reach(now, place, NOT_AGAIN);
        };
        if let Some(search) = self.reach.searches.get_mut(place) {
            search.stage = Stage::Connecting { failover: Box::new(failover), until };
        }
        self.connect(now, place);
    }

    /// Connects to the target that the place's search is at, or joins who does.
    fn connect(&mut self, now: Instant, place: &Place) {
        let Some(Search { stage: Stage::Connecting { failover, .. }, .. }) = self.reach.searches.get(place)
        else {
            return;
        };
        let target = failover.current().clone();
        let endpoint = Endpoint::of(&target);
        if let Some(&flow) = self.reach.connections.get(&endpoint) {
            return self.reached(now, place, flow);
        }
        if let Some(places) = self.reach.connecting.get_mut(&endpoint) {
            return places.push(place.clone());
        }
        if !self.reach.has_room_for(target.address.ip()) {
            self.stats.connects_too_many += 1;
            return self.out_of_reach(now, place, AT_ONCE);
        }
        self.reach.connecting.insert(endpoint, vec![place.clone()]);
        self.ask(Parked::Connect(target.clone()), Ask::Connect(target));
    }

    /// The connection to a target is there, or is not.
    pub(crate) fn connect_answered(&mut self, now: Instant, target: &Target, answer: Answer) {
        let result = match answer {
            Answer::Connected(result) => result,
            _ => {
                self.stats.answers_unasked += 1;
                Err(NotConnected::Unreachable)
            }
        };
        let endpoint = Endpoint::of(target);
        let places = self.reach.connecting.remove(&endpoint).unwrap_or_default();
        match result {
            Ok(flow) => {
                self.reach.failed.remove(target);
                if flow.transport() != Transport::Udp {
                    self.stats.connections_made += 1;
                    self.reach.made.insert(flow, endpoint.clone());
                    self.reach.connections.insert(endpoint, flow);
                }
                for place in &places {
                    self.reached(now, place, flow);
                }
            }
            Err(why) => {
                self.count_not_connected(why);
                for place in &places {
                    match why {
                        // That says nothing about the target.
                        NotConnected::TooMany => self.out_of_reach(now, place, AT_ONCE),
                        _ => self.connect_failed(now, place),
                    }
                }
            }
        }
    }

    /// The next target, if there is one ([RFC 3263 §4.3]).
    ///
    /// [RFC 3263 §4.3]: https://www.rfc-editor.org/rfc/rfc3263#section-4.3
    fn connect_failed(&mut self, now: Instant, place: &Place) {
        let Some(Search { stage: Stage::Connecting { failover, .. }, .. }) =
            self.reach.searches.get_mut(place)
        else {
            return;
        };
        match failover.handle_failure(now, Failure::Transport, &mut self.reach.failed) {
            Some(_) => self.connect(now, place),
            None if place.is_beside => self.out_of_reach(now, place, NO_TCP),
            None => self.out_of_reach(now, place, NOT_AGAIN),
        }
    }

    fn reached(&mut self, now: Instant, place: &Place, flow: Flow) {
        let Some(search) = self.reach.searches.remove(place) else { return };
        let until = match search.stage {
            Stage::Connecting { until, .. } if flow.transport() == Transport::Udp => Some(until),
            _ => None,
        };
        self.reach.remember(place.clone(), Way { flow, until });
        self.tell_waiting(now, search.waiting, Some(flow));
    }

    fn out_of_reach(&mut self, now: Instant, place: &Place, duration: Duration) {
        self.reach.give_up(now, place.clone(), duration);
        if let Some(search) = self.reach.searches.remove(place) {
            self.tell_waiting(now, search.waiting, None);
        }
    }

    fn tell_waiting(&mut self, now: Instant, waiting: Vec<Waiting>, flow: Option<Flow>) {
        for waiting in waiting {
            match (waiting, flow) {
                (Waiting::Held(id), _) => self.place_settled(now, id),
                (Waiting::Dialog(stranded), Some(flow)) => self.rejoin(stranded, flow),
                (Waiting::Dialog(_), None) => {}
                (Waiting::Response(unanswerable), flow) => self.answer_over(now, unanswerable, flow),
            }
        }
    }

    fn count_not_connected(&mut self, why: NotConnected) {
        let stats = &mut self.stats;
        *match why {
            NotConnected::Unreachable => &mut stats.connects_unreachable,
            NotConnected::Late => &mut stats.connects_late,
            NotConnected::Untrusted => &mut stats.connects_untrusted,
            NotConnected::CertificateNotTaken => &mut stats.connects_certificate_not_taken,
            NotConnected::NoWebSocket => &mut stats.connects_without_websocket,
            NotConnected::TooMany => &mut stats.connects_too_many,
        } += 1;
    }
}

/// What we speak, the first to be looked for in front.
const OURS: [Transport; 5] = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
/// Places that are looked for at the same time.
const MAX_SEARCHES: usize = 256;
/// Those at one host: what one client can have us look for.
const MAX_SEARCHES_A_HOST: usize = 8;
/// Targets of a place that are tried.
const MAX_TARGETS: usize = 4;
/// What waits for one place at the same time.
const MAX_WAITING: usize = 256;
/// For how long a place that could not be reached is not tried again.
const NOT_AGAIN: Duration = Duration::from_secs(30);
/// The same, when it was our own fault.
const AT_ONCE: Duration = Duration::ZERO;
