//! [`Failure`]: what stopped the store, and how the engine's errors become ours.

use std::sync::{Arc, OnceLock};

use crate::{Error, ErrorKind};

/// Set once by the first write that fails; from then on the store takes no more.
///
/// After a failed write nobody knows which bytes the disk holds, and a second fsync may
/// succeed without having written them. Only opening the store again can tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<OnceLock<String>>);

impl Failure {
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.0.get() {
            None => Ok(()),
            Some(reason) => Err(ErrorKind::Poisoned { reason: reason.clone() }.into()),
        }
    }

    /// Remembers `error` if it says that bytes could not be written.
    pub(super) fn record(&self, error: &Error) {
        let is_fatal = match error.kind() {
            ErrorKind::DiskFull | ErrorKind::Io | ErrorKind::Poisoned { .. } => true,
            ErrorKind::Corrupt { .. } => true,
            ErrorKind::Unknown
            | ErrorKind::NoResponders { .. }
            | ErrorKind::Timeout { .. }
            | ErrorKind::Disconnected
            | ErrorKind::Full { .. }
            | ErrorKind::TooLarge { .. }
            | ErrorKind::NotFound { .. }
            | ErrorKind::InvalidSubject { .. }
            | ErrorKind::InvalidName { .. }
            | ErrorKind::InvalidHeader { .. }
            | ErrorKind::NotCaptured { .. }
            | ErrorKind::Overlap { .. }
            | ErrorKind::Trimmed { .. }
            | ErrorKind::Locked { .. }
            | ErrorKind::Refused { .. }
            | ErrorKind::Mismatch { .. }
            | ErrorKind::Closed => false,
        };
        if is_fatal && self.0.set(error.describe()).is_ok() {
            tracing::error!(error = error.describe(), "the store takes no more writes");
        }
    }
}

/// One of our errors for one of the storage engine's.
pub(super) fn from_fjall(error: fjall::Error) -> Error {
    if let fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) = error {
        return source.into();
    }
    if matches!(error, fjall::Error::Poisoned) {
        let reason = "a write in the background failed".to_owned();
        return Error::new(ErrorKind::Poisoned { reason }, error);
    }
    Error::new(ErrorKind::Corrupt { sequence: None }, error)
}

/// The same failure once more, for each of those who waited for one commit.
pub(super) fn again(error: &Error) -> Error {
    Error::new(error.kind().clone(), error.describe())
}
