//! Which settings a server takes, and what it says of the others.

#![allow(clippy::unwrap_used, reason = "a test")]

mod turn_world;

use std::time::Duration;

use ringback_nat::turn::*;
use ringback_sansio::sim::Clock;
use turn_world::{limited, secs, settings};

type Change = fn(&mut Settings);

#[test]
fn unsound_settings_are_refused_with_cause_and_mend() {
    const NONE: Rate = Rate::per_second(0, 1);
    let cases: [(UnsoundSettings, Change); 18] = [
        (UnsoundSettings::NoRealm, |settings| settings.realm.clear()),
        (UnsoundSettings::LongRealm, |settings| settings.realm = "x".repeat(128)),
        (UnsoundSettings::UnwritableRealm, |settings| settings.realm = "a\"b".into()),
        (UnsoundSettings::UnwritableRealm, |settings| settings.realm = "a\r\nb".into()),
        (UnsoundSettings::PasswordAlgorithms, |settings| settings.password_algorithms.clear()),
        (UnsoundSettings::PasswordAlgorithms, |settings| {
            settings.password_algorithms = vec![PasswordAlgorithm::Md5; 2];
        }),
        (UnsoundSettings::NoFamily, |settings| settings.families.clear()),
        (UnsoundSettings::NoSecret, |settings| settings.secret = Secret::new([0; 32])),
        (UnsoundSettings::ZeroLimit("allocations"), |settings| settings.quotas = Quotas::new(0, 1)),
        (UnsoundSettings::ZeroLimit("allocations of an account"), |settings| {
            settings.quotas = Quotas::new(1, 0);
        }),
        (UnsoundSettings::ZeroLimit("permissions"), |settings| settings.limits.permissions = 0),
        (UnsoundSettings::ZeroLimit("channels"), |settings| settings.limits.channels = 0),
        (UnsoundSettings::ZeroRate("bandwidth"), |settings| settings.limits.bandwidth = Some(NONE)),
        (UnsoundSettings::ZeroRate("unproven"), |settings| {
            settings.limits.unproven = Rate::per_second(1, 0);
        }),
        (UnsoundSettings::ZeroRate("proven"), |settings| settings.limits.proven = NONE),
        (UnsoundSettings::ZeroRate("guesses"), |settings| {
            settings.limits.guesses = Rate { amount: 1, per: Duration::ZERO, burst: 1 };
        }),
        (UnsoundSettings::ShortLifetime, |settings| settings.limits.lifetime = Duration::ZERO),
        (UnsoundSettings::ShortLifetime, |settings| settings.limits.lifetime = secs(599)),
    ];
    for (unsound, change) in cases {
        let mut settings = settings();
        change(&mut settings);
        assert_eq!(settings.check(), Err(unsound));
        assert_eq!(Server::new(Clock::new().now(), limited(), settings).unwrap_err(), unsound);
        let sentence = unsound.to_string();
        assert!(sentence.contains("TURN") || sentence.contains("allocation"), "{sentence}");
        assert!(
            sentence.contains(", ") && sentence.contains("; set "),
            "what is wrong, why, and the mend: {sentence}"
        );
    }
    assert_eq!(settings().check(), Ok(()));
}

#[test]
fn debug_shows_no_secret() {
    let mut settings = settings();
    settings.secret = Secret::new([171; 32]);
    let shown = format!("{settings:?}");
    assert!(shown.contains("secret: Secret,") && !shown.contains("171"), "{shown}");
    let shown = format!("{:?}", Server::new(Clock::new().now(), limited(), settings).unwrap());
    assert!(!shown.contains("171, 171"));
}
