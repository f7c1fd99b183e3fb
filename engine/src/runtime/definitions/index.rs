//! [`Index`]: who listens to what; rebuilt whole at every change, read at every event.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use gearshift_bus::{Subject, SubjectPattern};
use gearshift_machine::definition::DERIVED_MIN;
use gearshift_machine::definition::model::{Definition, EventDecl};
use gearshift_machine::partition::{Definitions, Position};
use gearshift_protocol::subjects::RESULT;

use super::listens::Froms;
use crate::runtime::error::Error;

/// A workflow's name and version.
pub(crate) type Version = (Arc<str>, u32);

/// Who listens to what.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_event: BTreeMap<Arc<str>, Vec<Listener>>,
    by_subject: Vec<(SubjectPattern, Listener)>,
    /// Everything that is deployed, for `decide` and queries.
    pub(crate) definitions: Definitions,
    /// What is recorded, but not from where on it listens: it is not deployed yet.
    pending: Vec<Arc<Definition>>,
}

/// One definition that listens to one event.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// The definition.
    pub(crate) definition: Arc<Definition>,
    /// The place in its `events:`.
    event: usize,
    spans: Arc<[Span]>,
}

/// Which part of a source a version listens to: reading again what came before it was deployed must
/// not apply an event a second time, to an instance that only this version finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    source: u16,
    from: u64,
    /// The first sequence that a newer version of its workflow listens to.
    until: Option<u64>,
}

impl Listener {
    /// Does it listen to the message at `position`? Doors give none.
    pub(crate) fn listens_at(&self, position: Option<Position>) -> bool {
        position.is_none_or(|position| {
            self.span(position.source).is_none_or(|span| span.from <= position.sequence)
        })
    }

    /// Is it the newest version of its workflow that listens there? Only that one starts, buffers
    /// or complains.
    pub(crate) fn is_latest_at(&self, position: Option<Position>) -> bool {
        if self.definition.is_derived() {
            return false;
        }
        let Some(position) = position else {
            return self.spans.first().is_none_or(|span| span.until.is_none());
        };
        let until = self.span(position.source).and_then(|span| span.until);
        until.is_none_or(|until| position.sequence < until)
    }

    fn span(&self, source: u16) -> Option<&Span> {
        self.spans.iter().find(|span| span.source == source)
    }

    /// The event's declaration.
    pub(crate) fn declaration(&self) -> Option<&EventDecl> {
        self.definition.events.get(self.event)
    }
}

impl Index {
    /// Indexes what `deployed` holds. `sources` gives, for each source that is read, where those
    /// listen from who say nothing of it, because it was not there when they were deployed.
    pub(super) fn of(
        deployed: &BTreeMap<Version, (Arc<Definition>, Froms)>,
        pending: Vec<Arc<Definition>>,
        sources: &[Position],
    ) -> Result<Self, Error> {
        let mut index = Self { pending, ..Self::default() };
        for ((name, version), (definition, froms)) in deployed {
            // The bucket holds one content per version, so this cannot conflict.
            drop(index.definitions.insert(Arc::clone(definition)));
            let version_of = |version| (Arc::clone(name), version);
            let newest = Included(version_of(DERIVED_MIN - 1));
            let newer = (Excluded(version_of(*version)), newest);
            let from_of =
                |froms: &Froms, at: &Position| froms.get(at.source).unwrap_or(at.sequence);
            let span = |at: &Position| Span {
                source: at.source,
                from: from_of(froms, at),
                until: (*version < DERIVED_MIN - 1)
                    .then(|| deployed.range(newer.clone()))
                    .into_iter()
                    .flatten()
                    .map(|(_, (_, froms))| from_of(froms, at))
                    .min(),
            };
            let spans = sources.iter().map(span).collect::<Arc<[_]>>();
            for (event, declaration) in definition.events.iter().enumerate() {
                let (definition, spans) = (Arc::clone(definition), Arc::clone(&spans));
                let listener = Listener { definition, event, spans };
                if let Some(subject) = &declaration.subject {
                    index.by_subject.push((pattern_of(subject)?, listener.clone()));
                }
                index.by_event.entry(Arc::clone(&declaration.name)).or_default().push(listener);
            }
        }
        for listeners in index.by_event.values_mut() {
            // The newest version of a workflow speaks first.
            listeners.sort_by_key(|listener| {
                (Arc::clone(&listener.definition.name), !listener.is_latest_at(None))
            });
        }
        Ok(index)
    }

    /// Indexes definitions that one process holds for itself: of each workflow only the newest
    /// version starts, buffers or complains.
    pub(crate) fn alone(definitions: &Definitions) -> Result<Self, Error> {
        let deployed = definitions.iter().map(|definition| {
            let version = (Arc::clone(&definition.name), definition.version);
            (version, (Arc::clone(definition), Froms::default()))
        });
        Self::of(&deployed.collect(), Vec::new(), &[Position { source: 0, sequence: 1 }])
    }

    /// Who listens to the event `name`.
    pub(crate) fn listeners(&self, name: &str) -> &[Listener] {
        self.by_event.get(name).map_or(&[], Vec::as_slice)
    }

    /// The events that a message on `subject` is, by declared subjects.
    pub(crate) fn by_subject(&self, subject: &Subject) -> impl Iterator<Item = &Listener> {
        self.by_subject
            .iter()
            .filter(|(pattern, _)| pattern.matches(subject))
            .map(|(_, listener)| listener)
    }

    /// What is recorded, but not yet from where on it listens.
    pub(crate) fn pending(&self) -> &[Arc<Definition>] {
        &self.pending
    }

    /// Exactly the subjects that definitions name (01 §3): what the inbox captures, and those of
    /// the results that plugins promised. A definition that is about to be deployed is one of them.
    pub(crate) fn captured(
        &self,
        also: Option<&Arc<Definition>>,
    ) -> Result<Vec<SubjectPattern>, Error> {
        let mut texts = BTreeSet::from([format!("{RESULT}*")]);
        for definition in self.definitions.iter().chain(&self.pending).chain(also) {
            texts.extend(subjects(definition));
        }
        texts.iter().map(|text| SubjectPattern::parse(text).map_err(Error::from)).collect()
    }
}

/// The patterns of the subjects that `definition` names.
pub(crate) fn subjects(definition: &Definition) -> impl Iterator<Item = String> {
    definition.events.iter().map(|event| match &event.subject {
        Some(subject) => wildcards(subject),
        None => event.name.to_string(),
    })
}

/// `orders.{order_id}.paid` → `orders.*.paid`.
fn wildcards(subject: &str) -> String {
    let token = |token: &str| match token.starts_with('{') {
        true => "*".to_owned(),
        false => token.to_owned(),
    };
    subject.split('.').map(token).collect::<Vec<_>>().join(".")
}

fn pattern_of(subject: &str) -> Result<SubjectPattern, Error> {
    Ok(SubjectPattern::parse(&wildcards(subject))?)
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
