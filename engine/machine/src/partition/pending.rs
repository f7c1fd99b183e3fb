//! Pending: what was asked of the world and waits for a confirmation.

use std::sync::Arc;

use crate::machine::{CallRequest, Codec, DecodeError, Effect, EffectId, Letter, Out, Reader};
use crate::value::Value;

/// An effect asked for that only a confirmation settles.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pending {
    /// A message the bus has not acknowledged.
    Publish { id: EffectId, subject: Arc<str>, payload: Value },
    /// A call nobody waits for (rule 27), not yet answered.
    Call(CallRequest),
    /// A letter its receiver has not taken.
    Letter(Letter),
}

impl Pending {
    pub(super) const fn id(&self) -> EffectId {
        match self {
            Self::Publish { id, .. } => *id,
            Self::Call(request) => request.call,
            Self::Letter(letter) => letter.id,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Publish { id, subject, payload } => {
                Effect::Publish { id: *id, subject: Arc::clone(subject), payload: payload.clone() }
            }
            Self::Call(request) => Effect::Call(request.clone()),
            Self::Letter(letter) => Effect::Letter(letter.clone()),
        }
    }
}

impl Codec for Pending {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Publish { id, subject, payload } => {
                out.byte(0);
                id.write(out);
                subject.write(out);
                payload.write(out);
            }
            Self::Call(request) => {
                out.byte(1);
                request.write(out);
            }
            Self::Letter(letter) => {
                out.byte(2);
                letter.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Publish {
                id: Codec::read(from)?,
                subject: Codec::read(from)?,
                payload: Codec::read(from)?,
            },
            1 => Self::Call(Codec::read(from)?),
            2 => Self::Letter(Codec::read(from)?),
            _ => return Err(DecodeError::Invalid("pending effect")),
        })
    }
}
