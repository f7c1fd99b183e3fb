//! Bodies above the inline limit, which travel by the object store.

use bytes::Bytes;
use gearshift_bus::{Digest, Error, ErrorKind};
use gearshift_protocol::long_work::BODIES_BUCKET;
use gearshift_protocol::plugin::{BODY_BYTES_MAX, OBJECT_BYTES_MAX};
use gearshift_protocol::{Encoding, ObjectRef};

use crate::Failure;
use crate::outlet::Outlet;

/// What the bus calls the store that others know as [`BODIES_BUCKET`].
const STORE: &str = "bodies";

/// The object whose content the input is, if it is one.
pub(crate) fn named(
    outlet: &Outlet,
    encoding: Encoding,
    body: &Bytes,
) -> Result<Option<ObjectRef>, Failure> {
    // Inline it may be what the bus carries: whoever asks decides by all who may be asked.
    within("input", body.len(), OBJECT_BYTES_MAX)?;
    match outlet {
        Outlet::Bus(_) => {}
        // A test hands everything over as it is.
        Outlet::Record(_) => return Ok(None),
    }
    // Most inputs are not parsed for this. Other stores are none of the caller's business: it is
    // our login that reads.
    Ok(match encoding {
        Encoding::Json if body.starts_with(b"{\"$object\"") => {
            ObjectRef::parse(body).filter(|named| named.bucket == BODIES_BUCKET)
        }
        Encoding::Json | Encoding::MessagePack => None,
    })
}

/// The content of the object that stands for an input.
pub(crate) async fn fetch(outlet: &Outlet, object: &ObjectRef) -> Result<Bytes, Failure> {
    // Whoever asks again stores it again.
    let gone = || Failure::retryable(format!("input `{}` is not stored", object.name)).code(410);
    let Outlet::Bus(bus) = outlet else { return Err(gone()) };
    let digest = Digest::parse(&object.name)?;
    let found = async { bus.blobs(STORE).await?.get_within(&digest, OBJECT_BYTES_MAX).await };
    found.await.map_err(refused)?.ok_or_else(gone)
}

/// The output as it travels, with its encoding.
pub(crate) async fn output(
    outlet: &Outlet,
    encoding: Encoding,
    body: Vec<u8>,
) -> Result<(Encoding, Vec<u8>), Failure> {
    within("output", body.len(), OBJECT_BYTES_MAX)?;
    let bus = match outlet {
        Outlet::Bus(bus) if body.len() > BODY_BYTES_MAX => bus,
        Outlet::Bus(_) | Outlet::Record(_) => return Ok((encoding, body)),
    };
    // What names an object is JSON, and so is what it names.
    let body = match encoding {
        Encoding::Json => body,
        Encoding::MessagePack => {
            Encoding::Json.encode(&Encoding::MessagePack.decode::<serde_json::Value>(&body)?)?
        }
    };
    within("output", body.len(), OBJECT_BYTES_MAX)?;
    let stored = async { bus.blobs(STORE).await?.put(body.into()).await };
    let digest = stored.await.map_err(refused)?;
    let object = ObjectRef { bucket: BODIES_BUCKET.to_owned(), name: digest.as_str().to_owned() };
    Ok((Encoding::Json, object.to_body()))
}

fn within(what: &str, size: usize, limit: usize) -> Result<(), Failure> {
    if size <= limit {
        return Ok(());
    }
    let message = format!("{what} of {size} bytes exceeds the limit of {limit}");
    Err(Failure::permanent(message).code(413))
}

/// Why an answer could not be sent as it is. Another attempt would end the same way.
pub(crate) fn too_large(size: usize, limit: usize) -> Failure {
    let message =
        format!("answer of {size} bytes exceeds the limit of {limit} bytes of a message here");
    Failure::permanent(message).code(413)
}

/// A login that may not use the store will not be let do so another time.
fn refused(error: Error) -> Failure {
    let is_final = matches!(
        error.kind(),
        ErrorKind::Refused { .. } | ErrorKind::TooLarge { .. } | ErrorKind::Corrupt { .. }
    );
    let failure = Failure::from(error);
    if is_final { Failure::permanent(failure.message()).code(413) } else { failure }
}
