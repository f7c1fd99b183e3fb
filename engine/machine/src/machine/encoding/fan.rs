//! Fan-outs in bytes.

use super::codec::{Codec, DecodeError, Out, Reader};
use super::parts::structs;
use crate::machine::{Committed, FanState, ItemState, Undoable, Unkept};

structs! {
    FanState { list, next, open, failed, items }
    Unkept { error, position, output }
    Committed { transaction, items }
}

/// Whose an undo is: no step's, a step's, or that of an item of one.
const OF_STATE: u8 = 0;
const OF_STEP: u8 = 1;
const OF_ITEM: u8 = 2;
/// Added to them where a call is named behind the rest.
const UNUSABLE: u8 = 4;

impl Codec for Undoable {
    fn write(&self, out: &mut Out) {
        let Self { id, sequence, position, state, step, item, input, output, at, unusable } = self;
        let more = if unusable.is_some() { UNUSABLE } else { 0 };
        out.newer_if(unusable.is_some());
        id.write(out);
        sequence.write(out);
        position.write(out);
        state.write(out);
        match (step, item) {
            (None, _) => out.byte(OF_STATE | more),
            (Some(step), None) => {
                out.byte(OF_STEP | more);
                step.write(out);
            }
            (Some(step), Some(item)) => {
                out.newer_if(true);
                out.byte(OF_ITEM | more);
                step.write(out);
                item.write(out);
            }
        }
        input.write(out);
        output.write(out);
        at.write(out);
        if let Some(call) = unusable {
            call.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, sequence) = (Codec::read(from)?, Codec::read(from)?);
        let (position, state) = (Codec::read(from)?, Codec::read(from)?);
        let tag = from.byte()?;
        let (step, item) = match tag & !UNUSABLE {
            OF_STATE => (None, None),
            OF_STEP => (Some(Codec::read(from)?), None),
            OF_ITEM => (Some(Codec::read(from)?), Some(Codec::read(from)?)),
            _ => return Err(DecodeError::Invalid("step of an undo")),
        };
        let (input, output, at) = (Codec::read(from)?, Codec::read(from)?, Codec::read(from)?);
        let unusable = (tag & UNUSABLE != 0).then(|| Codec::read(from)).transpose()?;
        Ok(Self { id, sequence, position, state, step, item, input, output, at, unusable })
    }
}

impl Codec for ItemState {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Open => out.byte(0),
            Self::Done(output) => {
                out.byte(1);
                output.write(out);
            }
            Self::Failed { error, retries: 0 } => {
                out.byte(2);
                error.write(out);
            }
            Self::Failed { error, retries } => {
                out.newer_if(true);
                out.byte(4);
                error.write(out);
                retries.write(out);
            }
            Self::Undone => {
                out.newer_if(true);
                out.byte(5);
            }
            Self::Unkept(unkept) => {
                out.newer_if(true);
                out.byte(3);
                unkept.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Open,
            1 => Self::Done(Codec::read(from)?),
            2 => Self::Failed { error: Codec::read(from)?, retries: 0 },
            4 => Self::Failed { error: Codec::read(from)?, retries: Codec::read(from)? },
            3 => Self::Unkept(Codec::read(from)?),
            5 => Self::Undone,
            _ => return Err(DecodeError::Invalid("item of a fan-out")),
        })
    }
}
