//! [`Offered`]: a micro service (ADR-32) by the client's own library.

use std::collections::HashMap;

use async_nats::service::{Service, ServiceExt};
use futures_util::FutureExt;

use super::Served;
use super::traffic::Traffic;
use crate::{Error, ErrorKind, ServiceInfo, SubjectPattern};

/// A running service.
#[derive(Debug)]
pub(crate) struct Offered(Option<Box<Service>>);

impl Drop for Offered {
    /// Takes the service back; requests that arrived before can still be taken.
    fn drop(&mut self) {
        // Stopping is a notice to the endpoints and an abort, so it is done at its first poll.
        if let Some(Some(Err(error))) = self.0.take().map(|service| service.stop().now_or_never()) {
            tracing::debug!(%error, "a service was not stopped in order");
        }
    }
}

pub(super) async fn offer(
    traffic: &Traffic,
    info: ServiceInfo,
    group: &str,
) -> Result<(Offered, Vec<Served>), Error> {
    for endpoint in &info.endpoints {
        SubjectPattern::parse(&endpoint.subject)?;
    }
    let client = &traffic.shared().client;
    let service = client
        .service_builder()
        .metadata(info.metadata.into_iter().collect::<HashMap<_, _>>())
        .queue_group(group)
        .start(&info.name, &info.version)
        .await
        .map_err(|error| {
            let reason = "a service has a name of `A-Z a-z 0-9 - _` and a semantic version";
            Error::new(ErrorKind::InvalidName { text: info.name.clone(), reason }, error)
        })?;
    let offered = Offered(Some(Box::new(service)));
    let mut servers = Vec::with_capacity(info.endpoints.len());
    if let Some(service) = &offered.0 {
        for endpoint in info.endpoints {
            let served = service
                .endpoint_builder()
                .name(&endpoint.name)
                .metadata(endpoint.metadata.into_iter().collect())
                .queue_group(group)
                .add(&endpoint.subject)
                .await
                .map_err(|error| Error::new(ErrorKind::Disconnected, error))?;
            servers.push(Served::endpoint(served, traffic.clone()));
        }
    }
    Ok((offered, servers))
}
