//! `/healthz`: is the process well; `/readyz`: may calls be sent to it.

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::{Body, Server, plain};

/// What is known of the state of the server.
#[derive(Debug, Default)]
pub struct Readiness {
    ready: AtomicBool,
    draining: AtomicBool,
    store_failing: AtomicBool,
    /// What an operator should know although the server runs; set once at the start.
    warnings: std::sync::OnceLock<Vec<String>>,
}

impl Readiness {
    /// Everything is bound and running.
    pub fn is_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether calls are taken.
    pub fn takes_calls(&self) -> bool {
        self.ready.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire)
    }

    /// No new calls are taken.
    pub fn is_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the store takes writes.
    pub fn store_failing(&self, failing: bool) {
        self.store_failing.store(failing, Ordering::Release);
    }

    /// What to tell on `/healthz`; the first call counts.
    pub fn warn(&self, warnings: Vec<String>) {
        let _ = self.warnings.set(warnings);
    }
}

/// 200 with `ok` and the warnings, or 503 with what is wrong.
pub fn healthz(server: &Server) -> Response<Body> {
    let readiness = &server.readiness;
    if readiness.store_failing.load(Ordering::Acquire) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes: is the disk full?\n");
    }
    let mut text = String::from("ok\n");
    for warning in readiness.warnings.get().into_iter().flatten() {
        text.push_str("warning: ");
        text.push_str(warning);
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// 200 when calls are taken.
pub fn readyz(server: &Server) -> Response<Body> {
    if server.readiness.takes_calls() {
        plain(StatusCode::OK, "ready\n")
    } else if server.readiness.draining.load(Ordering::Acquire) {
        plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}
