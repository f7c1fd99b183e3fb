//! [`ServiceStats`]: what services tell about the requests they have answered.

use std::time::Duration;

/// What one instance of a service tells about its requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceStats {
    /// The service's name.
    pub name: String,
    /// The instance.
    pub id: String,
    /// Its version.
    pub version: String,
    /// Its endpoints, in order of name and subject.
    pub endpoints: Vec<EndpointStats>,
}

/// What is told about the requests of one endpoint since the instance started.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStats {
    /// Its name within the service.
    pub name: String,
    /// Where it is asked.
    pub subject: String,
    /// Requests answered, failures included.
    pub requests: u64,
    /// Failures among them.
    pub errors: u64,
    /// How long an answer took, on average.
    pub average: Duration,
    /// The last failure in words; empty without one.
    pub last_error: String,
    /// What else the service tells; null without it.
    pub data: serde_json::Value,
}
