//! Progress, its pauses, checkpoints and ends in bytes: whole, and as what changed.

use super::codec::{Codec, DecodeError, Out, Reader, write_list};
use super::parts::{structs, words};
use crate::machine::delta::{read_tail, write_tail};
use crate::machine::{Checkpoint, Clocks, End, Ending, FatalError, Paused, Progress, Reply};

structs! {
    Paused { since, clocks, by, reason, replies, start }
    Checkpoint { name, at, step, pin, active, vars, history, sequences, graphs }
    End { how, by, reason, error }
    FatalError { name, step, kind, code }
}

words! {
    Clocks { 0 => Freeze, 1 => Keep }
    Ending { 0 => Failed, 1 => Cancelled, 2 => Killed }
}

/// Bits in front of a pause: it is there; what came behind checkpoints is there too.
const PAUSED: u8 = 1;
const MORE: u8 = 2;
/// Behind all of that: calls that were cut off while under way.
const ADRIFT: u8 = 4;

impl Codec for Progress {
    fn write(&self, out: &mut Out) {
        self.graphs.write(out);
        self.undo.write(out);
        self.rollback.write(out);
        let bit = |present: bool, bit: u8| if present { bit } else { 0 };
        let more = has_more(self);
        let adrift = !self.adrift.is_empty();
        out.byte(bit(self.paused.is_some(), PAUSED) | bit(more, MORE) | bit(adrift, ADRIFT));
        self.paused.iter().for_each(|paused| paused.write(out));
        self.checkpoints.write(out);
        if more {
            write_more(self, out);
        }
        if adrift {
            out.newer_if(true);
            self.adrift.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (graphs, undo, rollback) = (Codec::read(from)?, Codec::read(from)?, Codec::read(from)?);
        let mark = from.byte()?;
        if mark & !(PAUSED | MORE | ADRIFT) != 0 {
            return Err(DecodeError::Invalid("mark of a pause"));
        }
        let paused = if mark & PAUSED == 0 { None } else { Some(Codec::read(from)?) };
        let checkpoints = Codec::read(from)?;
        let mut progress = Self { graphs, undo, rollback, paused, checkpoints, ..Self::default() };
        if mark & MORE != 0 {
            read_more(&mut progress, from)?;
        }
        if mark & ADRIFT != 0 {
            progress.adrift = Codec::read(from)?;
        }
        Ok(progress)
    }
}

/// Is there anything of what came behind checkpoints?
fn has_more(progress: &Progress) -> bool {
    let Progress { saves, within, left_out, end, .. } = progress;
    !(saves.is_empty() && within.is_empty() && left_out.is_empty() && end.is_none())
}

fn write_more(progress: &Progress, out: &mut Out) {
    out.newer_if(true);
    progress.saves.write(out);
    progress.within.write(out);
    progress.left_out.write(out);
    progress.end.write(out);
}

fn read_more(progress: &mut Progress, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    progress.saves = Codec::read(from)?;
    progress.within = Codec::read(from)?;
    progress.left_out = Codec::read(from)?;
    progress.end = Codec::read(from)?;
    Ok(())
}

/// No pause, the same pause with these replies more, or another one.
const NONE: u8 = 0;
const SAME: u8 = 1;
const ANEW: u8 = 2;
/// Behind these: what came behind checkpoints is another than before.
const OTHER: u8 = 4;
/// Calls that were cut off are other ones; what differs of them is told last.
const CUT: u8 = 8;

/// What differs of pause and checkpoints. Replies come one by one, and each may be large: those
/// that were told before are not told again; neither are checkpoints.
pub(super) fn write_control(old: &Progress, new: &Progress, out: &mut Out) {
    let same = (&old.saves, &old.within) == (&new.saves, &new.within)
        && (&old.left_out, &old.end) == (&new.left_out, &new.end);
    let differs = !same;
    let cut = old.adrift != new.adrift;
    let other = if differs { OTHER } else { 0 } | if cut { CUT } else { 0 };
    match (old.paused.as_deref(), new.paused.as_deref()) {
        (_, None) => out.byte(NONE | other),
        (Some(old), Some(new)) if is_same(old, new) => {
            out.byte(SAME | other);
            write_list(new.replies.get(old.replies.len()..).unwrap_or_default(), out);
        }
        (_, Some(new)) => {
            out.byte(ANEW | other);
            new.write(out);
        }
    }
    let pairs = old.checkpoints.iter().zip(&new.checkpoints);
    let kept = pairs.take_while(|(old, new)| old == new).count();
    out.length(kept);
    write_list(new.checkpoints.get(kept..).unwrap_or_default(), out);
    if differs {
        write_more(new, out);
    }
    if cut {
        out.newer_if(true);
        write_tail(&old.adrift, &new.adrift, out);
    }
}

/// Is it the same pause, with replies more at most?
fn is_same(old: &Paused, new: &Paused) -> bool {
    let Paused { since, clocks, by, reason, replies, start } = old;
    (since, clocks, by, reason) == (&new.since, &new.clocks, &new.by, &new.reason)
        && *start == new.start
        && new.replies.starts_with(replies)
}

/// Reads what [`write_control`] wrote onto what was before.
pub(super) fn read_control(
    progress: &mut Progress,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let mark = from.byte()?;
    match mark & !(OTHER | CUT) {
        NONE => progress.paused = None,
        SAME => {
            let paused =
                progress.paused.as_mut().ok_or(DecodeError::Invalid("replies of no pause"))?;
            paused.replies.extend(Vec::<Reply>::read(from)?);
        }
        ANEW => progress.paused = Some(Codec::read(from)?),
        _ => return Err(DecodeError::Invalid("delta of a pause")),
    }
    let kept = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
    if kept > progress.checkpoints.len() {
        return Err(DecodeError::Invalid("number of kept checkpoints"));
    }
    progress.checkpoints.truncate(kept);
    progress.checkpoints.extend(Vec::<Checkpoint>::read(from)?);
    if mark & OTHER != 0 {
        read_more(progress, from)?;
    }
    if mark & CUT != 0 {
        read_tail(&mut progress.adrift, from)?;
    }
    Ok(())
}
