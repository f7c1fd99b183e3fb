//! Pending: what was asked of the world and waits for a confirmation.

use std::sync::Arc;

use crate::machine::{
    CallRequest, Codec, DecodeError, Effect, EffectId, Letter, Out, Reader, TraceContext,
};
use crate::value::Value;

/// In front of a tag: the trace it belongs to follows.
const TRACED: u8 = 8;

/// An effect asked for that only a confirmation settles.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pending {
    /// A message the bus has not acknowledged.
    Publish {
        id: EffectId,
        subject: Arc<str>,
        payload: Value,
        trace_context: Option<Arc<TraceContext>>,
    },
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

    const fn trace_context(&self) -> Option<&Arc<TraceContext>> {
        match self {
            Self::Publish { trace_context, .. } => trace_context.as_ref(),
            Self::Call(request) => request.trace_context.as_ref(),
            Self::Letter(_) => None,
        }
    }

    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Publish { id, subject, payload, trace_context } => Effect::Publish {
                id: *id,
                subject: Arc::clone(subject),
                payload: payload.clone(),
                trace_context: trace_context.clone(),
            },
            Self::Call(request) => Effect::Call(request.clone()),
            Self::Letter(letter) => Effect::Letter(letter.clone()),
        }
    }
}

impl Codec for Pending {
    fn write(&self, out: &mut Out) {
        if let Some(trace_context) = self.trace_context() {
            out.newer_if(true);
            out.byte(TRACED);
            trace_context.write(out);
        }
        match self {
            Self::Publish { id, subject, payload, trace_context: _ } => {
                out.byte(0);
                id.write(out);
                subject.write(out);
                payload.write(out);
            }
            Self::Call(request) => {
                out.newer_if(request.per.is_some());
                match &request.per {
                    None => out.byte(1),
                    Some(per) => {
                        out.byte(7);
                        per.write(out);
                    }
                }
                request.write(out);
            }
            Self::Letter(letter) => {
                out.byte(2);
                letter.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut tag = from.byte()?;
        let mut trace_context = None;
        if tag == TRACED {
            trace_context = Some(Codec::read(from)?);
            tag = from.byte()?;
        }
        Ok(match tag {
            0 => Self::Publish {
                id: Codec::read(from)?,
                subject: Codec::read(from)?,
                payload: Codec::read(from)?,
                trace_context,
            },
            1 => Self::Call(CallRequest { trace_context, ..Codec::read(from)? }),
            2 => Self::Letter(Codec::read(from)?),
            7 => {
                let per = Some(Codec::read(from)?);
                Self::Call(CallRequest { per, trace_context, ..Codec::read(from)? })
            }
            _ => return Err(DecodeError::Invalid("pending effect")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Generation, InstanceKey, Timestamp};

    #[test]
    fn what_is_pending_comes_back_with_keys_of_limits_and_traces_and_without() {
        let key = InstanceKey::new("w", "a").unwrap();
        let call = CallRequest {
            call: EffectId::new(&key, Generation(1), 1, 0),
            attempt: 1,
            operation: "p.work".into(),
            input: Value::from(5_u64),
            deadline: Timestamp(7),
            step: "a".into(),
            purpose: crate::machine::Purpose::Work,
            per: None,
            cache: None,
            trace_context: None,
        };
        let context = || Some(Arc::new(TraceContext::made(&key, call.call)));
        let of =
            |per, trace_context| Pending::Call(CallRequest { per, trace_context, ..call.clone() });
        let publish = |trace_context| Pending::Publish {
            id: call.call,
            subject: "s".into(),
            payload: Value::Null,
            trace_context,
        };
        for pending in [
            of(None, None),
            of(Some("ann".into()), None),
            of(None, context()),
            of(Some("ann".into()), context()),
            publish(None),
            publish(context()),
        ] {
            let mut out = Out::default();
            pending.write(&mut out);
            let mut from = Reader::new(&out.bytes);
            assert_eq!(Pending::read(&mut from), Ok(pending));
            assert_eq!(from.end(), Ok(()));
        }
    }
}
