//! Pauses and checkpoints in bytes: whole, and as what changed.

use super::codec::{Codec, DecodeError, Out, Reader, write_list};
use super::parts::{structs, words};
use crate::machine::{Checkpoint, Clocks, Paused, Progress, Reply};

structs! {
    Paused { since, clocks, by, reason, replies, start }
    Checkpoint { name, at, step, pin, active, vars, history, sequences, graphs }
}

words! {
    Clocks { 0 => Freeze, 1 => Keep }
}

/// No pause, the same pause with these replies more, or another one.
const NONE: u8 = 0;
const SAME: u8 = 1;
const ANEW: u8 = 2;

/// What differs of pause and checkpoints. Replies come one by one, and each may be large: those
/// that were told before are not told again; neither are checkpoints.
pub(super) fn write_control(old: &Progress, new: &Progress, out: &mut Out) {
    match (old.paused.as_deref(), new.paused.as_deref()) {
        (_, None) => out.byte(NONE),
        (Some(old), Some(new)) if is_same(old, new) => {
            out.byte(SAME);
            write_list(new.replies.get(old.replies.len()..).unwrap_or_default(), out);
        }
        (_, Some(new)) => {
            out.byte(ANEW);
            new.write(out);
        }
    }
    let pairs = old.checkpoints.iter().zip(&new.checkpoints);
    let kept = pairs.take_while(|(old, new)| old == new).count();
    out.length(kept);
    write_list(new.checkpoints.get(kept..).unwrap_or_default(), out);
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
    match from.byte()? {
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
    Ok(())
}
