//! Step graphs in bytes: whole, and as what changed.

use super::codec::{Codec, DecodeError, Out, Reader};
use super::control::{read_control, write_control};
use super::moved::{read_moved, write_moved};
use super::parts::{structs, words};
use super::value::same;
use crate::machine::{
    Chunks, FanState, ItemState, Phase, Progress, Role, Rollback, RunningGraph, RunningSequence,
    StepError, StepState, StepStatus, Then, Undoable, Weighed,
};
use crate::value::Value;

structs! {
    RunningGraph { id, graph, phase, event, steps, open, started_at, ended_at }
    StepError { kind, code, message }
    Rollback { down_to, then, reason }
}

words! {
    Phase { 0 => Running, 1 => Finally, 2 => Ended }
    StepStatus {
        0 => Pending, 1 => Running, 2 => Retrying, 3 => Completed, 4 => Failed, 5 => Skipped,
        6 => Cancelled, 7 => Undone
    }
}

impl Codec for Then {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Raise { graph, event } => {
                out.byte(0);
                graph.write(out);
                event.write(out);
            }
            Self::Fail => out.byte(1),
            Self::Cancel { by } => {
                out.byte(2);
                by.write(out);
            }
            Self::Hold { replies } if replies.is_empty() => out.byte(3),
            Self::Hold { replies } => {
                out.byte(6);
                replies.write(out);
            }
            Self::Transaction => out.byte(4),
            Self::Orphaned => out.byte(5),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => Self::Raise { graph: Codec::read(from)?, event: Codec::read(from)? },
            1 => Self::Fail,
            2 => Self::Cancel { by: Codec::read(from)? },
            3 => Self::Hold { replies: Vec::new() },
            6 => Self::Hold { replies: Codec::read(from)? },
            4 => Self::Transaction,
            5 => Self::Orphaned,
            _ => return Err(DecodeError::Invalid("end of a rollback")),
        })
    }
}

/// Marks of a sequence: has it an event, a reply, and is it a state's own?
const EVENT: u8 = 1;
const STEP: u8 = 1 << 1;
const ITEM: u8 = 1 << 2;
const UNDO: u8 = 1 << 3;
const FINALLY: u8 = 1 << 4;
const REPLY: u8 = 1 << 5;

impl Codec for RunningSequence {
    fn write(&self, out: &mut Out) {
        let Self { id, state, sequence, position, event, call, reply, role } = self;
        id.write(out);
        state.write(out);
        sequence.write(out);
        position.write(out);
        let bit = |present: bool, bit: u8| if present { bit } else { 0 };
        let mark = bit(event.is_some(), EVENT) | bit(reply.is_some(), REPLY);
        out.newer_if(reply.is_some());
        out.byte(match role {
            Role::State => mark,
            Role::Step { item: None, .. } => mark | STEP,
            Role::Step { item: Some(_), .. } => mark | STEP | ITEM,
            Role::Undo { .. } => mark | UNDO,
            Role::Finally { .. } => mark | FINALLY,
        });
        match role {
            Role::State => {}
            Role::Step { graph, step, item } => {
                graph.write(out);
                step.write(out);
                if let Some(item) = item {
                    item.write(out);
                }
            }
            Role::Undo { undo } => undo.write(out),
            Role::Finally { graph } => graph.write(out),
        }
        event.iter().for_each(|event| event.write(out));
        reply.iter().for_each(|reply| reply.write(out));
        call.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, state) = (Codec::read(from)?, Codec::read(from)?);
        let (sequence, position) = (Codec::read(from)?, Codec::read(from)?);
        let mark = from.byte()?;
        let role = match mark & !(EVENT | REPLY) {
            0 => Role::State,
            STEP => Role::Step { graph: Codec::read(from)?, step: Codec::read(from)?, item: None },
            mark if mark == STEP | ITEM => Role::Step {
                graph: Codec::read(from)?,
                step: Codec::read(from)?,
                item: Some(Codec::read(from)?),
            },
            UNDO => Role::Undo { undo: Codec::read(from)? },
            FINALLY => Role::Finally { graph: Codec::read(from)? },
            _ => return Err(DecodeError::Invalid("mark of a sequence")),
        };
        let event = if mark & EVENT == 0 { None } else { Some(Codec::read(from)?) };
        let reply = if mark & REPLY == 0 { None } else { Some(Codec::read(from)?) };
        Ok(Self { id, state, sequence, position, event, call: Codec::read(from)?, reply, role })
    }
}

/// It follows from the outputs.
impl Codec for Weighed {
    fn write(&self, _: &mut Out) {}

    fn read(_: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::default())
    }
}

impl<T: Codec + Clone + PartialEq> Codec for Chunks<T> {
    fn write(&self, out: &mut Out) {
        out.length(self.len());
        self.iter().for_each(|item| item.write(out));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = from.length()?;
        let mut list = Self::default();
        for left in (1..=length).rev() {
            list.push_of(T::read(from)?, left);
        }
        Ok(list)
    }
}

/// What differs between the progress before and after: 0 is none left, 1 is all anew, 2 changes.
pub(crate) fn write_progress(old: Option<&Progress>, new: Option<&Progress>, out: &mut Out) {
    let Some(new) = new else { return out.byte(0) };
    let Some(old) = old.filter(|old| old.graphs.len() <= new.graphs.len()) else {
        out.byte(1);
        return new.write(out);
    };
    out.byte(2);
    let changed = || {
        let before = |at: usize| old.graphs.get(at);
        new.graphs.iter().enumerate().filter(move |(at, graph)| before(*at) != Some(*graph))
    };
    out.length(changed().count());
    for (at, graph) in changed() {
        out.length(at);
        write_graph(old.graphs.get(at), graph, out);
    }
    let kept = new.undo.same_front(&old.undo);
    out.length(kept);
    out.length(new.undo.len() - kept);
    new.undo.tail(kept).for_each(|entry| entry.write(out));
    new.rollback.write(out);
    write_control(old, new, out);
}

/// The same run: what changed of it; another one: all of it.
fn write_graph(old: Option<&RunningGraph>, new: &RunningGraph, out: &mut Out) {
    let same = |old: &&RunningGraph| (old.id, old.started_at) == (new.id, new.started_at);
    let Some(old) = old.filter(same) else {
        out.byte(0);
        return new.write(out);
    };
    if old.graph != new.graph || old.steps.len() != new.steps.len() {
        out.byte(2);
        return write_moved(old, new, out);
    }
    out.byte(1);
    new.phase.write(out);
    new.open.write(out);
    new.ended_at.write(out);
    out.length(new.steps.changed(&old.steps).count());
    for (at, step) in new.steps.changed(&old.steps) {
        out.length(at);
        write_step(old.steps.get(at), step, out);
    }
}

/// A step whose list of items is the same: the changed items only.
fn write_step(old: Option<&StepState>, new: &StepState, out: &mut Out) {
    let before = old;
    let items = old.and_then(|old| old.fan.as_deref()).zip(new.fan.as_deref());
    let of_one = |(old, new): &(&FanState, &FanState)| {
        old.items.len() == new.items.len() && same(&old.list, &new.list)
    };
    let Some((old, fan)) = items.filter(of_one) else {
        out.byte(0);
        return new.write(out);
    };
    // Its result is as large as all items: where one after the other is taken back, it is left out.
    let undone = |(_, item): (usize, &ItemState)| matches!(item, ItemState::Undone);
    let only_items = fan.items.changed(&old.items).any(undone)
        && before.is_some_and(|before| is_same_but_items(before, new));
    out.newer_if(only_items);
    out.byte(if only_items { 2 } else { 1 });
    if !only_items {
        StepState { fan: None, ..new.clone() }.write(out);
    }
    fan.next.write(out);
    fan.open.write(out);
    fan.failed.write(out);
    out.length(fan.items.changed(&old.items).count());
    for (at, item) in fan.items.changed(&old.items) {
        out.length(at);
        item.write(out);
    }
}

fn is_same_but_items(old: &StepState, new: &StepState) -> bool {
    let around = |of: &StepState| StepState { fan: None, output: Value::Null, ..of.clone() };
    same(&old.output, &new.output) && around(old) == around(new)
}

/// Reads what [`write_progress`] wrote onto what was before.
pub(crate) fn read_progress(
    place: &mut Option<Box<Progress>>,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    match from.byte()? {
        0 => *place = None,
        1 => *place = Some(Codec::read(from)?),
        2 => {
            let progress = place.as_mut().ok_or(DecodeError::Invalid("change of no progress"))?;
            progress.weighed = Weighed::default();
            for _ in 0..from.length()? {
                let at = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
                read_graph(&mut progress.graphs, at, from)?;
            }
            let kept = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
            if kept > progress.undo.len() {
                return Err(DecodeError::Invalid("number of kept undo entries"));
            }
            progress.undo.truncate(kept);
            for _ in 0..from.length()? {
                progress.undo.push(Undoable::read(from)?);
            }
            progress.rollback = Codec::read(from)?;
            read_control(progress, from)?;
        }
        _ => return Err(DecodeError::Invalid("delta of progress")),
    }
    Ok(())
}

fn read_graph(
    graphs: &mut Vec<RunningGraph>,
    at: usize,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    const PLACE: DecodeError = DecodeError::Invalid("place of a step graph");
    let how = from.byte()?;
    if how == 0 {
        let graph = RunningGraph::read(from)?;
        let count = graphs.len();
        match graphs.get_mut(at) {
            Some(place) => *place = graph,
            None if at == count => graphs.push(graph),
            None => return Err(PLACE),
        }
        return Ok(());
    }
    let graph = graphs.get_mut(at).ok_or(PLACE)?;
    if how == 2 {
        return read_moved(graph, from);
    }
    graph.phase = Codec::read(from)?;
    graph.open = Codec::read(from)?;
    graph.ended_at = Codec::read(from)?;
    for _ in 0..from.length()? {
        let at = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
        let step = graph.steps.get_mut(at).ok_or(DecodeError::Invalid("place of a step"))?;
        read_step(step, from)?;
    }
    Ok(())
}

fn read_step(step: &mut StepState, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    let how = from.byte()?;
    if how == 0 {
        *step = Codec::read(from)?;
        return Ok(());
    }
    let mut fan = step.fan.take().ok_or(DecodeError::Invalid("items of no fan-out"))?;
    if how == 1 {
        *step = Codec::read(from)?;
    }
    fan.next = Codec::read(from)?;
    fan.open = Codec::read(from)?;
    fan.failed = Codec::read(from)?;
    for _ in 0..from.length()? {
        let at = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
        let item = fan.items.get_mut(at).ok_or(DecodeError::Invalid("place of an item"))?;
        *item = Codec::read(from)?;
    }
    step.fan = Some(fan);
    Ok(())
}
