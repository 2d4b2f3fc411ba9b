//! The exchange among scripted phones, in virtual time: a file for each behaviour.
//!
//! Ladders are compared as text. `INSTA_UPDATE=always cargo test -p ringback-control` writes them anew; read what has
//! changed before you keep it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "../kit/mod.rs"]
mod kit;

mod basic;
mod busy_lamps;
mod bypass;
mod cancelling;
mod conferences;
mod connected;
mod counting;
mod encryption;
mod ending;
mod fax;
mod feature_codes;
mod forking;
mod forwarding;
mod fuzzing;
mod gruu;
mod hold;
mod hunting;
mod identity;
mod in_dialog;
mod joining;
mod keepalive;
mod keys;
mod large_requests;
mod late_offers;
mod loss;
mod media_workers;
mod messages;
mod moving;
mod outbound;
mod parking;
mod pickup;
mod playing;
mod presence;
mod pressure;
mod privacy;
mod proxying;
mod publishing;
mod quality_reports;
mod reaching;
mod recording;
mod refusing;
mod registration;
mod reliable;
mod ringing;
mod session_timers;
mod subscriptions;
mod takeovers;
mod transfers;
mod transfers_forwarded;
mod video;
mod watcher_information;
mod watching_lists;
