//! The connection with the server, carried by a task of its own: a server that reads slowly keeps no member waiting.

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::upstream::{Frame, Upstream};

/// A connection with the server. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Link {
    out: Sender<Frame>,
    came: Receiver<Frame>,
}

impl Link {
    /// Carries frames over a connection that stands.
    pub(super) fn new(upstream: Upstream) -> Link {
        let (out, to_send) = channel(WAITING);
        let (arrived, came) = channel(WAITING);
        tokio::spawn(carry(upstream, to_send, arrived));
        Link { out, came }
    }

    /// The next frame; `None` when the connection has ended. Nothing is lost when it is given up while it waits.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        self.came.recv().await
    }

    /// Whether another frame is taken: not while the server does not read, nor at its end, which [`Link::next`] tells.
    pub(super) fn has_room(&self) -> bool {
        self.out.capacity() > 0 && !self.out.is_closed()
    }

    /// Sends a frame, where there is room.
    pub(super) fn send(&self, frame: Frame) {
        // What is lost with a connection is said again over the next one.
        let _ = self.out.try_send(frame);
    }
}

async fn carry(mut upstream: Upstream, mut to_send: Receiver<Frame>, arrived: Sender<Frame>) {
    loop {
        tokio::select! {
            frame = upstream.next() => {
                let Ok(Some(frame)) = frame else { return };
                if arrived.send(frame).await.is_err() {
                    return;
                }
            }
            frame = to_send.recv() => {
                let Some(frame) = frame else { return };
                if upstream.send(&frame).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Frames that wait, in either direction.
const WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;
    use crate::upstream::Kind;

    #[tokio::test]
    async fn frames_pass_both_ways_and_none_more_than_there_is_room_for() {
        let (own, server) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        own.connect(server.local_addr().unwrap()).await.unwrap();
        server.connect(own.local_addr().unwrap()).await.unwrap();
        let mut link = Link::new(Upstream::Datagrams(own, vec![0; 1500]));
        let frame = |text: &'static str| Frame::Message(text.into(), Kind::Text);
        // The task has not run yet: nothing is taken from it.
        for _ in 0..WAITING {
            assert!(link.has_room());
            link.send(frame("there"));
        }
        assert!(!link.has_room());
        let mut buffer = [0; 16];
        assert_eq!(server.recv(&mut buffer).await.unwrap(), 5);
        assert!(link.has_room());
        server.send(b"back").await.unwrap();
        assert_eq!(link.next().await, Some(frame("back")));
    }
}
