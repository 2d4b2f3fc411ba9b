//! A mistake of ours ends the leg it happened to, and no other.
//!
//! Whatever happens to one leg happens inside [`Worker::contain`]. When it panics, the leg is in quarantine: its state
//! is thrown away, packets to it belong to nobody, and control is told so that it ends the call.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::leg::{Leg, Section};
use super::path::Path;
use super::worker::Worker;
use super::{Event, Gone};

impl Worker {
    /// Lets something happen to the leg in a slot; `None` when it panicked, and the leg is gone.
    pub(super) fn contain<R>(&mut self, slot: usize, act: impl FnOnce(&mut Self) -> R) -> Option<R> {
        let contained = catch_unwind(AssertUnwindSafe(|| {
            let result = act(self);
            #[cfg(test)]
            self.fail_if_sabotaged(slot);
            result
        }));
        if contained.is_err() {
            self.quarantine(slot);
        }
        contained.ok()
    }

    /// Takes whatever is known of a leg out of every table, without trusting what the leg itself says of it.
    fn quarantine(&mut self, slot: usize) {
        self.stats.panics += 1;
        self.slots_by_key.retain(|_, owner| *owner != slot);
        self.slots_by_address.retain(|_, owner| *owner != slot);
        self.slots_by_ufrag.retain(|_, owner| *owner != slot);
        self.deadlines.cancel(&slot);
        self.ready.retain(|queued| *queued != slot);
        let mut orphans = Vec::new();
        self.leave_alone(slot);
        for (at, other) in &mut self.legs {
            if matches!(other.section, Section::AudioBeside(video) if video == slot) {
                other.section = Section::Audio;
            }
            if matches!(other.path, Path::Bundled(owner) if owner == slot) {
                orphans.push(at);
            }
        }
        // One that was being closed has left already.
        let Some(leg) = self.legs.try_remove(slot) else { return };
        self.events.push_back(Event::Gone { leg: leg.key.owner(), why: Gone::Failed });
        // Even to look at it or to drop it may fail.
        if catch_unwind(AssertUnwindSafe(|| self.bury(leg))).is_err() {
            self.stats.panics += 1;
        }
        // What was bundled with it has nothing to go over.
        for orphan in orphans {
            self.remove_orphan(orphan);
        }
    }

    fn remove_orphan(&mut self, slot: usize) {
        self.slots_by_key.retain(|_, owner| *owner != slot);
        self.deadlines.cancel(&slot);
        self.ready.retain(|queued| *queued != slot);
        self.leave_alone(slot);
        drop(self.legs.try_remove(slot));
    }

    fn bury(&mut self, leg: Leg) {
        if let (Path::Plain(plain), Some(now)) = (&leg.path, self.latest) {
            plain.leave(now, &mut self.former);
        }
    }

    /// Lets the n-th next thing that happens to a leg panic.
    #[cfg(test)]
    fn sabotage(&mut self, leg: super::LegKey, nth: u32) {
        self.sabotaged = self.slots_by_key.get(&leg).map(|slot| (*slot, nth));
    }

    #[cfg(test)]
    fn fail_if_sabotaged(&mut self, slot: usize) {
        if let Some((sabotaged, left)) = &mut self.sabotaged
            && *sabotaged == slot
        {
            *left -= 1;
            if *left == 0 {
                self.sabotaged = None;
                // A panic that says nothing: the output of the test stays clean.
                std::panic::resume_unwind(Box::new("sabotaged"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::session::{Event, Gone, LegKey, LegReport, Reason, Socket, Verdict};
    use crate::session_world::*;

    const C: LegKey = LegKey(3);
    const D: LegKey = LegKey(4);

    /// Two calls of telephones: A with B, C with D.
    fn two_calls() -> World {
        let mut world = World::phones();
        world.phone(C, "198.51.100.30:4000");
        world.phone(D, "203.0.113.40:5000");
        world.worker.join(C, D);
        world
    }

    /// A and nothing else has gone; C and D hear each other.
    fn assert_only_a_is_gone(world: &mut World) {
        let gone: Vec<Event> = world.take_events().into_iter().filter(|event| *event == FAILED).collect();
        assert_eq!(gone, [FAILED], "told once");
        assert_eq!((world.worker.stats().panics, world.worker.stats().legs), (1, 3));
        assert_eq!(world.worker.report(A), None::<LegReport>);
        world.forwarded(C, "198.51.100.30:4000", &Rtp::nth(3, 0));
        world.forwarded(D, "203.0.113.40:5000", &Rtp::nth(4, 0));
        let verdict = world.deliver(Socket::Rtp(A), OURS, PHONE_A, &Rtp::nth(7, 9).bytes()).0;
        assert_eq!(verdict, Verdict::Drop(Reason::NoLeg));
        let verdict = world.rtp(B, PHONE_B, &Rtp::nth(9, 9)).0;
        assert_eq!(verdict, Verdict::Drop(Reason::NotJoined));
        let now = world.clock.now();
        assert_eq!(world.worker.close(now, A), None, "control closes it all the same");
        world.pass(secs(120));
        assert_eq!(world.worker.stats().panics, 1);
    }

    const FAILED: Event = Event::Gone { leg: A, why: Gone::Failed };

    #[test]
    fn a_panic_in_a_packet_costs_its_leg() {
        let mut world = two_calls();
        world.worker.sabotage(A, 1);
        let verdict = world.rtp(A, PHONE_A, &Rtp::nth(7, 0)).0;
        assert_eq!(verdict, Verdict::Drop(Reason::Failed));
        assert_eq!(world.worker.stats().drops.of(Reason::Failed), 1);
        assert_only_a_is_gone(&mut world);
    }

    #[test]
    fn a_panic_in_a_timer_costs_its_leg() {
        let mut world = two_calls();
        world.worker.sabotage(A, 1);
        world.pass(secs(6));
        assert_only_a_is_gone(&mut world);
    }

    #[test]
    fn a_panic_while_a_report_is_written_costs_its_leg() {
        let mut world = two_calls();
        world.drain();
        // What is due, and then what is to be sent.
        world.worker.sabotage(A, 2);
        world.pass(secs(6));
        assert_only_a_is_gone(&mut world);
    }

    #[test]
    fn a_panic_in_a_command_costs_its_leg() {
        let mut world = two_calls();
        world.worker.sabotage(A, 1);
        let now = world.clock.now();
        world.worker.configure(now, A, phone_settings(Some(PHONE_A)), phone_map());
        world.drain();
        assert_only_a_is_gone(&mut world);
    }

    #[test]
    fn a_panic_while_a_leg_closes_costs_its_report() {
        let mut world = two_calls();
        world.worker.sabotage(A, 1);
        let now = world.clock.now();
        assert_eq!(world.worker.close(now, A), None);
        assert_eq!((world.worker.stats().panics, world.worker.stats().legs), (1, 3));
        world.drain();
        assert!(!world.take_events().contains(&FAILED), "whoever closed it knows");
        assert_eq!(world.rtp(B, PHONE_B, &Rtp::nth(9, 0)).0, Verdict::Drop(Reason::NotJoined));
        world.forwarded(C, "198.51.100.30:4000", &Rtp::nth(3, 0));
    }

    #[test]
    fn a_panic_in_a_handshake_leaves_the_other_browsers_theirs() {
        let mut world = World::new();
        let mut good = Browser::connect(&mut world, B);
        let mut bad = Browser::open_at(&mut world, A, crate::dtls::Role::Server, "198.51.100.88:50000");
        bad.configure(&mut world, crate::dtls::Role::Server);
        bad.check(&mut world, true);
        world.worker.sabotage(A, 1);
        bad.shake(&mut world);
        assert_eq!(world.take_events(), [FAILED]);
        assert!(bad.keys.is_none());
        let check = bad.check_bytes(true);
        let verdict = world.deliver(Socket::Shared, SHARED, bad.address, &check).0;
        assert_eq!(verdict, Verdict::Drop(Reason::UnknownUsername));
        let verdict = world.deliver(Socket::Shared, SHARED, bad.address, &Rtp::nth(7, 0).bytes()).0;
        assert_eq!(verdict, Verdict::Drop(Reason::UnknownAddress));
        world.worker.echo(B);
        assert!(matches!(good.send(&mut world, &Rtp::nth(7, 0)).0, Verdict::Forward(_)));
        // Its names are free for the next.
        Browser::open(&mut world, A, crate::dtls::Role::Server);
    }

    #[test]
    fn the_far_end_of_a_leg_that_failed_is_kept_out_of_its_port() {
        let mut world = two_calls();
        world.forwarded(A, PHONE_A, &Rtp::nth(7, 0));
        world.worker.sabotage(A, 1);
        world.rtp(A, PHONE_A, &Rtp::nth(7, 1));
        world.phone(LegKey(9), PHONE_A);
        assert_eq!(world.dropped(LegKey(9), PHONE_A, &Rtp::nth(7, 2)), Reason::FormerPeer);
    }
}
