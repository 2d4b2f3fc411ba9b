//! The call with its connection and its clock.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Request;
use ringback_peer::audio::Audio;
use ringback_peer::phone::{End, Event, Phone, Settings};
use ringback_sansio::{ConnectionId, Flow, Transport};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::media::{Kind, Media, News};
use super::{CallError, Options, Outcome, Ready, tell};
use crate::live_sound::LiveSound;
use crate::terminal;
use crate::upstream::{Broken, Frame, Kind as FrameKind, Upstream};

/// How often what was heard is written down.
const TICK: Duration = Duration::from_millis(50);

/// How often it is looked at what a microphone gives, and a speaker is given something: twice in a frame.
const LIVE_TICK: Duration = Duration::from_millis(10);

/// How long the last messages may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// Why the call comes to an end.
enum Over {
    /// It is what was wanted, or what the other side did.
    Done,
    /// The other side has not taken it: its status and words.
    NotTaken(u16, String),
}

/// The call.
struct Driver<'o> {
    options: &'o Options,
    ready: Ready,
    upstream: Upstream,
    flow: Flow,
    phone: Phone,
    media: Option<Media>,
    kind: Kind,
    /// Whether an answer has been given or taken.
    is_agreed: bool,
    /// The answer that came before somebody has answered.
    early: Option<Bytes>,
    answered: Option<Instant>,
    /// Whether what is to be played has begun, and the keys were pressed.
    is_begun: bool,
    is_pressed: bool,
    hang_up_at: Option<Instant>,
    give_up_at: Option<Instant>,
    is_interrupted: bool,
    over: Option<Over>,
    has_packets: bool,
}

/// Connects, and makes or takes the call.
pub(super) async fn run(options: &Options, ready: Ready) -> Result<Outcome, CallError> {
    let (upstream, tuple) = ready.connector.connect(&Request::new(())).await?;
    let is_datagrams = options.via.transport == Transport::Udp;
    let connection = if is_datagrams { ConnectionId::NONE } else { ConnectionId(1) };
    let flow = Flow { tuple, connection };
    tell::line(&format!("connected with {} from {}", options.via, flow.local()))?;
    let settings = Settings {
        user: ready.user.clone(),
        domain: ready.domain.clone(),
        login: ready.login.clone(),
        expires: REGISTERED,
        product: format!("ringback call {}", env!("CARGO_PKG_VERSION")),
    };
    let driver = Driver {
        options,
        upstream,
        flow,
        phone: Phone::new(settings, flow, rand::random()),
        media: None,
        kind: options.kind.unwrap_or_else(|| Kind::of(options.via.transport)),
        is_agreed: false,
        early: None,
        answered: None,
        is_begun: false,
        is_pressed: false,
        hang_up_at: None,
        give_up_at: options.within.map(|within| Instant::now() + within),
        is_interrupted: false,
        over: None,
        has_packets: false,
        ready,
    };
    driver.run().await
}

impl Driver<'_> {
    async fn run(mut self) -> Result<Outcome, CallError> {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(CallError::Threads)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(CallError::Threads)?;
        let happened = self.talk(&mut interrupts, &mut terminations).await;
        // Whatever came of it, the other side and the server are told, and what was heard is kept.
        self.ready.sound.close();
        let told = tell::sound(&mut self.ready.sound);
        let left = self.leave().await;
        let recorded = self.finish_recording();
        let over = happened?;
        left?;
        recorded?;
        told?;
        match over {
            Over::Done => Ok(Outcome::Talked),
            Over::NotTaken(status, reason) => {
                let callee = self.options.callee.as_deref().unwrap_or("the other side");
                terminal::warn(&tell::not_taken(callee, status, &reason));
                Ok(Outcome::NotTaken)
            }
        }
    }

    /// Signs in if that is wanted, calls or waits, and talks until it is over.
    async fn talk(&mut self, interrupts: &mut Signal, terminations: &mut Signal) -> Result<Over, CallError> {
        match self.options.registers || self.options.callee.is_none() {
            true => self.phone.register(Instant::now()),
            false => self.place().await?,
        }
        let mut tick = interval(if self.ready.sound.is_wanted() { LIVE_TICK } else { TICK });
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.transmit().await?;
            while let Some(event) = self.phone.poll_event() {
                self.handle_event(event).await?;
            }
            self.hear()?;
            self.transmit().await?;
            if let Some(over) = self.over.take() {
                return Ok(over);
            }
            let due = [self.phone.poll_timeout(), self.hang_up_at, self.give_up_at];
            let due = due.into_iter().flatten().min();
            let media = self.media.as_mut();
            tokio::select! {
                frame = self.upstream.next() => self.handle_frame(frame).await?,
                news = async {
                    match media {
                        Some(media) => media.next().await,
                        None => std::future::pending().await,
                    }
                } => self.handle_media(news)?,
                () = async {
                    match due {
                        Some(due) => sleep_until(due.into()).await,
                        None => std::future::pending().await,
                    }
                } => self.handle_due(),
                _ = tick.tick() => {}
                _ = interrupts.recv() => self.interrupt(),
                _ = terminations.recv() => self.interrupt(),
            }
        }
    }

    /// Calls whom the command line names.
    async fn place(&mut self) -> Result<(), CallError> {
        let Some(callee) = self.options.callee.clone() else { return Ok(()) };
        let mut media = Media::open(self.kind, self.flow.local().ip(), self.flow.remote().ip()).await?;
        let offer = media.offer()?;
        self.media = Some(media);
        self.open_sound()?;
        tell::line(&format!("calling {callee} with {}", self.kind.words()))?;
        self.phone.call(Instant::now(), &callee, offer);
        Ok(())
    }

    async fn handle_frame(&mut self, frame: Result<Option<Frame>, Broken>) -> Result<(), CallError> {
        let now = Instant::now();
        match frame {
            Ok(Some(Frame::Message(bytes, _))) => self.phone.handle_message(now, bytes),
            Ok(Some(Frame::Ping(payload))) => {
                // A connection that does not take it is one that ends.
                let _ = self.upstream.send(&Frame::Pong(payload)).await;
            }
            Ok(Some(Frame::Pong(_))) => {}
            // The answer to an earlier datagram: nobody listens there, and a timer of the request tells it.
            Err(_) if self.upstream.is_datagrams() => tokio::time::sleep(TICK).await,
            Ok(Some(Frame::Close(_)) | None) | Err(_) => {
                return Err(CallError::ConnectionLost(self.options.via.clone()));
            }
        }
        Ok(())
    }

    async fn handle_event(&mut self, event: Event) -> Result<(), CallError> {
        match event {
            Event::Registered(time) => {
                let (user, domain) = (&self.ready.user, &self.ready.domain);
                tell::line(&format!("signed in as sip:{user}@{domain} for {} s", time.as_secs()))?;
                match self.options.callee {
                    Some(_) => self.place().await?,
                    None => tell::line("waiting for a call")?,
                }
            }
            // The call goes on without: it has a way of its own.
            Event::NotRegistered(failure) if self.phone.is_busy() => {
                terminal::warn(&format!("not signed in any more, and nobody else can call: {failure}"));
            }
            Event::NotRegistered(failure) => {
                let own = format!("sip:{}@{}", self.ready.user, self.ready.domain);
                return Err(CallError::NotRegistered(own, failure));
            }
            Event::Progress { status, reason, answer } => {
                let word = if status == 180 { "it rings".to_owned() } else { format!("{status} {reason}") };
                tell::line(&word)?;
                if let Some(answer) = answer.filter(|_| !self.is_agreed) {
                    self.accept(&answer)?;
                    self.early = Some(answer);
                }
            }
            Event::Answered(answer) => {
                match answer {
                    Some(answer) if self.is_agreed => self.accept_other(&answer),
                    Some(answer) => self.accept(&answer)?,
                    None if self.is_agreed => {}
                    None => return Err(CallError::NoAnswer),
                }
                self.begin_talk("answered")?;
            }
            Event::Incoming { from, display, offer } => self.take(&from, &display, offer).await?,
            Event::Confirmed(answer) => {
                if let Some(answer) = answer {
                    self.accept(&answer)?;
                }
            }
            Event::Reoffered(offer) => self.reoffered(offer),
            Event::Ended(end) => self.handle_end(end)?,
        }
        Ok(())
    }

    /// Takes a call that comes.
    async fn take(&mut self, from: &str, display: &str, offer: Option<Bytes>) -> Result<(), CallError> {
        let name = if display.is_empty() { String::new() } else { format!(" ({display})") };
        tell::line(&format!("called by {from}{name}"))?;
        let now = Instant::now();
        self.phone.ring(now);
        if let (None, Some(offer)) = (self.options.kind, &offer) {
            self.kind = Kind::of_offer(offer);
        }
        let mut media = Media::open(self.kind, self.flow.local().ip(), self.flow.remote().ip()).await?;
        let own = match &offer {
            Some(offer) => media.answer(offer),
            None => media.offer(),
        };
        match own {
            Ok(own) => {
                self.is_agreed = offer.is_some();
                self.media = Some(media);
                self.open_sound()?;
                self.phone.answer(now, own);
                self.begin_talk(&format!("taken with {}", self.kind.words()))
            }
            Err(error) => {
                self.phone.refuse(now, 488);
                self.transmit().await?;
                Err(error)
            }
        }
    }

    /// Opens the microphone and the speaker: before there is media that would have to wait for it.
    fn open_sound(&mut self) -> Result<(), CallError> {
        self.ready.sound.open();
        tell::sound(&mut self.ready.sound)
    }

    /// Answers another offer within the call; what cannot be agreed leaves things as they are.
    fn reoffered(&mut self, offer: Option<Bytes>) {
        let now = Instant::now();
        let Some(media) = &mut self.media else { return self.phone.refuse(now, 488) };
        let own = match offer {
            Some(offer) => media.answer(&offer),
            None => media.offer_again(),
        };
        match own {
            Ok(own) => self.phone.answer(now, own),
            Err(error) => {
                terminal::warn(&format!("an offer within the call is refused: {error}"));
                self.phone.refuse(now, 488);
            }
        }
    }

    fn accept(&mut self, answer: &[u8]) -> Result<(), CallError> {
        if let Some(media) = &mut self.media {
            media.accept(answer)?;
            self.is_agreed = true;
        }
        Ok(())
    }

    /// Takes the answer of who has answered, where it is not the one that was early: that may be of another device
    /// (RFC 3261 §13.2.2.4).
    fn accept_other(&mut self, answer: &Bytes) {
        if self.early.as_ref() == Some(answer) {
            return;
        }
        if let Err(error) = self.accept(answer) {
            terminal::warn(&format!("the audio stays with the first answer, and may be lost: {error}"));
        }
    }

    fn begin_talk(&mut self, word: &str) -> Result<(), CallError> {
        let now = Instant::now();
        self.answered = Some(now);
        self.give_up_at = None;
        self.hang_up_at = self.options.length.map(|length| now + length);
        tell::line(word)
    }

    fn handle_media(&mut self, news: News) -> Result<(), CallError> {
        match news {
            News::Nothing => Ok(()),
            News::Connected => tell::line("the media is connected"),
            News::Lost => tell::line("nothing comes from the other side any more"),
        }
    }

    fn handle_due(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.hang_up_at) {
            self.hang_up_at = None;
            self.phone.hang_up(now);
        }
        if is_due(self.give_up_at) {
            self.give_up_at = None;
            match self.phone.is_busy() {
                true => self.phone.hang_up(now),
                false => self.over = Some(Over::NotTaken(408, "nobody has called".to_owned())),
            }
        }
        self.phone.handle_timeout(now);
    }

    /// Ctrl-C: hangs up; a second one ends at once.
    fn interrupt(&mut self) {
        if self.is_interrupted || !self.phone.is_busy() {
            self.over = Some(Over::Done);
        }
        self.is_interrupted = true;
        self.phone.hang_up(Instant::now());
    }

    /// Looks at the audio: begins what is to be said, writes down what was heard.
    fn hear(&mut self) -> Result<(), CallError> {
        let now = Instant::now();
        let Some(media) = &mut self.media else { return Ok(()) };
        let is_connected = media.is_connected() && self.answered.is_some();
        let Some(audio) = media.audio() else { return Ok(()) };
        if is_connected && !self.is_begun {
            self.is_begun = true;
            if let Some(clip) = &self.ready.clip {
                let times = if self.options.is_looped { None } else { Some(1) };
                audio.play(now, clip.clone(), times);
            }
            self.ready.sound.start(now);
        }
        while let Some(frame) = self.ready.sound.poll_frame(now) {
            audio.say(now, frame);
        }
        if audio.poll_ended() {
            tell::line("the file was played")?;
            // Without a length the call is as long as what was to be said.
            if self.options.length.is_none() {
                self.hang_up_at = Some(now + AFTERWARDS);
            }
        }
        while let Some(digit) = audio.poll_pressed() {
            tell::line(&format!("the other side has pressed {}", digit.key()))?;
        }
        if !self.has_packets && audio.counts().0 > 0 {
            self.has_packets = true;
            tell::line("the other side is heard")?;
        }
        // The way is through when something has come by it; who only listens gets the keys a little later.
        let has_waited = self.answered.is_some_and(|at| at.elapsed() > KEYS_WAIT);
        if self.is_begun && !self.is_pressed && (self.has_packets || has_waited) {
            self.is_pressed = true;
            for digit in &self.options.keys {
                if let Err(refusal) = audio.press(now, *digit) {
                    terminal::warn(&format!("{} is not pressed: {refusal}", digit.key()));
                }
            }
        }
        write_down(audio, self.ready.recorder.as_mut(), &mut self.ready.sound)?;
        self.ready.sound.look(now);
        tell::sound(&mut self.ready.sound)
    }

    fn handle_end(&mut self, end: End) -> Result<(), CallError> {
        let lasted = self.answered.map(|at| tell::seconds(at.elapsed()));
        let after = lasted.map(|lasted| format!(" after {lasted}")).unwrap_or_default();
        let over = match end {
            End::Ours if self.answered.is_some() || self.is_interrupted => {
                tell::line(&format!("hung up{after}"))?;
                Over::Done
            }
            End::Ours => Over::NotTaken(408, "nobody has answered".to_owned()),
            End::Theirs => {
                tell::line(&format!("the other side has hung up{after}"))?;
                Over::Done
            }
            End::Cancelled => {
                tell::line("the caller has given up")?;
                Over::NotTaken(487, "the caller has given up".to_owned())
            }
            End::Failed(failure) => match tell::refusal(&failure) {
                Some((status, reason)) => Over::NotTaken(status, reason.to_owned()),
                None => return Err(CallError::Failed(failure)),
            },
        };
        self.over = Some(over);
        Ok(())
    }

    async fn transmit(&mut self) -> Result<(), CallError> {
        while let Some(transmit) = self.phone.poll_transmit() {
            let frame = Frame::Message(transmit.payload, FrameKind::Text);
            if self.upstream.send(&frame).await.is_err() && !self.upstream.is_datagrams() {
                return Err(CallError::ConnectionLost(self.options.via.clone()));
            }
        }
        Ok(())
    }

    /// Ends the call if it still stands, signs out, and waits for the answers.
    async fn leave(&mut self) -> Result<(), CallError> {
        let deadline = Instant::now() + GOODBYE;
        self.phone.hang_up(Instant::now());
        self.phone.unregister(Instant::now());
        if let Some(media) = &mut self.media {
            media.close();
        }
        while !self.phone.is_idle() && Instant::now() < deadline {
            self.transmit().await?;
            let due = self.phone.poll_timeout().unwrap_or(deadline).min(deadline);
            tokio::select! {
                frame = self.upstream.next() => match frame {
                    Ok(Some(Frame::Message(bytes, _))) => self.phone.handle_message(Instant::now(), bytes),
                    Ok(Some(Frame::Ping(payload))) => {
                        let _ = self.upstream.send(&Frame::Pong(payload)).await;
                    }
                    Ok(Some(Frame::Pong(_))) => {}
                    Ok(Some(Frame::Close(_)) | None) => return Ok(()),
                    Err(_) if self.upstream.is_datagrams() => tokio::time::sleep(TICK).await,
                    // It ends anyway.
                    Err(_) => return Ok(()),
                },
                () = sleep_until(due.into()) => self.phone.handle_timeout(Instant::now()),
            }
            // Nobody waits for them.
            while self.phone.poll_event().is_some() {}
        }
        if self.phone.is_busy() {
            // Nobody has acknowledged our answer, and we cannot wait any longer.
            self.phone.hang_up(Instant::now());
        }
        self.transmit().await
    }

    fn finish_recording(&mut self) -> Result<(), CallError> {
        let Some(mut recorder) = self.ready.recorder.take() else { return Ok(()) };
        if let Some(audio) = self.media.as_mut().and_then(Media::audio) {
            audio.finish();
            write_down(audio, Some(&mut recorder), &mut self.ready.sound)?;
        }
        let seconds = recorder.seconds();
        recorder.finish()?;
        let path = self.options.record.as_deref().map(|path| path.display().to_string());
        tell::line(&format!("recorded {seconds:.1} s in {}", path.unwrap_or_default()))
    }
}

/// Plays and writes down what was heard, or lets it go.
fn write_down(
    audio: &mut Audio,
    mut recorder: Option<&mut ringback_peer::audio::Recorder>,
    sound: &mut LiveSound,
) -> Result<(), CallError> {
    while let Some(heard) = audio.poll_heard() {
        sound.hear(0, &heard.samples);
        if let Some(recorder) = recorder.as_deref_mut() {
            recorder.write(&heard)?;
        }
    }
    Ok(())
}

/// For how long we ask to be registered.
const REGISTERED: Duration = Duration::from_secs(600);

/// How long a sign of the other side is waited for before keys are pressed.
const KEYS_WAIT: Duration = Duration::from_secs(2);

/// How long the call stands after what was to be said: for what is on its way back.
const AFTERWARDS: Duration = Duration::from_millis(500);
