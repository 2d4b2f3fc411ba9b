//! What is asked of the rooms over HTTP.

use ringback_control::rooms::{Patch, Post, Reply, Token};
use tokio::sync::oneshot;

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// What it is.
    pub what: What,
    /// Where whoever asks waits.
    pub reply: oneshot::Sender<Reply>,
}

/// What somebody wants of streams.
#[derive(Debug)]
pub enum What {
    /// A session, by its offer.
    Post(Box<Post>),
    /// The end of a session.
    Delete(Token),
    /// A change of a session.
    Patch(Patch),
}
