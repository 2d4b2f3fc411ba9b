//! `/healthz`: is the process well; `/readyz`: may calls be sent to it.

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::{Body, plain};

/// What is known of the state of the server.
#[derive(Debug, Default)]
pub struct Readiness {
    ready: AtomicBool,
    draining: AtomicBool,
    store_failing: AtomicBool,
    media_failed: AtomicBool,
    turn_failed: AtomicBool,
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

    /// A media worker has ended before its time; it does not come back.
    pub fn media_failed(&self) {
        self.media_failed.store(true, Ordering::Release);
    }

    /// TURN has ended before its time; it does not come back.
    pub fn turn_failed(&self) {
        self.turn_failed.store(true, Ordering::Release);
    }

    /// Whether it has.
    #[cfg(test)]
    pub fn has_failed_turn(&self) -> bool {
        self.turn_failed.load(Ordering::Acquire)
    }

    /// Whether a media worker has.
    #[cfg(test)]
    pub fn has_failed_media(&self) -> bool {
        self.media_failed.load(Ordering::Acquire)
    }

    /// What to tell on `/healthz`; the first call counts.
    pub fn warn(&self, warnings: Vec<String>) {
        let _ = self.warnings.set(warnings);
    }
}

/// 200 with `ok` and the warnings, or 503 with what is wrong.
pub fn healthz(readiness: &Readiness) -> Response<Body> {
    if readiness.store_failing.load(Ordering::Acquire) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the store takes no writes: is the disk full?\n");
    }
    if readiness.media_failed.load(Ordering::Acquire) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, MEDIA_FAILED);
    }
    if readiness.turn_failed.load(Ordering::Acquire) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, TURN_FAILED);
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
pub fn readyz(readiness: &Readiness) -> Response<Body> {
    if readiness.media_failed.load(Ordering::Acquire) {
        plain(StatusCode::SERVICE_UNAVAILABLE, MEDIA_FAILED)
    } else if readiness.takes_calls() {
        plain(StatusCode::OK, "ready\n")
    } else if readiness.draining.load(Ordering::Acquire) {
        plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

/// Why no calls should be sent here although the server runs.
const MEDIA_FAILED: &str = "a media worker has failed: restart Ringback, and report what its log says\n";

/// What is gone although calls are taken.
const TURN_FAILED: &str = "TURN has failed: restart Ringback, and report what its log says\n";

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn told(response: Response<Body>) -> (u16, String) {
        let status = response.status().as_u16();
        let body =
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(response.collect());
        (status, String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[test]
    fn a_media_worker_that_failed_turns_both_red() {
        let readiness = Readiness::default();
        readiness.is_ready();
        assert_eq!((told(healthz(&readiness)).0, told(readyz(&readiness)).0), (200, 200));
        readiness.media_failed();
        for response in [healthz(&readiness), readyz(&readiness)] {
            let (status, sentence) = told(response);
            assert_eq!(status, 503);
            assert!(sentence.starts_with("a media worker has failed: restart Ringback"), "{sentence}");
        }
    }

    #[test]
    fn without_turn_the_server_is_not_well_and_takes_calls() {
        let readiness = Readiness::default();
        readiness.is_ready();
        readiness.turn_failed();
        let (status, sentence) = told(healthz(&readiness));
        assert_eq!((status, told(readyz(&readiness)).0), (503, 200));
        assert!(sentence.starts_with("TURN has failed: restart Ringback"), "{sentence}");
    }
}
