//! The order to go on under another version: the one input that takes two definitions.

use std::sync::Arc;

use crate::definition::DERIVED_MIN;
use crate::definition::model::Definition;
use crate::machine::{
    Command, Decision, Instance, InstanceKey, Migrated, Outcome, Pin, Principal, Renamed,
    Timestamp, TraceEntry, assert_legal, go_on, migrate, migrate_extended,
};

use super::consult::guarded;
use super::draft::Draft;
use super::plan::Run;

/// What an order makes of an instance: which version it goes on under, and what of it.
#[derive(Clone, Copy)]
pub(super) enum Onward<'a> {
    /// Another version, with states that are called differently there.
    Version(u32, &'a [Renamed]),
    /// Its own with further steps: the version that it must run, and the one that has them.
    Extended(Pin, u32),
}

impl<'a> Onward<'a> {
    /// What the order asks for; `None` where it is another one.
    pub(super) fn of(command: &'a Command) -> Option<Self> {
        if let Command::Migrate { version, states } = command {
            Some(Self::Version(*version, states))
        } else if let Command::Extend { from, version } = command {
            Some(Self::Extended(*from, *version))
        } else {
            None
        }
    }

    /// The version that the lines before it belong to, where states and transitions do not stand
    /// where they stood.
    fn before(self, from: &Definition) -> Option<u32> {
        match self {
            Self::Version(..) => Some(from.derived_from.unwrap_or(from.version)),
            Self::Extended(..) => None,
        }
    }

    /// Why it does not fit, in words.
    fn refusal(self, pin: Pin, from: &Definition, to: &Definition) -> Option<String> {
        let there = format!("`{}@{}`", to.name, to.version);
        match self {
            Self::Version(..) if to.is_derived() => Some(format!(
                "{there} is derived: instances get there by `gearshift steps add` only"
            )),
            Self::Version(..) => None,
            Self::Extended(expected, _) if expected != pin => Some(
                "the instance went on to another version meanwhile: add the steps again".to_owned(),
            ),
            // Its states and transitions stand where they stood, so the history goes on.
            Self::Extended(..) => {
                let author = from.derived_from.unwrap_or(from.version);
                let fits = to.version >= DERIVED_MIN && to.derived_from == Some(author);
                (!fits).then(|| format!("{there} does not come from version {author}"))
            }
        }
    }
}

impl Run<'_> {
    /// Carries an instance to another version, or says why not; then nothing is recorded.
    pub(super) fn migrate(
        &mut self,
        key: &InstanceKey,
        onward: Onward<'_>,
        words: &'static str,
        (by, reason): (&Principal, &Arc<str>),
        at: Timestamp,
    ) -> Draft {
        let Some(old) = self.fetch(key).cloned() else {
            return Draft::not_found(Some(key), "instance");
        };
        let rejected = |reason: String| {
            let outcome = Outcome::Rejected { reason: reason.into(), accepted: Vec::new() };
            Draft::answer(Some(key), outcome)
        };
        let (version, states) = match onward {
            Onward::Version(version, states) => (version, states),
            Onward::Extended(_, version) => (version, &[][..]),
        };
        let workflow = key.workflow();
        let Some(from) = self.definitions.pinned(workflow, old.pin).cloned() else {
            return rejected(format!("`{workflow}@{}` is not deployed", old.pin.version));
        };
        let Some(to) = self.definitions.get(workflow, version).cloned() else {
            return rejected(format!("`{workflow}@{version}` is not deployed"));
        };
        if let Some(reason) = onward.refusal(old.pin, &from, &to) {
            return rejected(reason);
        }
        let now = at.max(old.updated_at);
        let migrated = guarded(|| match onward {
            Onward::Version(..) => migrate(&old, &from, &to, states, now),
            Onward::Extended(..) => migrate_extended(&old, &from, &to, now),
        });
        let Migrated { instance, notes } = match migrated.and_then(|done| done) {
            Ok(migrated) => migrated,
            Err(reason) => return rejected(reason),
        };
        let note = note_of(&from, &to, reason, &notes);
        let user = Some(Arc::clone(&by.user)).filter(|user| !user.is_empty());
        let begun = guarded(|| {
            let decision = go_on(&instance, &to, (words, user.clone(), &note), now);
            // Nothing illegal gets as far as a frame (rule 2).
            let new = decision.as_ref().and_then(|decision| decision.instance.as_ref());
            assert_legal(&to, new.unwrap_or(&instance));
            decision
        });
        match begun {
            Ok(None) => {}
            Ok(Some(mut decision)) => {
                if let Some(line) = &mut decision.trace {
                    line.before = onward.before(&from);
                }
                let queues = &self.partition.queues;
                return Draft::decision(decision, key, Some(&old), Some(&to), queues);
            }
            Err(reason) => return rejected(reason),
        }
        let mut decision = resting(instance, &to, (words, user, note));
        if let Some(line) = &mut decision.trace {
            line.before = onward.before(&from);
        }
        Draft::decision(decision, key, Some(&old), Some(&to), &self.partition.queues)
    }
}

/// The record of an order after which nothing begins.
fn resting(
    instance: Instance,
    to: &Definition,
    (words, by, note): (&'static str, Option<Arc<str>>, Arc<str>),
) -> Decision {
    let trace = TraceEntry {
        step: instance.step,
        at: instance.updated_at,
        input: words.into(),
        by,
        note: Some(note),
        guards: Vec::new(),
        fired: Vec::new(),
        effects: Vec::new(),
        active: to.leaves(&instance.active).collect(),
        before: None,
    };
    Decision {
        instance: Some(instance),
        effects: Vec::new(),
        trace: Some(trace),
        outcome: Outcome::Done,
    }
}

/// From where to where, why, and what it means. A line may be cut short: what the operator said
/// comes first.
fn note_of(from: &Definition, to: &Definition, reason: &str, notes: &[String]) -> Arc<str> {
    let way = format!("{}@{} → {}@{}", from.name, from.version, to.name, to.version);
    let told = std::iter::once(reason).chain(notes.iter().map(String::as_str));
    let parts = told.filter(|part| !part.is_empty());
    std::iter::once(&*way).chain(parts).collect::<Vec<_>>().join("; ").into()
}
