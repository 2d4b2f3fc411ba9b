//! What a task of the network holds at the control thread is given back when the task panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll};
use std::time::Duration;

use ringback_control::NotConnected;
use ringback_nat::turn::TimeLimited;
use ringback_server::config::Config;
use ringback_server::first_start::Opened;
use ringback_server::http::{Hosts, IceServers, Peer, Server, SignIn};
use ringback_server::inbox::{Inbox, Input, Owed};
use ringback_server::net::wake::Waker;
use ringback_server::net::{Bounds, Doorkeeper, sip_stream};
use ringback_server::store::{Options, Store};
use ringback_server::telemetry::Telemetry;
use ringback_sip::resolve::Answer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// The next input; one that never comes fails the test.
fn next(inputs: &Receiver<Input>) -> Input {
    inputs.recv_timeout(Duration::from_secs(20)).expect("the control thread is told")
}

#[test]
fn a_search_and_a_connect_whose_task_panics_are_answered() {
    run(async {
        let (inbox, inputs) = Inbox::new(Waker::new().unwrap());
        for otherwise in
            [Input::LookedUp(7, Answer::Failed), Input::Connected(8, Err(NotConnected::Unreachable))]
        {
            let expected = format!("{otherwise:?}");
            let owed = Owed::new(&inbox, otherwise);
            let task = tokio::spawn(async move {
                let _owed = owed;
                panic!("a mistake");
            });
            assert!(task.await.unwrap_err().is_panic());
            assert_eq!(format!("{:?}", next(&inputs)), expected);
        }
        let owed = Owed::new(&inbox, Input::Stop);
        owed.say(Input::Drain).await;
        assert!(matches!(next(&inputs), Input::Drain));
        drop(inbox);
        assert!(inputs.recv().is_err(), "what was said is said once");
    });
}

#[test]
fn a_connection_whose_task_panics_is_closed_and_has_no_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("ringback.db"), Options::default()).unwrap();
    let (writer, writer_thread) = store.start_writer(Box::new(|_| {})).unwrap();
    let bounds = Bounds { connections: 10, per_source: 10, per_shared_source: 10 };
    let doorkeeper = Doorkeeper::new(bounds, ringback_server::config::Listen::default());
    let (inbox, inputs) = Inbox::new(Waker::new().unwrap());
    let credentials = TimeLimited::new([], Duration::ZERO);
    let server = Server {
        config: Arc::new(Config::default()),
        inbox: inbox.clone(),
        rooms: inbox,
        numbers: Arc::default(),
        hosts: Arc::new(Hosts::new([])),
        sign_in: Arc::new(SignIn::new("example.org")),
        ice_servers: Arc::new(IceServers::new(&Config::default(), &Opened::default(), credentials)),
        readiness: Arc::default(),
        telemetry: Arc::new(Telemetry::new(doorkeeper.clone(), writer, Arc::default())),
    };
    let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "198.51.100.1:40000".parse().unwrap());
    run(async {
        let place = Arc::new(doorkeeper.admit("198.51.100.1".parse().unwrap()).unwrap());
        let peer = Peer { local, remote, secure: false };
        let task = tokio::spawn(sip_stream::serve(server.clone(), peer, Mistaken, place));
        assert!(task.await.unwrap_err().is_panic());
        let Input::Opened(opened, outbox) = next(&inputs) else { panic!("it is opened first") };
        assert!(matches!(next(&inputs), Input::Closed(closed) if closed == opened));
        drop(outbox);
        assert_eq!(doorkeeper.open(), 0);
    });
    drop(server);
    writer_thread.stop();
}

/// A stream whose reading panics.
struct Mistaken;

impl AsyncRead for Mistaken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        panic!("a mistake");
    }
}

impl AsyncWrite for Mistaken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
