//! Busy lamps: the dialog event package, made from our own calls.

use crate::kit::{Client, PhoneId, World, ms, secs};

/// The documents that a watcher was given, each as version, completeness and dialogs.
fn lamps(world: &mut World, phone: PhoneId) -> Vec<String> {
    let attribute = |text: &str, name: &str| {
        let value = text.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
        value.unwrap_or("-").to_owned()
    };
    let documents = world.phone(phone).notifications().into_iter();
    documents
        .map(|(_, body)| {
            let body = body.split("<dialog-info").nth(1).expect("the root");
            let dialogs = body.split("<dialog ").skip(1).map(|dialog| {
                let state = dialog.split("<state>").nth(1).unwrap().split('<').next().unwrap();
                format!(" {} {state}", attribute(&format!(" {dialog}"), "direction"))
            });
            let head = format!("{} {}:", attribute(body, "version"), attribute(body, "state"));
            head + &dialogs.collect::<Vec<_>>().join(",")
        })
        .collect()
}

#[test]
fn a_lamp_follows_a_call_from_both_sides() {
    let mut world = World::new(1);
    let (panel, alice, bob) = (world.baresip("panel"), world.jssip("alice"), world.baresip("bob"));
    world.register_all();
    let other = world.add("panel", "second", Client::Baresip);
    world.phone(panel).subscribe("dialog", "bob", 3600);
    world.phone(other).subscribe("dialog", "alice", 3600);
    world.run(secs(5));
    world.phone(alice).dial("bob");
    world.run(secs(5));
    world.phone(bob).answer();
    world.run(secs(5));
    world.phone(alice).hang_up();
    world.run(secs(5));
    assert_eq!(
        lamps(&mut world, panel),
        [
            "0 full:",
            "1 partial: recipient trying",
            "2 partial: recipient early",
            "3 partial: recipient confirmed",
            "4 partial: recipient terminated",
        ]
    );
    assert_eq!(
        lamps(&mut world, other),
        [
            "0 full:",
            "1 partial: initiator proceeding",
            "2 partial: initiator early",
            "3 partial: initiator confirmed",
            "4 partial: initiator terminated",
        ]
    );
    world.settle();
    world.assert_nothing_is_left();
}

#[test]
fn a_refresh_is_told_everything() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let panel = world.baresip("panel");
    world.phone(panel).subscribe("dialog", "bob", 3600);
    world.run(secs(2));
    world.connect(alice, bob);
    world.run(secs(2));
    world.phone(panel).resubscribe("dialog", 3600);
    world.run(secs(1));
    assert_eq!(lamps(&mut world, panel).last().unwrap(), "3 full: recipient confirmed");
}

/// Who talks to whom is told to nobody else.
#[test]
fn only_the_user_sees_the_other_side() {
    let mut world = World::new(1);
    let (panel, alice, bob) = (world.baresip("panel"), world.jssip("alice"), world.baresip("bob"));
    let desk = world.add("bob", "desk", Client::JsSip);
    world.register_all();
    world.phone(desk).subscribe("dialog", "bob", 3600);
    world.phone(panel).subscribe("dialog", "bob", 3600);
    world.run(secs(2));
    world.phone(alice).dial("bob");
    world.run(ms(100));
    world.phone(bob).answer();
    world.run(secs(2));
    let body = |world: &mut World, phone| world.phone(phone).notifications().pop().unwrap().1;
    let own = body(&mut world, desk);
    assert!(own.contains("<identity>sip:alice@192.0.2.1</identity>"), "{own}");
    let theirs = body(&mut world, panel);
    assert!(!theirs.contains("alice"), "{theirs}");
    let call_id =
        String::from_utf8(world.phone(bob).requests("INVITE")[0].call_id().unwrap().to_vec()).unwrap();
    assert!(!own.contains(&call_id) && !theirs.contains(&call_id));
}

/// A watcher that refused a document is sent the next one whole.
#[test]
fn what_did_not_arrive_is_told_again() {
    let (mut world, alice, bob) = World::pair(Client::JsSip, Client::Baresip);
    let panel = world.baresip("panel");
    world.phone(panel).subscribe("dialog", "bob", 3600);
    world.run(secs(2));
    world.phone(panel).manners.on_notify = Some(500);
    world.phone(alice).dial("bob");
    world.run(secs(2));
    world.phone(panel).manners.on_notify = Some(200);
    world.phone(bob).answer();
    world.run(secs(2));
    assert_eq!(lamps(&mut world, panel).last().unwrap(), "3 full: recipient confirmed");
}

#[test]
fn a_lamp_of_a_user_with_several_phones_shows_the_one_that_talks() {
    let mut world = World::new(1);
    let (panel, alice, bob) = (world.baresip("panel"), world.jssip("alice"), world.baresip("bob"));
    let _desk = world.add("bob", "desk", Client::JsSip);
    world.register_all();
    world.phone(panel).subscribe("dialog", "bob", 3600);
    world.run(secs(2));
    world.phone(alice).dial("bob");
    world.run(secs(2));
    world.phone(bob).answer();
    world.run(secs(2));
    let lamps = lamps(&mut world, panel);
    assert_eq!(lamps[2], "2 partial: recipient early, recipient early");
    assert_eq!(lamps[3], "3 partial: recipient confirmed, recipient terminated");
}
