//! One batch of inputs in, one frame out.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::definition::DERIVED_MIN;
use crate::definition::model::Definition;
use crate::machine::{
    Decision, Delta, Generation, Input, Instance, InstanceKey, Out, Pin, Timestamp, TraceEntry,
    TraceLog,
};
use crate::value::Value;

use super::definitions::Definitions;
use super::draft::{Change, Draft};
use super::frame::{self, Chain, Item, OVERHEAD};
use super::input::{Batch, Done, PartitionInput, Stamped};
use super::memory::Partition;
use super::plan::{Attempt, Live, Run};
use super::resting::Known;
use super::subject;

/// The machine's one door, as a partition calls it.
#[derive(Clone, Copy)]
pub struct Machine(fn(Option<&Instance>, &InstanceKey, &Definition, &Input, Timestamp) -> Decision);

impl Machine {
    /// A machine of one's own: for tests.
    #[must_use]
    pub const fn new(
        decide: fn(Option<&Instance>, &InstanceKey, &Definition, &Input, Timestamp) -> Decision,
    ) -> Self {
        Self(decide)
    }

    /// Decides.
    pub(super) fn decide(
        self,
        old: Option<&Instance>,
        key: &InstanceKey,
        definition: &Definition,
        input: &Input,
        now: Timestamp,
    ) -> Decision {
        (self.0)(old, key, definition, input, now)
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self(crate::machine::decide)
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Machine")
    }
}

/// Longest text in a line of history, in bytes: people read it, plugins and guests write it.
const TRACE_TEXT: usize = 1_024;
/// Most entries of a list in a line of history.
const TRACE_LIST: usize = 64;

impl Partition {
    /// Decides about a batch of inputs and remembers the result at once.
    ///
    /// Takes inputs in order until the frame is full; the rest comes back. Nothing of the answer
    /// may leave before [`Batch::frame`] is durable.
    #[must_use]
    pub fn decide(&mut self, definitions: &Definitions, inputs: Vec<Stamped>) -> Batch {
        let at = inputs.first().map_or(self.clock, |first| first.at.max(self.clock));
        self.owned_since.get_or_insert(at);
        let mut run = Run { partition: self, definitions, live: BTreeMap::new() };
        let mut page = Page { at, ..Page::default() };
        let mut results = Vec::with_capacity(inputs.len());
        let mut blocked = BTreeSet::new();
        let mut inputs = inputs.into_iter();
        let mut left = Vec::new();
        while results.len() < run.partition.limits.batch_inputs
            && let Some(stamped) = inputs.next()
        {
            match run.take(&stamped, &mut page, &mut blocked) {
                Some(done) => results.push(done),
                None => {
                    left.push(stamped);
                    break;
                }
            }
        }
        left.extend(inputs);
        run.rest();
        let frame = (!page.body.bytes.is_empty()).then(|| {
            let frame = frame::seal(self.head(at), &page.body.bytes, page.body.newer);
            self.chain = Chain::of(&frame);
            self.recorded_at = at;
            frame
        });
        Batch { frame, results, left }
    }
}

/// The frame being written.
#[derive(Default)]
struct Page {
    at: Timestamp,
    body: Out,
    /// The items of the input in hand.
    entry: Out,
    /// What changed of its instance, and the line of its history.
    delta: Out,
    line: Out,
}

impl Run<'_> {
    /// Takes one input; `None` when the frame has no room for it.
    fn take(
        &mut self,
        stamped: &Stamped,
        page: &mut Page,
        blocked: &mut BTreeSet<u16>,
    ) -> Option<Done> {
        let Stamped { input, at } = stamped;
        let at = self.partition.clock.max(*at);
        self.partition.clock = at;
        let source = subject::position(input).map(|(position, _)| position.source);
        if source.is_some_and(|source| blocked.contains(&source)) {
            let busy = Draft::busy(subject::target(input), "an earlier event of the same source");
            return Some(busy.done);
        }
        for attempt in [Attempt::Usual, Attempt::Fail, Attempt::Stick, Attempt::Trim] {
            let mut draft = self.plan(input, at, attempt);
            if let Some(line) = draft.change.as_mut().and_then(|change| change.trace.as_mut()) {
                shorten(line);
            }
            if draft.busy.is_some() {
                blocked.extend(source);
                self.rest_from_due(input, at);
            }
            if self.write(&draft, page) {
                page.body.bytes.extend_from_slice(&page.entry.bytes);
                page.body.newer_if(page.entry.newer);
                return Some(self.commit(draft));
            }
            let fits_alone = page.entry.deepest <= Value::DEPTH_MAX
                && page.entry.bytes.len() + OVERHEAD <= self.partition.limits.frame_bytes;
            if fits_alone {
                return None;
            }
        }
        // Left out of a full frame, it finds an empty one.
        None
    }

    /// Due work that a limit refused rests a while instead of being tried without end.
    fn rest_from_due(&mut self, input: &PartitionInput, at: Timestamp) {
        if subject::is_own(input) {
            self.partition.hold = Some(at.plus_ms(self.partition.limits.hold_ms));
        }
    }

    /// Writes the draft's items to `page.entry`; does the frame have room for them?
    fn write(&self, draft: &Draft, page: &mut Page) -> bool {
        page.entry.clear();
        if let Some(Change { new, trace, keep, mute: _ }) = &draft.change {
            page.delta.clear();
            page.line.clear();
            let old = self.live.get(&new.key).map(|live| &live.known.instance);
            Delta::write(old, new, &mut page.delta);
            page.entry.deepest = page.delta.deepest;
            if let Some(trace) = trace {
                trace.write_alone(page.at, &mut page.line);
            }
            let changed = Item::Changed {
                key: new.key.clone(),
                delta: &page.delta.bytes,
                trace: trace.is_some().then_some(&*page.line.bytes),
                keep: *keep,
            };
            changed.write(&mut page.entry);
            page.entry.newer_if(page.delta.newer || page.line.newer);
        }
        for item in &draft.items {
            item.write(&mut page.entry);
        }
        let size = page.body.bytes.len() + page.entry.bytes.len() + OVERHEAD;
        page.entry.deepest <= Value::DEPTH_MAX && size <= self.partition.limits.frame_bytes
    }

    /// Remembers what was written.
    fn commit(&mut self, draft: Draft) -> Done {
        let Draft { change, items, mut done, .. } = draft;
        if let Some(Change { new, trace, keep, mute }) = change {
            let live = match self.live.entry(new.key.clone()) {
                Entry::Vacant(place) => {
                    let known = Box::new(Known { instance: new, trace: TraceLog::new() });
                    place.insert(Live { known, dirty: true, mute })
                }
                Entry::Occupied(place) => {
                    let live = place.into_mut();
                    let Known { instance, trace: log } = &mut *live.known;
                    if is_other_book((instance.generation, instance.pin), &new, trace.as_ref()) {
                        *log = TraceLog::new();
                    }
                    *instance = new;
                    (live.dirty, live.mute) = (true, mute);
                    live
                }
            };
            if let Some(trace) = &trace {
                // Shortened as in the frame, so that replay gives the same log.
                let Known { instance, trace: log } = &mut *live.known;
                let pushed = log.push(trace, usize::try_from(keep).unwrap_or(usize::MAX));
                debug_assert_eq!(pushed, Ok(()), "trace of {}", instance.key);
            }
            done.trace = trace;
        }
        for item in items {
            if let Item::Removed { key, .. } = &item {
                self.live.remove(key);
                self.partition.instances.remove(key);
            }
            self.partition.queues.apply(item);
        }
        done
    }

    /// Puts what changed to rest, once per instance.
    fn rest(self) {
        for (key, live) in self.live {
            let Live { known, dirty, mute } = live;
            if dirty {
                self.partition.instances.put(known, mute);
                continue;
            }
            self.partition.instances.give_back(known);
            if mute {
                self.partition.instances.mute(&key);
            }
        }
        self.partition.instances.make_room();
    }
}

/// Does a new history begin? With a life it does, and behind a migration whose line does not say
/// which version the lines before it name; further steps leave the places in it alone.
pub(super) fn is_other_book(
    (generation, pin): (Generation, Pin),
    new: &Instance,
    line: Option<&TraceEntry>,
) -> bool {
    let told = new.pin.version >= DERIVED_MIN || line.is_some_and(|line| line.before.is_some());
    generation != new.generation || (pin != new.pin && !told)
}

/// Shortens the texts of a line of history to what people read.
fn shorten(trace: &mut TraceEntry) {
    if is_long(trace) {
        cut_down(trace);
    }
}

fn is_long(trace: &TraceEntry) -> bool {
    let texts = [Some(&trace.input), trace.by.as_ref(), trace.note.as_ref()];
    let errors = trace.guards.iter().filter_map(|guard| guard.error.as_ref());
    let names = trace.fired.iter().filter_map(|fired| fired.event.as_ref());
    let mut all =
        texts.into_iter().flatten().chain(errors).chain(names).chain(trace.effects.iter());
    let lists = [trace.guards.len(), trace.fired.len(), trace.effects.len()];
    all.any(|text| text.len() > TRACE_TEXT) || lists.iter().any(|length| *length > TRACE_LIST)
}

fn cut_down(short: &mut TraceEntry) {
    let cut = |text: &mut std::sync::Arc<str>| {
        if text.len() > TRACE_TEXT {
            let end = subject::char_boundary(text, TRACE_TEXT);
            *text = format!("{}…", text.get(..end).unwrap_or_default()).into();
        }
    };
    short.guards.truncate(TRACE_LIST);
    short.fired.truncate(TRACE_LIST);
    short.effects.truncate(TRACE_LIST);
    cut(&mut short.input);
    short.by.iter_mut().chain(&mut short.note).for_each(cut);
    short.guards.iter_mut().filter_map(|guard| guard.error.as_mut()).for_each(cut);
    short.fired.iter_mut().filter_map(|fired| fired.event.as_mut()).for_each(cut);
    short.effects.iter_mut().for_each(cut);
}
