//! A mistake of ours ends what it happened to, and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::Exchange;
use crate::call::{Call, CallNumber, LegMedia, Signalling};
use crate::cdr::EndedBy;
use crate::event::Event;

impl Exchange {
    /// Lets something happen to a call. A panic ends this call and no other.
    pub(crate) fn on_call(
        &mut self,
        now: Instant,
        number: CallNumber,
        act: impl FnOnce(&mut Self, &mut Call),
    ) {
        let Some(mut call) = self.calls.remove(&number) else {
            self.stats.news_for_no_call += 1;
            return;
        };
        let act = AssertUnwindSafe(|| {
            act(self, &mut call);
            self.mend_media(now, &mut call);
        });
        if catch_unwind(act).is_err() {
            self.stats.panics += 1;
            self.events.push_back(Event::CallPanicked { id: call.record.id.clone() });
            if catch_unwind(AssertUnwindSafe(|| self.give_up(now, &mut call, MISTAKE))).is_err() {
                self.stats.panics += 1;
                self.write_off(&mut call);
            }
        }
        if call.has_reports() {
            self.record(now, &mut call);
        }
        self.call_changed(&call);
        if call.is_over() {
            self.forget(now, &call);
        } else {
            self.calls.insert(number, call);
        }
    }

    /// Does something that belongs to no call.
    pub(crate) fn contain(&mut self, during: &'static str, act: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| act(self))).is_err() {
            self.stats.panics += 1;
            self.events.push_back(Event::Panicked { during });
        }
    }

    /// Ends a call whose state cannot be trusted: 500 to who waits, BYE to who is in a dialog.
    pub(crate) fn give_up(&mut self, now: Instant, call: &mut Call, reason: &str) {
        if matches!(call.caller.signalling, Signalling::Invited { .. }) {
            self.fail(now, call, 500, reason);
        } else {
            self.end(now, call, EndedBy::Exchange, reason);
        }
    }

    /// Fires the timers of the transactions. One that panics ends its transaction, whose user hears of it, and no other.
    pub(super) fn transactions_due(&mut self, now: Instant) {
        loop {
            self.contain("a timer of a transaction", |exchange| {
                exchange.transactions.handle_timeout(now);
                #[cfg(test)]
                if std::mem::take(&mut exchange.is_sabotaged) {
                    std::panic::resume_unwind(Box::new("sabotaged"));
                }
            });
            // A timer fires once, so this comes to an end.
            if !self.transactions.forget_broken() {
                break;
            }
        }
    }

    /// Drops a call that cannot even be ended. Its far ends find out by their session timers or by the silence.
    fn write_off(&mut self, call: &mut Call) {
        call.ending(EndedBy::Exchange, MISTAKE);
        if let Some(payer) = call.transfer.take().and_then(|transfer| transfer.payer) {
            call.payers.push((call.first, payer));
        }
        let worker = call.worker;
        for leg in call.legs_mut() {
            leg.signalling = Signalling::Over;
            if !matches!(leg.media, LegMedia::Closed(_) | LegMedia::Refused(_)) {
                let is_known = !matches!(leg.media, LegMedia::Bypassed(_));
                leg.media = LegMedia::Closed(None);
                if !is_known {
                    continue;
                }
                self.commands.push_back((worker, leg.key, crate::media::MediaCommand::Close));
            }
        }
        self.invited.retain(|_, number| *number != call.number);
    }
}

/// The reason that stands in the record.
const MISTAKE: &str = "the exchange made a mistake";

#[cfg(test)]
mod tests {
    use crate::kit::{World, ms};

    /// The sentence of a panic stays out of the test's output.
    fn quietly(act: impl FnOnce()) {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        act();
        std::panic::set_hook(hook);
    }

    #[test]
    fn a_panic_ends_one_call_and_no_other() {
        let mut world = World::new(1);
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.baresip(name));
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(100));
        world.phone(bob).answer();
        world.phone(carol).dial("echo");
        world.run(ms(500));
        let now = world.now();
        let number = *world.exchange.calls.keys().next().unwrap();
        quietly(|| world.exchange.on_call(now, number, |_, _| panic!("a mistake")));
        world.run(ms(5_000));
        assert_eq!(world.exchange.stats().panics, 1);
        assert!(world.phone(alice).is_idle() && world.phone(bob).is_idle(), "both were told");
        assert!(!world.phone(carol).is_idle(), "the other call goes on");
        let [cdr] = &world.cdrs[..] else { panic!("{:?}", world.cdrs) };
        assert_eq!((cdr.caller.as_str(), cdr.reason.as_str()), ("alice", "the exchange made a mistake"));
        world.phone(carol).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }

    #[test]
    fn a_panic_before_the_answer_refuses_the_caller() {
        let mut world = World::new(1);
        let [alice, bob] = ["alice", "bob"].map(|name| world.baresip(name));
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(500));
        let now = world.now();
        let number = *world.exchange.calls.keys().next().unwrap();
        quietly(|| world.exchange.on_call(now, number, |_, _| panic!("a mistake")));
        world.settle();
        assert_eq!(world.phone(alice).last_failure(), Some(500));
        assert!(world.phone(bob).is_idle());
        world.assert_nothing_is_left();
    }

    #[test]
    fn a_panic_outside_calls_is_told_and_survived() {
        let mut world = World::new(1);
        quietly(|| world.exchange.contain("a test", |_| panic!("a mistake")));
        world.settle();
        assert_eq!(world.exchange.stats().panics, 1);
        assert!(format!("{:?}", world.events).contains("a test"));
    }

    #[test]
    fn a_panic_in_the_timer_of_a_transaction_is_survived() {
        let mut world = World::new(1);
        let [alice, bob] = ["alice", "bob"].map(|name| world.baresip(name));
        world.register_all();
        world.phone(alice).dial("bob");
        world.run(ms(500));
        world.phone(bob).answer();
        world.exchange.is_sabotaged = true;
        // By then the registrations are forgotten by their transactions.
        world.run(ms(40_000));
        assert_eq!(world.exchange.stats().panics, 1);
        assert!(format!("{:?}", world.events).contains("a timer of a transaction"));
        assert!(!world.phone(alice).is_idle(), "the call goes on");
        world.phone(alice).hang_up();
        world.settle();
        world.assert_nothing_is_left();
    }
}
