//! Inputs above the inline limit: stored under their digest before the call is sent, where the
//! plugin reads such (decision 0035).

use bytes::Bytes;
use gearshift_bus::Error as BusError;
use gearshift_machine::machine::ErrorKind;
use gearshift_protocol::ObjectRef;
use gearshift_protocol::plugin::{BODY_BYTES_MAX, OBJECT_BYTES_MAX};

use super::bodies::{BLOBS, BUCKET};
use crate::runtime::providers::{Asked, Attempt, Route, failure};
use crate::runtime::shared::Shared;

impl Attempt {
    /// The input as it travels, where there is nothing to do for that.
    pub(crate) fn inline(&self) -> Option<Bytes> {
        let body = Bytes::from(self.call.input.to_json());
        (body.len() <= BODY_BYTES_MAX).then_some(body)
    }

    /// The input as it travels, stored before if it has to be. Storing it again, for the next
    /// attempt or by the next owner, finds it there and keeps it for another day.
    pub(crate) async fn body(&self, route: &Route) -> Result<Bytes, Asked> {
        let body = Bytes::from(self.call.input.to_json());
        // Others may take what the bus carries, which says so where it is too much.
        if body.len() <= BODY_BYTES_MAX || !route.objects {
            return Ok(body);
        }
        if body.len() > OBJECT_BYTES_MAX {
            return Err(too_large(body.len(), OBJECT_BYTES_MAX, ""));
        }
        store(&self.shared, body).await.map_err(|error| {
            let text = format!("the input could not be stored: {error}");
            Asked::Ended(failure(ErrorKind::Retryable, "bus", text))
        })
    }
}

/// An input that cannot be sent at all.
pub(crate) fn too_large(size: usize, limit: usize, why: &str) -> Asked {
    let text = format!("input of {size} bytes exceeds the limit of {limit} bytes{why}");
    Asked::Ended(failure(ErrorKind::Permanent, "input_too_large", text))
}

/// What stands for the body once that is stored.
async fn store(shared: &Shared, body: Bytes) -> Result<Bytes, BusError> {
    let blobs = shared.bus.blobs(BLOBS).await?;
    let digest = blobs.put_for(body, shared.config.bodies_kept).await?;
    shared.bodies.took(digest.clone(), shared.config.clock.now());
    let object = ObjectRef { bucket: BUCKET.to_owned(), name: digest.as_str().to_owned() };
    Ok(object.to_body().into())
}
