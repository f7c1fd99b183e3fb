//! Letters in bytes.

use super::codec::{Codec, DecodeError, Out, Reader};
use super::parts::structs;
use crate::machine::{Address, Letter, LetterBody, Parent};

/// The tag of a [`LetterBody::Start`] that says its trace.
const TRACED: u8 = 12;

structs! {
    Parent { key, life, call, invoke_id, depth }
    Letter { id, number, to, body }
}

impl Codec for Address {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Parent => out.byte(0),
            Self::Child(id) => {
                out.byte(1);
                id.write(out);
            }
            Self::Instance(key) => {
                out.byte(2);
                key.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Parent,
            1 => Self::Child(Codec::read(from)?),
            2 => Self::Instance(Codec::read(from)?),
            _ => return Err(DecodeError::Invalid("address")),
        })
    }
}

impl Codec for LetterBody {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Event { event, forwarded } => {
                out.byte(0);
                event.write(out);
                forwarded.write(out);
            }
            Self::FromChild { call, event } => {
                out.byte(1);
                call.write(out);
                event.write(out);
            }
            Self::Start { version, input, parent, initiator, reason, trace_context } => {
                let tag = match trace_context {
                    Some(_) => TRACED,
                    None if reason.is_empty() => 2,
                    None => 7,
                };
                out.newer_if(tag != 2);
                out.byte(tag);
                version.write(out);
                input.write(out);
                parent.write(out);
                initiator.write(out);
                if tag != 2 {
                    reason.write(out);
                }
                if let Some(trace_context) = trace_context {
                    trace_context.write(out);
                }
            }
            Self::Cancel { call, kill } => {
                out.byte(3);
                call.write(out);
                kill.write(out);
            }
            Self::Reply { call, invoke_id, life, outcome } => {
                out.byte(4);
                call.write(out);
                invoke_id.write(out);
                life.write(out);
                outcome.write(out);
            }
            Self::Transaction(word) => {
                out.byte(5);
                word.write(out);
            }
            Self::Within { transaction, start } => {
                out.byte(6);
                transaction.write(out);
                start.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Event { event: Codec::read(from)?, forwarded: Codec::read(from)? },
            1 => Self::FromChild { call: Codec::read(from)?, event: Codec::read(from)? },
            tag @ (2 | 7 | TRACED) => read_start(from, tag)?,
            3 => Self::Cancel { call: Codec::read(from)?, kill: Codec::read(from)? },
            4 => Self::Reply {
                call: Codec::read(from)?,
                invoke_id: Codec::read(from)?,
                life: Codec::read(from)?,
                outcome: Codec::read(from)?,
            },
            5 => Self::Transaction(Codec::read(from)?),
            6 => {
                let transaction = Codec::read(from)?;
                // Nothing else begins a life: no letter is nested any deeper.
                match from.byte()? {
                    tag @ (2 | 7 | TRACED) => {
                        let start = Box::new(read_start(from, tag)?);
                        Self::Within { transaction, start }
                    }
                    _ => return Err(DecodeError::Invalid("start in a transaction")),
                }
            }
            _ => return Err(DecodeError::Invalid("letter")),
        })
    }
}

/// The fields of [`LetterBody::Start`], as its tag says.
fn read_start(from: &mut Reader<'_>, tag: u8) -> Result<LetterBody, DecodeError> {
    Ok(LetterBody::Start {
        version: Codec::read(from)?,
        input: Codec::read(from)?,
        parent: Codec::read(from)?,
        initiator: Codec::read(from)?,
        reason: if tag == 2 { "".into() } else { Codec::read(from)? },
        trace_context: if tag == TRACED { Some(Codec::read(from)?) } else { None },
    })
}
