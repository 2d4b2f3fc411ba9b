//! What a mistake of ours costs: injected panics, which no input can reach.

use std::net::UdpSocket;
use std::sync::mpsc::Receiver;

use ringback_media::negotiation::{Keys, LegSettings, Patch, PayloadMap, Payloads};
use ringback_sansio::Flow;

use super::*;
use crate::config::PortRange;
use crate::inbox::{Inbox, Input};
use crate::net::wake::Waker;
use crate::net::{Bounds, Doorkeeper};
use crate::store::{Options, Store};

/// Something that panics, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sabotage {
    /// The next command for this leg.
    Command(LegKey),
    /// The thread itself.
    Thread,
}

const A: LegKey = LegKey(1 << 10);
const B: LegKey = LegKey(2 << 10);

/// A thread that is driven by hand, and what it is heard and told by.
struct World {
    thread: MediaThread,
    commands: MediaInbox,
    news: Receiver<Input>,
    readiness: Arc<Readiness>,
    _directory: tempfile::TempDir,
}

impl World {
    /// With as many pairs of ports.
    fn new(pairs: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("t.db"), Options::default()).unwrap();
        let (writer, _) = store.start_writer(Box::new(|_| {})).unwrap();
        let (control, news) = Inbox::new(Waker::new().unwrap());
        let (inbox, commands) = MediaInbox::new().unwrap();
        let readiness = Arc::new(Readiness::default());
        readiness.is_ready();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let bounds = Bounds { connections: 1, per_source: 1, per_shared_source: 1 };
        let doorkeeper = Doorkeeper::new(bounds, crate::config::Listen::default());
        let telemetry = Arc::new(Telemetry::new(doorkeeper, writer, Arc::default()));
        let recording = crate::config::Recording::default();
        let mut recordings =
            crate::recordings::RecordingThread::new(&recording, directory.path(), telemetry.clone());
        let tape = (recordings.tape(), crate::recordings::settings(&recording));
        let sounds = Sounds::prepare(&crate::config::Media::default(), directory.path()).unwrap();
        let thread = MediaThread::new(Surroundings {
            number: 0,
            shared: Vec::new(),
            // Its thread has ended before it began.
            voice: Voice::new(0, commands.waker(), telemetry.clone(), readiness.clone(), tape, 1).0,
            sounds: Arc::new(sounds),
            commands,
            news: News::of_exchange(control),
            turn: Turn::new(None, Waker::new().unwrap()).0,
            ports: Ports::share(free_ports(pairs), 0, 1),
            spare_sockets: 1,
            io_uring: true,
            candidates: Candidates::new(Vec::new()),
            identity: Arc::new(Identity::from_der(certificate.der().to_vec(), key.serialize_der()).unwrap()),
            clock: NtpClock::new(Instant::now(), Duration::from_secs(1_700_000_000)),
            telemetry,
            readiness: readiness.clone(),
        })
        .unwrap();
        World { thread, commands: inbox, news, readiness, _directory: directory }
    }

    fn command(&mut self, leg: LegKey, command: MediaCommand) {
        self.thread.carry_out(Instant::now(), leg, command);
    }

    /// What control was told since the last look, in short.
    fn told(&self) -> Vec<String> {
        let text = |input| match input {
            Input::Media(MediaEvent::Opened(leg, Ok(local))) => {
                format!(
                    "{} opened at an {} port",
                    leg.0 >> 10,
                    if local.rtp % 2 == 0 { "even" } else { "odd" }
                )
            }
            Input::Media(MediaEvent::Opened(leg, Err(why))) => format!("{} not opened: {why}", leg.0 >> 10),
            Input::Media(MediaEvent::Closed(leg, report)) => {
                format!("{} closed, reported: {}", leg.0 >> 10, report.is_some())
            }
            Input::Media(MediaEvent::Gone(leg, why)) => format!("{} gone: {why:?}", leg.0 >> 10),
            other => format!("{other:?}"),
        };
        self.news.try_iter().map(text).collect()
    }
}

/// A range of ports that nobody has.
fn free_ports(pairs: u16) -> PortRange {
    loop {
        let first = UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port() & !1;
        let Some(last) = first.checked_add(2 * pairs - 1) else { continue };
        let all: Result<Vec<_>, _> = (first..=last).map(|port| UdpSocket::bind(("0.0.0.0", port))).collect();
        if all.is_ok() {
            return PortRange { first, last };
        }
    }
}

fn open() -> MediaCommand {
    let [local, remote] = ["127.0.0.1:5060", "127.0.0.1:5070"].map(|address| address.parse().unwrap());
    MediaCommand::Open { medium: Medium::Rtp, signalling: Flow::datagram(local, remote), video: false }
}

fn configure() -> MediaCommand {
    let settings = LegSettings {
        remote: None,
        ice: None,
        candidates: ringback_media::negotiation::Candidates::None,
        dtls: None,
        sdes: None,
        sends: true,
        receives: true,
        payloads: Payloads::default(),
        is_silenced: false,
        is_fax: false,
        codec: "PCMU".into(),
    };
    MediaCommand::Configure(Box::new(settings), Route::Direct(Box::new(PayloadMap::from_iter([(0, 0)]))))
}

#[test]
fn a_command_that_panics_is_answered_and_costs_its_leg_alone() {
    let mut world = World::new(2);
    for (command, told) in [
        (configure(), "1 gone: Failed"),
        (MediaCommand::Join(B), "1 gone: Failed"),
        (MediaCommand::Close, "1 closed, reported: false"),
    ] {
        world.command(A, open());
        world.command(B, open());
        assert_eq!(world.told(), ["1 opened at an even port", "2 opened at an even port"]);
        world.thread.sabotaged = Some(Sabotage::Command(A));
        world.command(A, command);
        assert_eq!(world.told(), [told]);
        assert_eq!(world.thread.worker.legs().collect::<Vec<_>>(), [B]);
        // There are two pairs: the one of A is free again.
        world.command(A, open());
        assert_eq!(world.told(), ["1 opened at an even port"]);
        world.command(A, MediaCommand::Close);
        world.command(B, MediaCommand::Close);
        assert_eq!(world.told(), ["1 closed, reported: true", "2 closed, reported: true"]);
    }
    world.thread.sabotaged = Some(Sabotage::Command(A));
    world.command(A, open());
    assert_eq!(world.told(), ["1 not opened: the media worker made a mistake"]);
    assert_eq!(world.thread.counters.panics, 4);
}

#[test]
fn legs_whose_audio_nobody_makes_end() {
    let mut world = World::new(2);
    world.command(A, open());
    world.command(B, open());
    let MediaCommand::Configure(settings, _) = configure() else { unreachable!() };
    let patch = Box::new(Patch { from: Vec::new(), to: Vec::new(), ptime: 20, keys: Keys::default() });
    world.command(A, MediaCommand::Configure(settings, Route::Patched { to: B, patch }));
    world.told();
    world.thread.send_made(Instant::now());
    let mut told = world.told();
    told.sort_unstable();
    assert_eq!(told, ["1 gone: Failed", "2 gone: Failed"]);
    assert_eq!(world.thread.worker.legs().count(), 0);
    world.thread.send_made(Instant::now());
    assert!(world.told().is_empty(), "once");
}

#[test]
fn a_leg_that_failed_has_no_sockets_any_more() {
    let mut world = World::new(1);
    world.command(A, open());
    world.thread.pass_on(Event::Gone { leg: A, why: Gone::NoMedia });
    world.command(B, open());
    world.thread.pass_on(Event::Gone { leg: A, why: Gone::Failed });
    world.command(B, open());
    // Control closes what has failed, too: the pair is given back once.
    world.command(A, MediaCommand::Close);
    world.command(LegKey(3 << 10), open());
    let told = world.told();
    assert_eq!(told[..2], ["1 opened at an even port", "1 gone: NoMedia"]);
    assert!(told[2].starts_with("2 not opened: all that a media worker has"), "{told:?}");
    assert_eq!(told[3..5], ["1 gone: Failed", "2 opened at an even port"]);
    assert!(told[6].starts_with("3 not opened: all that a media worker has"), "{told:?}");
}

#[test]
fn a_thread_that_panics_ends_its_calls_and_turns_health_red() {
    let mut world = World::new(2);
    world.command(A, open());
    world.told();
    world.thread.sabotaged = Some(Sabotage::Thread);
    // What waits when it happens is answered, too.
    world.commands.send(B, open()).unwrap();
    let World { thread, commands, news, readiness, _directory } = world;
    let error = thread.run().unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
    let told: Vec<_> = news.try_iter().collect();
    assert!(matches!(told[0], Input::Media(MediaEvent::Gone(A, Gone::Failed))), "{told:?}");
    assert!(matches!(&told[1], Input::Media(MediaEvent::Opened(B, Err(_)))), "{told:?}");
    assert!(readiness.has_failed_media());
    let Err(Some(MediaEvent::Opened(_, Err(why)))) = commands.send(B, open()) else { panic!("not refused") };
    assert_eq!(why, "a media worker has failed; restart Ringback");
}
