//! Fate: what became of a request that has no reply.

use gearshift_bus::ErrorKind as BusErrorKind;

/// What a failed request says of the operation.
pub(super) enum Fate {
    /// It may have happened.
    Unknown,
    /// It did not happen, and may later.
    NotSent,
    /// It did not happen and never will.
    Useless,
}

pub(super) const fn fate(error: &BusErrorKind) -> Fate {
    match error {
        BusErrorKind::NoResponders { .. }
        | BusErrorKind::Disconnected
        | BusErrorKind::Full { .. }
        | BusErrorKind::Refused { .. }
        | BusErrorKind::Closed => Fate::NotSent,
        BusErrorKind::TooLarge { .. }
        | BusErrorKind::InvalidSubject { .. }
        | BusErrorKind::InvalidName { .. }
        | BusErrorKind::InvalidHeader { .. } => Fate::Useless,
        BusErrorKind::Unknown
        | BusErrorKind::Timeout { .. }
        | BusErrorKind::NotFound { .. }
        | BusErrorKind::NotCaptured { .. }
        | BusErrorKind::Overlap { .. }
        | BusErrorKind::Trimmed { .. }
        | BusErrorKind::Corrupt { .. }
        | BusErrorKind::Locked { .. }
        | BusErrorKind::DiskFull
        | BusErrorKind::Io
        | BusErrorKind::Mismatch { .. }
        | BusErrorKind::Poisoned { .. } => Fate::Unknown,
    }
}
