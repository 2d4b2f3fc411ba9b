//! The way into a media worker.

use std::cell::Cell;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use ringback_control::{MediaCommand, MediaEvent};
use ringback_media::insert::PlayEnd;
use ringback_media::session::LegKey;

use crate::net::wake::Waker;

/// Commands that may wait for a worker.
const COMMANDS: usize = 16_384;

/// Commands after which the worker hears of them before the round is over.
const MANY: usize = 1024;

/// The sending side. The worker hears of commands at [`MediaInbox::wake`], so that those of one round wake it once.
#[derive(Debug)]
pub struct MediaInbox {
    // Dropped in this order: the worker is woken when there is nobody left to send, and ends.
    sender: SyncSender<(LegKey, MediaCommand)>,
    waker: WakeOnDrop,
    /// Commands since the worker was woken.
    news: Cell<usize>,
}

#[derive(Debug)]
struct WakeOnDrop(Waker);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

impl MediaInbox {
    /// An inbox and the receiving side.
    pub fn new() -> io::Result<(Self, Commands)> {
        let waker = Waker::new()?;
        let (sender, receiver) = sync_channel(COMMANDS);
        let inbox = MediaInbox { sender, waker: WakeOnDrop(waker.clone()), news: Cell::new(0) };
        Ok((inbox, Commands { receiver, waker }))
    }

    /// Another way in, for another thread; the worker ends when all of them are dropped.
    pub fn another(&self) -> Self {
        let waker = WakeOnDrop(self.waker.0.clone());
        MediaInbox { sender: self.sender.clone(), waker, news: Cell::new(0) }
    }

    /// Hands in a command. When it is not taken, the error is the answer that the worker would have given.
    pub fn send(&self, leg: LegKey, command: MediaCommand) -> Result<(), Option<MediaEvent>> {
        match self.sender.try_send((leg, command)) {
            Ok(()) => {
                self.news.set(self.news.get() + 1);
                if self.news.get() >= MANY {
                    self.wake();
                }
                Ok(())
            }
            Err(TrySendError::Full((leg, command))) => {
                Err(refusal(leg, &command, "the media workers are overloaded"))
            }
            Err(TrySendError::Disconnected((leg, command))) => Err(refusal(leg, &command, FAILED)),
        }
    }

    /// Has the worker look at what was handed in since the last time.
    pub fn wake(&self) {
        if self.news.take() > 0 {
            self.waker.0.wake();
        }
    }
}

/// What control is told of a command that is not carried out, where it waits for an answer.
pub(super) fn refusal(leg: LegKey, command: &MediaCommand, why: &str) -> Option<MediaEvent> {
    match command {
        MediaCommand::Open { .. } => Some(MediaEvent::Opened(leg, Err(why.to_owned()))),
        MediaCommand::Report => Some(MediaEvent::Reported(leg, None)),
        MediaCommand::OpenVideo { .. } => Some(MediaEvent::VideoOpened(leg, Err(why.to_owned()))),
        MediaCommand::Close => Some(MediaEvent::Closed(leg, None)),
        MediaCommand::Restart(_)
        | MediaCommand::Configure(..)
        | MediaCommand::ConfigureVideo(..)
        | MediaCommand::Watch { .. }
        | MediaCommand::AskPicture
        | MediaCommand::Press { .. }
        | MediaCommand::Locate(_)
        | MediaCommand::Join(_)
        | MediaCommand::Echo
        | MediaCommand::StopPlaying
        | MediaCommand::Record(_)
        | MediaCommand::PauseRecording(_)
        | MediaCommand::ResumeRecording(_)
        | MediaCommand::StopRecording(_)
        | MediaCommand::DiscardRecording(_) => None,
        MediaCommand::Play(play) => Some(MediaEvent::Played(leg, play.number, PlayEnd::Finished)),
    }
}

/// Why a worker that has ended opens no leg.
pub(super) const FAILED: &str = "a media worker has failed; restart Ringback";

/// The receiving side of a [`MediaInbox`].
#[derive(Debug)]
pub struct Commands {
    receiver: Receiver<(LegKey, MediaCommand)>,
    pub(super) waker: Waker,
}

impl Commands {
    /// What wakes the worker.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The next command that waits; the error says whether more can come.
    pub(super) fn next(&self) -> Result<(LegKey, MediaCommand), TryRecvError> {
        self.receiver.try_recv()
    }
}
