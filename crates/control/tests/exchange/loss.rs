//! Calls over networks that lose messages: they are set up, they end, and nothing is left of them.

use ringback_sansio::sim::Link;

use crate::kit::{Client, DELAY, PhoneId, UDP, World, secs};

/// Two telephones over links of that loss, both ways.
fn world(seed: u8, loss: u8) -> (World, PhoneId, PhoneId) {
    let mut world = World::new(seed);
    let (alice, bob) = (world.baresip("alice"), world.baresip("bob"));
    world.register_all();
    for id in [alice, bob] {
        let phone = world.phone(id).flow.local();
        world.network.set_links(phone, UDP.parse().unwrap(), Link::lossy(DELAY, loss));
    }
    (world, alice, bob)
}

/// One attempt to call, talk, hold and hang up; says whether it was answered.
fn attempt(world: &mut World, alice: PhoneId, bob: PhoneId, seed: u8) -> bool {
    world.phone(alice).dial("bob");
    let rings =
        world.run_until(secs(80), |world| world.phone(bob).is_ringing() || world.phone(alice).is_idle());
    assert!(rings, "neither rings nor fails\n{}", world.ladder());
    if !world.phone(bob).is_ringing() {
        return false;
    }
    world.phone(bob).answer();
    world.run_until(secs(80), |world| world.phone(alice).is_up() || world.phone(alice).is_idle());
    if !world.phone(alice).is_up() {
        return false;
    }
    world.run(secs(2));
    let (first, second) = if seed.is_multiple_of(2) { (alice, bob) } else { (bob, alice) };
    if world.phone(first).is_up() {
        world.phone(first).hold();
        world.run(secs(3));
    }
    if world.phone(second).is_up() {
        world.phone(second).hang_up();
    }
    true
}

/// SECURITY: of all calls at 10 % both ways every one is set up, at the first attempt.
#[test]
fn at_10_percent_every_call_is_set_up() {
    for seed in 0..100 {
        let (mut world, alice, bob) = world(seed, 10);
        assert!(attempt(&mut world, alice, bob, seed), "seed {seed}\n{}", world.ladder());
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs.len(), 1, "seed {seed}");
    }
}

/// At 30 % one of a hundred transactions loses every packet that it may send, and its user dials again.
#[test]
fn at_30_percent_every_call_is_set_up_and_none_leaks() {
    let mut first = 0;
    for seed in 0..120 {
        let (mut world, alice, bob) = world(seed, 30);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let is_answered = attempt(&mut world, alice, bob, seed);
            world.settle();
            // A BYE that was lost for good leaves its phone in a call; the exchange is not to blame.
            for id in [alice, bob] {
                world.phone(id).call = None;
            }
            world.settle();
            world.assert_nothing_is_left();
            if is_answered {
                break;
            }
            assert!(attempts < 4, "seed {seed}\n{}", world.ladder());
        }
        first += u32::from(attempts == 1);
        // Every call that began has a record, however it ended.
        let started = world.exchange.stats().calls_started;
        assert_eq!(world.cdrs.len() as u64, started, "seed {seed}");
    }
    assert!(first >= 105, "{first} of 120 at the first attempt");
}

/// Over connections nothing is lost, but the telephone's side still is.
#[test]
fn a_browser_calls_a_telephone_at_30_percent() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        let (alice, bob) = (world.add("alice", "alice", Client::JsSip), world.baresip("bob"));
        world.register_all();
        let phone = world.phone(bob).flow.local();
        world.network.set_links(
            phone,
            UDP.parse().unwrap(),
            Link { duplication: 20, ..Link::lossy(DELAY, 30) },
        );
        let mut attempts = 0;
        while !attempt(&mut world, alice, bob, seed) {
            attempts += 1;
            assert!(attempts < 4, "seed {seed}");
            world.settle();
        }
        world.settle();
        for id in [alice, bob] {
            world.phone(id).call = None;
        }
        world.settle();
        world.assert_nothing_is_left();
    }
}

/// SECURITY: what is asked for while a party is cut off for five seconds is done when it is back, and the call goes on.
#[test]
fn a_partition_of_5_seconds_keeps_the_call() {
    for cut_off in [0, 1] {
        let (mut world, alice, bob) = World::talking(Client::Baresip, Client::Baresip);
        let parties = [alice, bob];
        let address = world.phone(parties[cut_off]).flow.local();
        world.network.cut(address);
        world.phone(alice).hold();
        world.run(secs(5));
        assert!(world.phone(bob).requests("INVITE").is_empty(), "the hold has not come through");
        world.network.mend(address);
        world.run(secs(5));
        assert_eq!(world.phone(alice).last_status("INVITE"), Some(200));
        assert!(world.phone(alice).is_up() && world.phone(bob).is_up(), "{}", world.ladder());
        let held =
            String::from_utf8_lossy(world.phone(bob).requests("INVITE").last().unwrap().body()).into_owned();
        assert!(held.contains("a=sendonly"), "{held}");
        world.phone(bob).hang_up();
        world.settle();
        world.assert_nothing_is_left();
        assert_eq!(world.cdrs[0].status, 200);
    }
}
