//! Catalogue: the services that answered one discovery.

use std::collections::BTreeMap;
use std::time::Instant;

use gearshift_bus::ServiceInfo;
use gearshift_protocol::{OperationRef, plugin};

/// The services that answered one discovery.
#[derive(Debug)]
pub(super) struct Catalogue {
    /// When they were asked.
    pub(super) asked: Instant,
    /// Major versions of each plugin that runs.
    majors: BTreeMap<String, Vec<u64>>,
    /// Does the operation at this subject say that it may not be repeated?
    endpoints: BTreeMap<String, bool>,
}

impl Catalogue {
    pub(super) fn new(asked: Instant, services: &[ServiceInfo]) -> Self {
        let mut majors = BTreeMap::<String, Vec<u64>>::new();
        let mut endpoints = BTreeMap::new();
        for service in services {
            let major: Option<u64> =
                service.version.split('.').next().and_then(|text| text.parse().ok());
            majors.entry(service.name.clone()).or_default().extend(major);
            for endpoint in &service.endpoints {
                let told = endpoint.metadata.get(plugin::METADATA_IDEMPOTENT);
                let once = told.is_some_and(|told| told.trim().eq_ignore_ascii_case("false"));
                // Of several instances the most careful one counts: any of them may be asked.
                *endpoints.entry(endpoint.subject.clone()).or_insert(false) |= once;
            }
        }
        Self { asked, majors, endpoints }
    }

    /// The newest major version that runs and has the operation, else the newest that runs.
    pub(super) fn newest(&self, operation: &OperationRef) -> Option<u64> {
        let majors = self.majors.get(&operation.plugin)?;
        let serving =
            majors.iter().filter(|major| self.once(&operation.subject(**major)).is_some());
        serving.max().or_else(|| majors.iter().max()).copied()
    }

    /// May the operation at this subject be asked only once? `None`: nobody offers it.
    pub(super) fn once(&self, subject: &str) -> Option<bool> {
        self.endpoints.get(subject).copied()
    }
}
