//! A run of steps that a migration moved: steps that are as they were are named by their old
//! place, so that what they gave is not written again.

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::machine::{Chunks, RunningGraph, StepState};

/// Writes what became of `old` among other steps.
pub(super) fn write_moved(old: &RunningGraph, new: &RunningGraph, out: &mut Out) {
    new.graph.write(out);
    new.phase.write(out);
    new.open.write(out);
    new.ended_at.write(out);
    let before: Vec<&StepState> = old.steps.iter().collect();
    out.length(new.steps.len());
    let mut next = 0;
    for step in new.steps.iter() {
        // Most stand in the order they stood in.
        let found = (next..before.len()).chain(0..next).find(|at| before.get(*at) == Some(&step));
        match found {
            Some(at) => {
                out.length(at.saturating_add(1));
                next = at.saturating_add(1);
            }
            None => {
                out.length(0);
                step.write(out);
            }
        }
    }
}

/// Reads what [`write_moved`] wrote onto what was before.
pub(super) fn read_moved(
    graph: &mut RunningGraph,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    graph.graph = Codec::read(from)?;
    graph.phase = Codec::read(from)?;
    graph.open = Codec::read(from)?;
    graph.ended_at = Codec::read(from)?;
    let mut steps = Chunks::default();
    for _ in 0..from.length()? {
        let at = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
        steps.push(match at.checked_sub(1) {
            None => StepState::read(from)?,
            Some(at) => {
                let step = graph.steps.get(at).cloned();
                step.ok_or(DecodeError::Invalid("old place of a step"))?
            }
        });
    }
    graph.steps = steps;
    Ok(())
}
