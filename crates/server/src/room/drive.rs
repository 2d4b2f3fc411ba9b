//! The member with its connection and its clock.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use hyper::Request;
use ringback_peer::rooms::{FileEvent, Room, RoomEvent, RoomSettings};
use ringback_sansio::FiveTuple;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::console::{self, Console, Wish};
use super::link::Link;
use super::sound::Sound;
use super::transfers::{Transfer, Transfers};
use super::{Options, RoomError};
use crate::live_sound::News;
use crate::terminal;
use crate::upstream::{ConnectError, Connector, Frame, Kind, Upstream};

/// How often recordings are written down.
const TICK: Duration = Duration::from_millis(100);

/// How often it is looked at what a microphone gives, and a speaker is given something: twice in a frame.
const LIVE_TICK: Duration = Duration::from_millis(10);

/// How often the server is asked for a sign of life, and how long it may be silent.
const PING: Duration = Duration::from_secs(10);
const SILENT: Duration = Duration::from_secs(25);

/// How long one waits before the next try: the last again and again, and a little at random.
const TRIES: [u64; 6] = [0, 500, 1000, 2000, 4000, 5000];

/// How long goodbyes take, and how long they may where a TURN server has something to be given back.
const GOODBYE: Duration = Duration::from_millis(500);
const LATE_GOODBYE: Duration = Duration::from_secs(1);

/// The longest file that is offered or taken.
const MOST_FILE: u64 = 100 << 20;

/// Connects, and is a member until it is over.
pub(super) async fn run(
    options: &Options,
    connector: Connector,
    account: Option<(String, String)>,
    sound: Sound,
) -> Result<(), RoomError> {
    let first = connector.connect(&Request::new(())).await;
    let (upstream, tuple) = first.map_err(|error| RoomError::Connect(error.to_string()))?;
    let settings = RoomSettings {
        room: options.place.room.clone(),
        name: options.name.clone(),
        pin: options.pin.clone(),
        creates: options.creates,
        account,
        has_audio: sound.is_wanted(),
        // Where others reach us is where the server is reached from.
        addresses: vec![tuple.local.ip()],
        most_file: if options.has_chat { MOST_FILE } else { 0 },
    };
    let member = Driver {
        options,
        connector: Arc::new(connector),
        room: Room::new(settings),
        server: Some(Link::new(upstream)),
        connecting: None,
        heard_at: Instant::now(),
        retry_at: None,
        tries: 0,
        console: Console::new(),
        transfers: Transfers::new(&options.folder),
        sound,
        over: None,
    };
    member.run().await
}

struct Driver<'o> {
    options: &'o Options,
    connector: Arc<Connector>,
    room: Room,
    /// The connection with the server, while it stands.
    server: Option<Link>,
    /// The next one, while it is being made.
    connecting: Option<LocalBoxFuture<'static, Connected>>,
    heard_at: Instant,
    retry_at: Option<Instant>,
    tries: usize,
    console: Console,
    transfers: Transfers,
    sound: Sound,
    over: Option<Result<(), RoomError>>,
}

type Connected = Result<(Upstream, FiveTuple), ConnectError>;

/// What is waited for.
enum Happened {
    Server(Option<Frame>),
    Connected(Connected),
    Room(RoomEvent),
    Typed(Option<Wish>),
    Tick,
    Ping,
    Retry,
    Interrupted,
}

impl Driver<'_> {
    async fn run(mut self) -> Result<(), RoomError> {
        let mut interrupts = signal(SignalKind::interrupt()).map_err(RoomError::Threads)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(RoomError::Threads)?;
        let mut typed: Option<Receiver<Option<Wish>>> = self.options.has_chat.then(console::wishes);
        let mut tick = interval(if self.sound.is_live() { LIVE_TICK } else { TICK });
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping = interval(PING);
        let end = self.options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
        self.room.handle_opened();
        while self.over.is_none() {
            self.send();
            self.supply();
            let (server, room, connecting) = (&mut self.server, &mut self.room, &mut self.connecting);
            let retry_at = self.retry_at;
            let happened = tokio::select! {
                frame = async {
                    match server {
                        Some(server) => server.next().await,
                        None => std::future::pending().await,
                    }
                } => Happened::Server(frame),
                connected = async {
                    match connecting {
                        Some(connecting) => connecting.await,
                        None => std::future::pending().await,
                    }
                } => Happened::Connected(connected),
                event = room.next() => Happened::Room(event),
                wish = async {
                    match &mut typed {
                        Some(typed) => typed.recv().await.flatten(),
                        None => std::future::pending().await,
                    }
                } => Happened::Typed(wish),
                _ = tick.tick() => Happened::Tick,
                _ = ping.tick() => Happened::Ping,
                () = at(retry_at) => Happened::Retry,
                () = at(end) => Happened::Interrupted,
                _ = interrupts.recv() => Happened::Interrupted,
                _ = terminations.recv() => Happened::Interrupted,
            };
            match happened {
                Happened::Server(frame) => self.handle_frame(frame).await?,
                Happened::Room(event) => self.handle_event(event)?,
                Happened::Typed(Some(wish)) => self.carry_out(wish)?,
                // Whoever pipes lines in has said everything, and stays to hear.
                Happened::Typed(None) => typed = None,
                Happened::Tick => self.listen()?,
                Happened::Ping => self.look_after_server(),
                Happened::Retry => self.reconnect(),
                Happened::Connected(connected) => self.handle_connected(connected)?,
                Happened::Interrupted => self.over = Some(Ok(())),
            }
        }
        let over = self.over.take().unwrap_or(Ok(()));
        self.leave().await?;
        over
    }

    async fn handle_frame(&mut self, frame: Option<Frame>) -> Result<(), RoomError> {
        self.heard_at = Instant::now();
        match frame {
            Some(Frame::Message(text, _)) => self.room.handle_message(&text).await,
            Some(Frame::Ping(payload)) => {
                if let Some(server) = &self.server {
                    server.send(Frame::Pong(payload));
                }
            }
            Some(Frame::Pong(_)) => {}
            Some(Frame::Close(_)) | None => self.lose_server()?,
        }
        Ok(())
    }

    /// The server is away; it is asked again, and the members stay connected meanwhile.
    fn lose_server(&mut self) -> Result<(), RoomError> {
        if self.server.take().is_some() {
            self.console.line("* the server is away; those who are here stay connected")?;
        }
        let wait = TRIES.get(self.tries).or(TRIES.last()).copied().unwrap_or_default();
        let jitter = if self.tries >= TRIES.len() { rand::random_range(0..1000) } else { 0 };
        self.tries += 1;
        self.retry_at = Some(Instant::now() + Duration::from_millis(wait + jitter));
        Ok(())
    }

    /// Asks for another connection with the server; what comes of it is waited for beside all else.
    fn reconnect(&mut self) {
        self.retry_at = None;
        let connector = Arc::clone(&self.connector);
        self.connecting = Some(Box::pin(async move { connector.connect(&Request::new(())).await }));
    }

    fn handle_connected(&mut self, connected: Connected) -> Result<(), RoomError> {
        self.connecting = None;
        match connected {
            Ok((upstream, tuple)) => {
                self.server = Some(Link::new(upstream));
                self.heard_at = Instant::now();
                // This machine may be in another network.
                self.room.move_to(vec![tuple.local.ip()]);
                self.room.handle_opened();
                Ok(())
            }
            Err(_) => self.lose_server(),
        }
    }

    fn look_after_server(&mut self) {
        if self.server.is_some() && self.heard_at.elapsed() > SILENT {
            // The connection is as good as none; the next one is told of by its loss.
            self.server = None;
            self.retry_at = Some(Instant::now());
        }
        self.room.ping();
    }

    fn send(&mut self) {
        let Some(server) = &self.server else { return };
        while server.has_room()
            && let Some(text) = self.room.poll_send()
        {
            server.send(Frame::Message(text.into(), Kind::Text));
        }
    }

    /// Reads the pieces of files that are wanted.
    fn supply(&mut self) {
        for _ in 0..PIECES {
            let Some((member, id, at, len)) = self.room.wanted() else { return };
            let transfer = Transfer { member, id };
            // A file that cannot be read any more has become shorter.
            let piece = self.transfers.read(transfer, at, len).unwrap_or_default();
            if let Some(files) = self.room.files(member) {
                files.supply(id, &piece);
            }
            self.room.flush(member);
        }
    }

    fn handle_event(&mut self, event: RoomEvent) -> Result<(), RoomError> {
        match event {
            RoomEvent::Joined { room, is_resumed } => {
                self.tries = 0;
                let link = self.options.place.link(&room);
                let word = if is_resumed { "back in" } else { "in" };
                self.console.line(&format!("* {word} {link} as {}", self.options.name))
            }
            RoomEvent::Waiting => self.console.line("* the host has to let you in"),
            RoomEvent::Came(id) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* {name} is here"))
            }
            RoomEvent::Connected(id) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* connected with {name}"))
            }
            RoomEvent::Lost(id) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* {name} does not answer"))
            }
            RoomEvent::Left(id, name) => {
                self.finish_recording(id)?;
                self.console.line(&format!("* {name} has left"))
            }
            RoomEvent::Renamed(id) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* member {id} is called {name}"))
            }
            RoomEvent::Said(id, text) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("{name}: {text}"))
            }
            RoomEvent::File(id, event) => self.handle_file(id, event),
            RoomEvent::Ended(says) => {
                self.console.line(&format!("* {says}"))?;
                self.over = Some(Ok(()));
                Ok(())
            }
            RoomEvent::Refused(code, says) => {
                self.over = Some(Err(RoomError::Refused { code, says }));
                Ok(())
            }
            RoomEvent::Objected(code, says) => {
                self.console.line(&format!("* the server says: {says} ({code})"))
            }
            RoomEvent::NotOpened(name, why) => {
                self.console.line(&format!("* {name} is here and cannot be connected with: {why}"))
            }
            RoomEvent::NotRelayed(id, why) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* no relay to {name}: {why}"))
            }
            // That is done in any case.
            RoomEvent::Sends => Ok(()),
            RoomEvent::Misunderstood(id, why) => {
                let name = self.room.name(id).to_owned();
                self.console.line(&format!("* {name} cannot be understood: {why}"))
            }
        }
    }

    fn handle_file(&mut self, member: u32, event: FileEvent) -> Result<(), RoomError> {
        let name = self.room.name(member).to_owned();
        let transfer = |id| Transfer { member, id };
        match event {
            FileEvent::Offered { id, name: file, size } => {
                let number = self.transfers.offered(transfer(id), &file, size);
                match self.options.takes_files {
                    true => self.take(transfer(id)),
                    false => self.console.line(&format!(
                        "* {name} offers {file} ({size} bytes); /accept {number} or /refuse {number}"
                    )),
                }
            }
            FileEvent::Accepted(_) => Ok(()),
            FileEvent::Arrived { id, bytes } => {
                let Some(open) = self.transfers.get(transfer(id)) else { return Ok(()) };
                let (file, size) = (open.name.clone(), open.size);
                if bytes < size {
                    self.console.progress(&format!("{file} to {name}"), bytes, size);
                    return Ok(());
                }
                self.transfers.finish(transfer(id));
                self.console.line(&format!("* {name} has {file} ({size} bytes)"))
            }
            FileEvent::Bytes { id, data } => {
                let written = self.transfers.write(transfer(id), &data);
                let Some(files) = self.room.files(member) else { return Ok(()) };
                match written {
                    Ok(()) => files.taken(id, data.len() as u64),
                    Err(error) => {
                        files.stop(id, "it cannot be written here");
                        self.transfers.abandon(transfer(id));
                        terminal::warn(&format!("the file of {name} cannot be written: {error}"));
                    }
                }
                self.room.flush(member);
                if let Some(open) = self.transfers.get(transfer(id)) {
                    let (file, done, size) = (open.name.clone(), open.done, open.size);
                    self.console.progress(&format!("{file} from {name}"), done, size);
                }
                Ok(())
            }
            FileEvent::Whole(id) => {
                let Some((open, Some(path))) = self.transfers.finish(transfer(id)) else { return Ok(()) };
                self.console.line(&format!("* {} is here ({} bytes)", path.display(), open.size))
            }
            FileEvent::Stopped { id, says } => {
                let file = self.transfers.abandon(transfer(id)).map(|open| open.name).unwrap_or_default();
                let says = if says.is_empty() { "no reason was given" } else { &says };
                self.console.line(&format!("* {file} with {name} was not sent to its end: {says}"))
            }
        }
    }

    fn carry_out(&mut self, wish: Wish) -> Result<(), RoomError> {
        match wish {
            Wish::Say(text) => match self.room.say(&text) {
                Ok(0) => self.console.line("* nobody is connected, so nobody has heard that"),
                Ok(_) => Ok(()),
                Err(error) => self.console.line(&format!("* {error}")),
            },
            Wish::Send(path) => self.send_file(&path),
            Wish::Peers => {
                let members = self.room.members();
                if members.is_empty() {
                    return self.console.line("* nobody else is here");
                }
                for (id, name, is_connected) in members {
                    let state = if is_connected { "connected" } else { "not connected yet" };
                    self.console.line(&format!("* {id} {name}, {state}"))?;
                }
                Ok(())
            }
            Wish::Accept(number) => match self.transfers.waiting(number) {
                Some(transfer) => self.take(transfer),
                None => self.console.line("* no such file waits; give its number, as in /accept 1"),
            },
            Wish::Refuse(number) => match self.transfers.waiting(number) {
                Some(transfer) => {
                    self.transfers.abandon(transfer);
                    if let Some(files) = self.room.files(transfer.member) {
                        files.refuse(transfer.id, "it is not wanted");
                    }
                    self.room.flush(transfer.member);
                    Ok(())
                }
                None => self.console.line("* no such file waits; give its number, as in /refuse 1"),
            },
            Wish::Help => self.console.line(&format!("* {}", console::HELP)),
            Wish::Unknown(command) => {
                self.console.line(&format!("* /{command} is no command; {}", console::HELP))
            }
            Wish::Quit => {
                self.over = Some(Ok(()));
                Ok(())
            }
        }
    }

    /// Takes a file that is offered.
    fn take(&mut self, transfer: Transfer) -> Result<(), RoomError> {
        let taken = self.transfers.take(transfer);
        let Some(files) = self.room.files(transfer.member) else { return Ok(()) };
        match &taken {
            Ok(()) => files.accept(transfer.id),
            Err(_) => files.refuse(transfer.id, "it cannot be written here"),
        }
        self.room.flush(transfer.member);
        match taken {
            Ok(()) => Ok(()),
            Err(error) => {
                self.transfers.abandon(transfer);
                let folder = self.options.folder.display();
                self.console.line(&format!("* no file can be made in {folder}: {error}"))
            }
        }
    }

    /// Offers a file to everybody who is connected.
    fn send_file(&mut self, path: &Path) -> Result<(), RoomError> {
        let size = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return self.console.line(&format!("* {} is no file", path.display())),
            Err(error) => return self.console.line(&format!("* {} cannot be read: {error}", path.display())),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let members: Vec<u32> = self
            .room
            .members()
            .into_iter()
            .filter(|(.., is_connected)| *is_connected)
            .map(|(id, ..)| id)
            .collect();
        if members.is_empty() {
            return self.console.line("* nobody is connected, so there is nobody to send it to");
        }
        for member in members {
            let offered = self.room.offer_file(member, &name, size);
            let told = match offered {
                Ok(id) => {
                    let transfer = Transfer { member, id };
                    match self.transfers.sending(transfer, path, size) {
                        Ok(()) => format!("{name} ({size} bytes) is offered to {}", self.room.name(member)),
                        Err(error) => {
                            if let Some(files) = self.room.files(member) {
                                files.stop(id, "it cannot be read");
                            }
                            self.room.flush(member);
                            format!("{} cannot be read: {error}", path.display())
                        }
                    }
                }
                Err(error) => error.to_string(),
            };
            self.console.line(&format!("* {told}"))?;
        }
        Ok(())
    }

    /// Plays, and writes down what was heard.
    fn listen(&mut self) -> Result<(), RoomError> {
        if !self.sound.is_wanted() {
            return Ok(());
        }
        let now = Instant::now();
        let members: Vec<(u32, bool)> =
            self.room.members().into_iter().map(|(id, _, is_connected)| (id, is_connected)).collect();
        let is_anybody_there = members.iter().any(|(_, is_connected)| *is_connected);
        while let Some(frame) = self.sound.listen(now, is_anybody_there) {
            for (id, _) in members.iter().filter(|(_, is_connected)| *is_connected) {
                if let Some(audio) = self.room.audio(*id) {
                    audio.say(now, &frame);
                }
            }
        }
        for (id, is_connected) in members {
            if let Some(audio) = self.room.audio(id) {
                self.sound.look(id, is_connected, audio)?;
            }
        }
        self.tell_of_sound()
    }

    /// Tells the news of the microphone and the speaker.
    fn tell_of_sound(&mut self) -> Result<(), RoomError> {
        while let Some(news) = self.sound.poll_news() {
            match news {
                News::Line(text) => self.console.line(&format!("* {text}"))?,
                News::Warning(text) => terminal::warn(&text),
            }
        }
        Ok(())
    }

    fn finish_recording(&mut self, member: u32) -> Result<(), RoomError> {
        if let Some((path, seconds)) = self.sound.finish(member)? {
            self.console.line(&format!("* recorded {seconds:.1} s in {}", path.display()))?;
        }
        Ok(())
    }

    /// Leaves, and lets goodbyes go out.
    async fn leave(&mut self) -> Result<(), RoomError> {
        self.listen()?;
        for member in self.sound.recorded() {
            self.finish_recording(member)?;
        }
        self.sound.close();
        self.tell_of_sound()?;
        self.room.leave();
        self.send();
        let (until, late) = (Instant::now() + GOODBYE, Instant::now() + LATE_GOODBYE);
        loop {
            let now = Instant::now();
            let until = if now < until || self.room.is_at_rest() { until } else { late };
            if until <= now {
                return Ok(());
            }
            tokio::select! {
                _ = self.room.next() => {}
                () = sleep_until(until.into()) => {}
            }
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// Pieces of files that are read before something else is looked at.
const PIECES: usize = 16;
