//! [`Counts`]: what a service tells about the requests of one endpoint.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::requests::{ERROR_CODE, ERROR_TEXT};
use crate::local::lock;
use crate::{EndpointInfo, Message};

/// Requests answered, failures among them, and how long it took.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: AtomicU64,
    errors: AtomicU64,
    nanos: AtomicU64,
    last_error: Mutex<String>,
}

/// One endpoint in an answer to `$SRV.STATS`.
#[derive(Serialize)]
pub(super) struct EndpointStats<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'a str,
    num_requests: u64,
    num_errors: u64,
    last_error: String,
    processing_time: u64,
    average_processing_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a serde_json::Value>,
}

impl Counts {
    pub(super) fn add(&self, reply: &Message, took: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
        if let Some(code) = reply.headers.get(ERROR_CODE) {
            self.errors.fetch_add(1, Ordering::Relaxed);
            let text = reply.headers.get(ERROR_TEXT).unwrap_or_default();
            *lock(&self.last_error) = format!("{code}:{text}");
        }
    }

    pub(super) fn told<'a>(
        &self,
        endpoint: &'a EndpointInfo,
        group: &'a str,
        data: Option<&'a serde_json::Value>,
    ) -> EndpointStats<'a> {
        let requests = self.requests.load(Ordering::Relaxed);
        let nanos = self.nanos.load(Ordering::Relaxed);
        EndpointStats {
            name: &endpoint.name,
            subject: &endpoint.subject,
            queue_group: group,
            num_requests: requests,
            num_errors: self.errors.load(Ordering::Relaxed),
            last_error: lock(&self.last_error).clone(),
            processing_time: nanos,
            average_processing_time: nanos.checked_div(requests).unwrap_or(0),
            data,
        }
    }
}
