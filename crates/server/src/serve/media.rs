//! Starting the media workers and the voice threads beside them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use anyhow::Context;
use ringback_control::Epoch;
use ringback_media::dtls;
use ringback_media::rtcp::NtpClock;

use crate::config::Config;
use crate::http::Readiness;
use crate::inbox::Inbox;
use crate::media_thread::{Candidates, MediaInbox, MediaThread, News, Ports, Surroundings, Turn};
use crate::net::datagram::DatagramSocket;
use crate::recordings::{self, RecordingThread};
use crate::sounds::Sounds;
use crate::telemetry::Telemetry;
use crate::turn_thread::{OurMedia, OurWorker};
use crate::voice_thread::Voice;

/// The media workers, running.
pub struct Media {
    /// The ways to command them, by number.
    pub inboxes: Vec<MediaInbox>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

/// What media workers are started with.
pub struct With<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Where recordings are kept.
    pub data_dir: &'a Path,
    /// What can be played.
    pub sounds: Arc<Sounds>,
    /// What gives sender reports their date.
    pub epoch: Epoch,
    /// What `/metrics` tells.
    pub telemetry: Arc<Telemetry>,
    /// What `/healthz` tells.
    pub readiness: Arc<Readiness>,
}

impl Media {
    /// Starts a worker for each entry of `shared`, the sockets that its WebRTC legs share, and the thread that writes
    /// what they record.
    ///
    /// `turn` is the way into the thread of TURN; what is given back beside the workers is for that.
    pub fn start(
        with: With<'_>,
        shared: Vec<Vec<DatagramSocket>>,
        news: &News,
        turn: Option<&Inbox>,
    ) -> anyhow::Result<(Self, OurMedia)> {
        let With { config, data_dir, sounds, epoch, telemetry, readiness } = with;
        let identity = identity()?;
        let mut recordings = RecordingThread::new(&config.recording, data_dir, telemetry.clone());
        let public: Vec<_> = config.public_address.iter().map(|address| address.ip()).collect();
        let mut media = Media { inboxes: Vec::new(), threads: Vec::new() };
        let mut ours = Vec::new();
        for (number, shared) in (0u16..).zip(shared) {
            let (inbox, commands) = MediaInbox::new().context("a media worker cannot be woken")?;
            let (turn, way) = Turn::new(turn.cloned(), commands.waker());
            if turn.is_served() {
                let again = shared.iter().map(DatagramSocket::another).collect::<io::Result<_>>();
                let shared = again.context("a socket of media cannot be shared with TURN")?;
                ours.push(OurWorker { way, shared });
            }
            let seed = rand::random();
            let tape = (recordings.tape(), recordings::settings(&config.recording));
            let (voice, voice_thread) =
                Voice::new(number, commands.waker(), telemetry.clone(), readiness.clone(), tape, seed);
            let name = format!("ringback-voice-{number}");
            media.threads.push(thread::Builder::new().name(name).spawn(move || {
                voice_thread.run();
                Ok(())
            })?);
            let thread = MediaThread::new(Surroundings {
                number,
                shared,
                commands,
                voice,
                sounds: sounds.clone(),
                news: news.clone(),
                turn,
                ports: Ports::share(config.media.rtp_ports, number, config.media.workers),
                spare_sockets: super::spare_files() / usize::from(config.media.workers.max(1)),
                io_uring: config.media.io_uring,
                candidates: Candidates::new(public.clone()),
                identity: identity.clone(),
                clock: NtpClock::new(epoch.instant, epoch.time.duration_since(SystemTime::UNIX_EPOCH)?),
                telemetry: telemetry.clone(),
                readiness: readiness.clone(),
            })
            .context("a media worker cannot wait for its sockets")?;
            media.inboxes.push(inbox);
            let name = format!("ringback-media-{number}");
            media.threads.push(thread::Builder::new().name(name).spawn(move || thread.run())?);
        }
        let name = "ringback-recordings".to_owned();
        media.threads.push(thread::Builder::new().name(name).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| recordings.run())).is_err() {
                tracing::error!(
                    "nothing is recorded any more because of a mistake in Ringback; please report it"
                );
                readiness.media_failed();
            }
            Ok(())
        })?);
        Ok((media, OurMedia::new(ours)))
    }

    /// Other ways to command them, for another thread.
    pub fn others(&self) -> Vec<MediaInbox> {
        self.inboxes.iter().map(MediaInbox::another).collect()
    }

    /// The ways to command them, and their threads, which end when nobody has such a way any more.
    pub fn split(self) -> (Vec<MediaInbox>, Threads) {
        (self.inboxes, Threads(self.threads))
    }
}

/// The threads of media workers.
pub struct Threads(Vec<JoinHandle<io::Result<()>>>);

impl Threads {
    /// Waits for the end of all.
    pub fn join(self) {
        for thread in self.0 {
            // One that failed has said so itself.
            if thread.join().is_err() {
                tracing::error!("a media worker panicked while it ended");
            }
        }
    }
}

/// The certificate that media shows: new at every start, so that nothing links the calls of one day with the next's.
pub fn identity() -> anyhow::Result<Arc<dtls::Identity>> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(Vec::<String>::new())?.self_signed(&key)?;
    let identity = dtls::Identity::from_der(certificate.der().to_vec(), key.serialize_der())?;
    Ok(Arc::new(identity))
}
