//! Fan-outs in bytes.

use super::codec::{Codec, DecodeError, Out, Reader};
use super::parts::structs;
use crate::machine::{FanState, ItemState, Unkept};

structs! {
    FanState { list, next, open, failed, items }
    Unkept { error, position, output }
}

impl Codec for ItemState {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Open => out.byte(0),
            Self::Done(output) => {
                out.byte(1);
                output.write(out);
            }
            Self::Failed(error) => {
                out.byte(2);
                error.write(out);
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
            2 => Self::Failed(Codec::read(from)?),
            3 => Self::Unkept(Codec::read(from)?),
            _ => return Err(DecodeError::Invalid("item of a fan-out")),
        })
    }
}
