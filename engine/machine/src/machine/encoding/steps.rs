//! Steps of a run in bytes.

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::machine::StepState;

/// Bits of a step's mask: which of its fields follow.
const OUTPUT: u8 = 1;
const ERROR: u8 = 1 << 1;
const STARTED: u8 = 1 << 2;
const ENDED: u8 = 1 << 3;
const FAN: u8 = 1 << 4;
const ATTEMPTS: u8 = 1 << 5;
const VOTES: u8 = 1 << 6;
const CACHED: u8 = 1 << 7;

/// In front of the status, which is less: when the step's work stopped, which follows.
const STOPPED: u8 = 8;
/// The same, behind that: the items that stay.
const STAYS: u8 = 9;
/// The same, behind that: what was committed.
const COMMITTED: u8 = 10;

impl Codec for StepState {
    fn write(&self, out: &mut Out) {
        let Self { status, attempts, output, error, started_at, ended_at, fan, .. } = self;
        let Self { votes, cached, stopped_at, stays, committed, .. } = self;
        let kept = !stays.is_empty() || !committed.is_empty();
        out.newer_if(*cached || stopped_at.is_some() || kept);
        if let Some(at) = stopped_at {
            out.byte(STOPPED);
            at.write(out);
        }
        if !stays.is_empty() {
            out.byte(STAYS);
            stays.write(out);
        }
        if !committed.is_empty() {
            out.byte(COMMITTED);
            committed.write(out);
        }
        status.write(out);
        let bit = |present: bool, bit: u8| if present { bit } else { 0 };
        out.byte(
            bit(!output.is_null(), OUTPUT)
                | bit(error.is_some(), ERROR)
                | bit(started_at.is_some(), STARTED)
                | bit(ended_at.is_some(), ENDED)
                | bit(fan.is_some(), FAN)
                | bit(*attempts != 0, ATTEMPTS)
                | bit(!votes.is_empty(), VOTES)
                | bit(*cached, CACHED),
        );
        if !output.is_null() {
            output.write(out);
        }
        if let Some(error) = error {
            error.write(out);
        }
        for time in [started_at, ended_at].into_iter().flatten() {
            time.write(out);
        }
        if let Some(fan) = fan {
            fan.write(out);
        }
        if *attempts != 0 {
            attempts.write(out);
        }
        if !votes.is_empty() {
            votes.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut status = from.byte()?;
        let mut stopped_at = None;
        if status == STOPPED {
            stopped_at = Some(Codec::read(from)?);
            status = from.byte()?;
        }
        let mut stays = Vec::new();
        if status == STAYS {
            stays = Codec::read(from)?;
            status = from.byte()?;
        }
        let mut committed = Vec::new();
        if status == COMMITTED {
            committed = Codec::read(from)?;
            status = from.byte()?;
        }
        let status = Codec::read(&mut Reader::new(&[status]))?;
        let mask = from.byte()?;
        Ok(Self {
            status,
            stopped_at,
            stays,
            committed,
            output: field(mask, OUTPUT, from)?.unwrap_or_default(),
            error: field(mask, ERROR, from)?,
            started_at: field(mask, STARTED, from)?,
            ended_at: field(mask, ENDED, from)?,
            fan: field(mask, FAN, from)?,
            attempts: field(mask, ATTEMPTS, from)?.unwrap_or_default(),
            votes: field(mask, VOTES, from)?.unwrap_or_default(),
            cached: mask & CACHED != 0,
        })
    }
}

fn field<T: Codec>(mask: u8, bit: u8, from: &mut Reader<'_>) -> Result<Option<T>, DecodeError> {
    if mask & bit == 0 { Ok(None) } else { T::read(from).map(Some) }
}
