//! Timers: those that are armed keep their due times, those that are new count from now (rule 30).

use std::sync::Arc;

use super::Moving;
use crate::definition::duration;
use crate::definition::model::{After, Definition, Delay};
use crate::machine::ids::StateId;
use crate::machine::instance::{Instance, Timer, TimerKind};

/// One entry of an `after:`: the state, and its place there.
type Entry = (StateId, u16);

/// Which timers of the new version are those of the old one.
#[derive(Debug, Default)]
struct Pairs {
    same: Vec<(Entry, Entry)>,
    new: Vec<Entry>,
}

impl Moving<'_> {
    /// Timers of states that are still active keep their due times; those that the new version
    /// adds begin now.
    pub(super) fn timers(
        &self,
        active: &[StateId],
        instance: &mut Instance,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        let pairs = self.pairs(active);
        instance.timers.clear();
        for timer in &self.old.timers {
            let TimerKind::After { state, index, armed } = &timer.kind else {
                instance.timers.push(timer.clone());
                continue;
            };
            let entry = (*state, *index);
            let before = label(self.from, entry);
            let before = armed.as_deref().unwrap_or(&before);
            let due = timer.due;
            let Some((_, there)) = pairs.same.iter().find(|(old, _)| *old == entry) else {
                notes.push(format!("timer `{before}`, due {due}, is dropped"));
                continue;
            };
            let armed = armed.clone().or_else(|| self.armed_as(entry, *there));
            if armed.is_some() {
                let after = label(self.to, *there);
                notes.push(format!("timer `{after}` stays due {due}, armed as `{before}`"));
            }
            let kind = TimerKind::After { state: there.0, index: there.1, armed };
            instance.timers.push(Timer { kind, ..timer.clone() });
        }
        for entry in pairs.new {
            self.begin(entry, instance, notes)?;
        }
        Ok(())
    }

    /// A timer that the new version adds to an active state counts from now on.
    fn begin(
        &self,
        (state, index): Entry,
        instance: &mut Instance,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        let name = label(self.to, (state, index));
        let Some(After { delay: Delay::Fixed(ms), .. }) = entry(self.to, (state, index)) else {
            let there = self.there();
            return Err(format!(
                "timer `{name}` is new in {there}, and one that is computed cannot begin on the \
                 way: leave the state first, or write its delay"
            ));
        };
        let due = self.now.plus_ms(*ms);
        let kind = TimerKind::After { state, index, armed: None };
        instance.timers.push(Timer { id: instance.next_id, due, kind });
        instance.next_id = instance.next_id.wrapping_add(1);
        notes.push(format!("timer `{name}` begins now, due {due}"));
        Ok(())
    }

    /// How a timer was armed, where the new version waits for another time.
    fn armed_as(&self, old: Entry, new: Entry) -> Option<Arc<str>> {
        let text = |definition: &Definition, at| entry(definition, at).map(written);
        let name =
            || format!("{} of {}@{}", label(self.from, old), self.from.name, self.from.version);
        (text(self.from, old) != text(self.to, new)).then(|| name().into())
    }

    /// Pairs the timers of active states: by name, then by delay, then by where they lead.
    fn pairs(&self, active: &[StateId]) -> Pairs {
        let mut pairs = Pairs::default();
        for id in active {
            let before = self.old.active.iter().filter(|old| self.state(**old) == Some(*id));
            let mut old: Vec<_> = before.flat_map(|old| entries(self.from, *old)).collect();
            let mut new: Vec<_> = entries(self.to, *id).collect();
            pair(&mut old, &mut new, &mut pairs.same, |old, new| self.has_name(old, new));
            pair(&mut old, &mut new, &mut pairs.same, |old, new| {
                let text = |definition: &Definition, at| entry(definition, at).map(written);
                text(self.from, old) == text(self.to, new)
            });
            // Of several that lead to the same place nobody knows which is which.
            let (left, added) = (old.clone(), new.clone());
            pair(&mut old, &mut new, &mut pairs.same, |old, new| {
                let others = left.iter().filter(|other| self.leads_to(**other, new)).count();
                let choices = added.iter().filter(|other| self.leads_to(old, **other)).count();
                self.leads_to(old, new) && others == 1 && choices == 1
            });
            pairs.new.extend(new);
        }
        pairs
    }

    /// Has the author called both the same?
    fn has_name(&self, old: Entry, new: Entry) -> bool {
        let name = |definition: &Definition, at| {
            let after = entry(definition, at)?;
            definition.transition(after.transition).name.clone()
        };
        let name_before = name(self.from, old);
        name_before.is_some() && name_before == name(self.to, new)
    }

    /// Do both lead to the same states?
    fn leads_to(&self, old: Entry, new: Entry) -> bool {
        let targets = |definition: &Definition, at| {
            let after = entry(definition, at)?;
            let targets = definition.transition(after.transition).targets.iter();
            // A hidden state is on the way to the one that the author named.
            let shown = |id: &StateId| definition.state(*id).hidden_for.unwrap_or(*id);
            Some(targets.map(shown).collect::<Vec<_>>())
        };
        let before = targets(self.from, old).unwrap_or_default();
        let before: Option<Vec<_>> = before.iter().map(|id| self.state(*id)).collect();
        before.is_some() && before == targets(self.to, new)
    }
}

/// Moves what is alike from both lists to `same`, in document order.
fn pair(
    old: &mut Vec<Entry>,
    new: &mut Vec<Entry>,
    same: &mut Vec<(Entry, Entry)>,
    alike: impl Fn(Entry, Entry) -> bool,
) {
    old.retain(|old| {
        let Some(at) = new.iter().position(|new| alike(*old, *new)) else { return true };
        same.push((*old, new.remove(at)));
        false
    });
}

fn entries(definition: &Definition, state: StateId) -> impl Iterator<Item = Entry> + '_ {
    (0_u16..).zip(&definition.state(state).after).map(move |(index, _)| (state, index))
}

fn entry(definition: &Definition, (state, index): Entry) -> Option<&After> {
    definition.state(state).after.get(usize::from(index))
}

/// A delay as the author wrote it.
fn written(after: &After) -> String {
    match &after.delay {
        Delay::Fixed(ms) => duration::format(*ms),
        Delay::Computed(template) => format!("{template:?}"),
    }
}

/// `open after 1h`.
fn label(definition: &Definition, at: Entry) -> String {
    let state = &definition.state(at.0).id;
    match entry(definition, at).map(|after| &after.delay) {
        Some(Delay::Fixed(ms)) => format!("{state} after {}", duration::format(*ms)),
        Some(Delay::Computed(_)) | None => format!("{state} after (computed)"),
    }
}
