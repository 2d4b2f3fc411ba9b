//! `/metrics`: the counters in the text format of Prometheus.

use std::sync::Arc;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::{Body, plain};
use crate::telemetry::Telemetry;

/// Every counter.
pub fn metrics(telemetry: &Arc<Telemetry>) -> Response<Body> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(telemetry.clone()));
    let mut text = String::new();
    if encode(&mut text, &registry).is_err() {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the counters could not be written\n");
    }
    let mut response = Response::new(Body::from(text));
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
