//! Events, timers, calls: the parts of an instance in bytes.

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::machine::{
    CallOutcome, ErrorKind, Event, EventKind, FailedBlock, Mark, Place, Principal, Reply, Status,
    Stuck, StuckKind, Timer, TimerKind, Vote,
};

/// Structs as their fields, one after the other.
macro_rules! structs {
    ($($type:ident { $($field:ident),* })*) => {$(
        impl Codec for $type {
            fn write(&self, out: &mut Out) {
                let Self { $($field),* } = self;
                $($field.write(out);)*
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $($field: Codec::read(from)?),* })
            }
        }
    )*};
}

macro_rules! words {
    ($($type:ident { $($number:literal => $variant:ident),* })*) => {$(
        impl Codec for $type {
            fn write(&self, out: &mut Out) {
                out.byte(match self { $(Self::$variant => $number),* });
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                match from.byte()? {
                    $($number => Ok(Self::$variant),)*
                    _ => Err(DecodeError::Invalid(stringify!($type))),
                }
            }
        }
    )*};
}

pub(super) use {structs, words};

structs! {
    Principal { user, roles }
    Timer { id, due, kind }
    Vote { state, choice, user }
    Stuck { kind, reason, since, state, event, sequence, block, reply, replies }
    FailedBlock { place, action }
    Reply { call, attempt, outcome }
}

words! {
    ErrorKind {
        0 => Retryable, 1 => Permanent, 2 => Timeout, 3 => PluginNotFound, 4 => InvalidReply,
        5 => OutcomeUnknown, 6 => NotStarted, 7 => ChildFailed
    }
    EventKind { 0 => External, 1 => Internal, 2 => Platform }
    Status {
        0 => Running, 1 => Paused, 2 => Compensating, 3 => Stuck, 4 => Done, 5 => Failed,
        6 => Cancelled
    }
    StuckKind {
        0 => Error, 1 => Livelock, 2 => Panic, 3 => StateTooLarge, 4 => CallFailed,
        5 => DefinitionMissing, 6 => OutcomeUnknown, 7 => UndoFailed, 8 => Deadlock,
        9 => RolledBack
    }
}

impl Codec for Mark {
    fn write(&self, out: &mut Out) {
        out.bytes.extend_from_slice(&self.id.to_le_bytes());
        out.bytes.extend_from_slice(&self.body.to_le_bytes());
        self.step.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: u64::from_le_bytes(from.array()?),
            body: u32::from_le_bytes(from.array()?),
            step: u32::read(from)?,
        })
    }
}

impl Codec for TimerKind {
    fn write(&self, out: &mut Out) {
        match self {
            Self::After { state, index, armed: None } => {
                out.byte(0);
                state.write(out);
                index.write(out);
            }
            Self::After { state, index, armed: Some(armed) } => {
                out.byte(7);
                state.write(out);
                index.write(out);
                armed.write(out);
            }
            Self::Send { event } => {
                out.byte(1);
                event.write(out);
            }
            Self::CallDeadline { sequence } => {
                out.byte(2);
                sequence.write(out);
            }
            Self::CallRetry { sequence } => {
                out.byte(3);
                sequence.write(out);
            }
            Self::DeferredExpiry { place } => {
                out.byte(4);
                place.write(out);
            }
            Self::Retention => out.byte(5),
            Self::SendTo { event, to } => {
                out.byte(6);
                event.write(out);
                to.write(out);
            }
            Self::Steps { graph, step } => {
                out.byte(8);
                graph.write(out);
                step.write(out);
            }
            Self::MoreSteps { graph } => {
                out.newer_if(true);
                out.byte(11);
                graph.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::After { state: Codec::read(from)?, index: Codec::read(from)?, armed: None },
            1 => Self::Send { event: Codec::read(from)? },
            2 => Self::CallDeadline { sequence: Codec::read(from)? },
            3 => Self::CallRetry { sequence: Codec::read(from)? },
            4 => Self::DeferredExpiry { place: Codec::read(from)? },
            5 => Self::Retention,
            6 => Self::SendTo { event: Codec::read(from)?, to: Codec::read(from)? },
            7 => Self::After {
                state: Codec::read(from)?,
                index: Codec::read(from)?,
                armed: Some(Codec::read(from)?),
            },
            8 => Self::Steps { graph: Codec::read(from)?, step: Codec::read(from)? },
            11 => Self::MoreSteps { graph: Codec::read(from)? },
            _ => return Err(DecodeError::Invalid("timer kind")),
        })
    }
}

impl Codec for Place {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Entry { state, block } => {
                out.byte(0);
                state.write(out);
                block.write(out);
            }
            Self::Exit { state, block } => {
                out.byte(1);
                state.write(out);
                block.write(out);
            }
            Self::Transition { transition } => {
                out.byte(2);
                transition.write(out);
            }
            Self::Result => out.byte(3),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Entry { state: Codec::read(from)?, block: Codec::read(from)? },
            1 => Self::Exit { state: Codec::read(from)?, block: Codec::read(from)? },
            2 => Self::Transition { transition: Codec::read(from)? },
            3 => Self::Result,
            _ => return Err(DecodeError::Invalid("place of a block")),
        })
    }
}

impl Codec for CallOutcome {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Success(output) => {
                out.byte(0);
                output.write(out);
            }
            Self::Cached(output) => {
                out.newer_if(true);
                out.byte(4);
                output.write(out);
            }
            Self::Failure { kind, code, message, retry_after_ms } => {
                out.byte(1);
                kind.write(out);
                code.write(out);
                message.write(out);
                retry_after_ms.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Success(Codec::read(from)?),
            1 => Self::Failure {
                kind: Codec::read(from)?,
                code: Codec::read(from)?,
                message: Codec::read(from)?,
                retry_after_ms: Codec::read(from)?,
            },
            4 => Self::Cached(Codec::read(from)?),
            _ => return Err(DecodeError::Invalid("call outcome")),
        })
    }
}

/// Bits of an event's mask: which optional fields follow.
const DATA: u16 = 1;
const ID: u16 = 1 << 1;
const SOURCE: u16 = 1 << 2;
const BY: u16 = 1 << 3;
const TIME: u16 = 1 << 4;
const INTERNAL: u16 = 1 << 5;
const SUBJECT: u16 = 1 << 6;
const HEADERS: u16 = 1 << 7;
const SEND_ID: u16 = 1 << 8;
const INVOKE_ID: u16 = 1 << 9;
const PLATFORM: u16 = 1 << 10;
const ORIGIN: u16 = 1 << 11;

impl Codec for Event {
    fn write(&self, out: &mut Out) {
        let Self { name, kind, data, id, source, time, subject, headers, send_id, .. } = self;
        let Self { invoke_id, by, origin, .. } = self;
        let bit = |present: bool, bit: u16| if present { bit } else { 0 };
        let kind = match kind {
            EventKind::External => 0,
            EventKind::Internal => INTERNAL,
            EventKind::Platform => PLATFORM,
        };
        let mask = kind
            | bit(data.is_some(), DATA)
            | bit(id.is_some(), ID)
            | bit(source.is_some(), SOURCE)
            | bit(by.is_some(), BY)
            | bit(time.is_some(), TIME)
            | bit(subject.is_some(), SUBJECT)
            | bit(headers.is_some(), HEADERS)
            | bit(send_id.is_some(), SEND_ID)
            | bit(invoke_id.is_some(), INVOKE_ID)
            | bit(origin.is_some(), ORIGIN);
        mask.write(out);
        name.write(out);
        for value in [data, headers].into_iter().flatten() {
            value.write(out);
        }
        for text in [id, source, subject, send_id, invoke_id].into_iter().flatten() {
            text.write(out);
        }
        if let Some(time) = time {
            time.write(out);
        }
        if let Some(by) = by {
            by.write(out);
        }
        if let Some(origin) = origin {
            origin.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mask = u16::read(from)?;
        let kind = match mask & (INTERNAL | PLATFORM) {
            0 => EventKind::External,
            INTERNAL => EventKind::Internal,
            PLATFORM => EventKind::Platform,
            _ => return Err(DecodeError::Invalid("event kind")),
        };
        if mask >= ORIGIN << 1 {
            return Err(DecodeError::Invalid("event mask"));
        }
        Ok(Self {
            name: Codec::read(from)?,
            kind,
            data: field(mask, DATA, from)?,
            headers: field(mask, HEADERS, from)?,
            id: field(mask, ID, from)?,
            source: field(mask, SOURCE, from)?,
            subject: field(mask, SUBJECT, from)?,
            send_id: field(mask, SEND_ID, from)?,
            invoke_id: field(mask, INVOKE_ID, from)?,
            time: field(mask, TIME, from)?,
            by: field(mask, BY, from)?,
            origin: field(mask, ORIGIN, from)?,
        })
    }
}

/// The field of `bit`, where the mask says that it is there.
fn field<T: Codec>(mask: u16, bit: u16, from: &mut Reader<'_>) -> Result<Option<T>, DecodeError> {
    if mask & bit == 0 { Ok(None) } else { T::read(from).map(Some) }
}
