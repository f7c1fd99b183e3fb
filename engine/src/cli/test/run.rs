//! One scenario from its first step to its last, or to the first that is not as expected.

use std::sync::Arc;

use gearshift_client::protocol::InstanceVerdict;
use gearshift_client::protocol::view::GuardView;
use gearshift_machine::machine::{Command, Event, InstanceKey, TRANSACTION};
use gearshift_machine::partition::{Done, PartitionInput};

use super::coverage::Taken;
use super::differences::Difference;
use super::expectation::Seen;
use super::file::{Scenario, ScenarioFile};
use super::steps::{Act, Step};
use crate::api;
use crate::cli::stage::{Happened, Prepared, Stage, Told};
use crate::cli::timeline::Row;
use crate::cli::verdicts::in_words;
use crate::runtime::Incoming;

/// Instances looked through for a bare key.
const LOOKED_THROUGH: usize = 1_000;

/// What a scenario came to.
pub(super) struct Played {
    /// How much time passed on its clock.
    pub(super) virtual_ms: u64,
    /// Why it failed.
    pub(super) failure: Option<Failed>,
    /// What happened, with the milliseconds since its beginning.
    pub(super) rows: Vec<(u64, Row)>,
}

/// Why a scenario failed.
pub(super) struct Failed {
    /// The line of the step.
    pub(super) line: u64,
    /// The step could not be done.
    pub(super) refused: Option<String>,
    /// It was done, but what came of it is not what was expected.
    pub(super) differences: Vec<Difference>,
}

/// A scenario under way.
struct Run<'a> {
    stage: Stage,
    taken: &'a mut Taken,
    /// The instance that steps mean that name none: the first that an event reached.
    current: Option<InstanceKey>,
    /// What was asked of the world since the last `expect`.
    told: Vec<Told>,
    rows: Vec<(u64, Row)>,
    began_ms: i64,
}

/// Plays a scenario.
pub(super) fn play(file: &ScenarioFile, scenario: &Scenario, taken: &mut Taken) -> Played {
    let mut prepared = Prepared::default();
    let added = prepared.add(&file.mocks).and_then(|()| prepared.add(&scenario.mocks));
    let stage = added.and_then(|()| Stage::new(file.definitions.clone(), prepared, file.clock));
    let stage = match stage {
        Ok(stage) => stage,
        Err(reason) => {
            let line = scenario.steps.first().map_or(0, |step| step.defined.line());
            let failure = Failed { line, refused: Some(reason), differences: Vec::new() };
            return Played { virtual_ms: 0, failure: Some(failure), rows: Vec::new() };
        }
    };
    let began_ms = stage.now().0;
    let rows = Vec::new();
    let mut run = Run { stage, taken, current: None, told: Vec::new(), rows, began_ms };
    let mut failure = None;
    for step in &scenario.steps {
        let line = step.defined.line();
        let (refused, differences) = match run.step(&step.value) {
            Ok(differences) if differences.is_empty() => continue,
            Ok(differences) => (None, differences),
            Err(reason) => (Some(reason), Vec::new()),
        };
        failure = Some(Failed { line, refused, differences });
        break;
    }
    Played { virtual_ms: run.elapsed(), failure, rows: run.rows }
}

impl Run<'_> {
    fn elapsed(&self) -> u64 {
        u64::try_from(self.stage.now().0 - self.began_ms).unwrap_or_default()
    }

    /// Does the step; everything that is not as expected.
    fn step(&mut self, step: &Step) -> Result<Vec<Difference>, String> {
        let answers = self.act(step)?;
        for happened in self.stage.take_happened() {
            self.note(happened);
        }
        let named = step.instance.as_deref().map(|name| self.named(name)).transpose()?;
        if self.current.is_none() {
            let mut reached = answers.iter().map(|(key, _)| key);
            self.current = reached.find(|key| key.workflow() != TRANSACTION).cloned();
        }
        let key = named.or_else(|| self.current.clone());
        // What the step's own instance was told, else what the first one was.
        let own = answers.iter().find(|(reached, _)| Some(reached) == key.as_ref());
        let verdict = own.or_else(|| answers.first()).map(|(key, done)| api::verdict(key, done));
        let expected = step.expect.as_ref();
        if expected.is_none_or(|expected| expected.verdict.is_none()) {
            accepted(verdict.as_ref())?;
        }
        let Some(expected) = expected else { return Ok(Vec::new()) };
        let detail = key.as_ref().and_then(|key| self.stage.instance(key)).and_then(|instance| {
            let definitions = self.stage.definitions();
            let definition = definitions.pinned(instance.key.workflow(), instance.pin)?;
            Some(api::detail(&instance, definition, self.stage.now()))
        });
        let seen = Seen { detail: detail.as_ref(), verdict: verdict.as_ref(), told: &self.told };
        let differences = expected.differences(&seen);
        self.told.clear();
        Ok(differences)
    }

    fn act(&mut self, step: &Step) -> Result<Vec<(InstanceKey, Done)>, String> {
        match step.act()? {
            Act::Look => Ok(Vec::new()),
            Act::Event { name, data, by, id, source } => {
                let event = Event { name, data: Some(data), by, id, source, ..Event::default() };
                let addressed = step.instance.clone();
                let answers = self.stage.event(&Incoming { event, addressed })?;
                if answers.is_empty() {
                    Err("no instance has this key".to_owned())
                } else {
                    Ok(answers)
                }
            }
            Act::Start { workflow, key, version, transaction, input, by } => {
                let key = InstanceKey::new(&workflow, &key)?;
                let start = match transaction {
                    Some(transaction) => PartitionInput::Command {
                        key: key.clone(),
                        command: Command::StartIn {
                            version,
                            input,
                            transaction,
                            id: None,
                            trace_context: None,
                        },
                        by,
                        reason: Arc::from(""),
                    },
                    None => PartitionInput::Start {
                        key: key.clone(),
                        version,
                        input,
                        by,
                        id: None,
                        trace_context: None,
                    },
                };
                let done = self.stage.tell(start)?;
                Ok(vec![(key, done)])
            }
            Act::Command { command, by } => {
                let key = match &step.instance {
                    Some(name) => self.named(name)?,
                    None => self.current.clone().ok_or("no event has reached an instance yet")?,
                };
                let reason = Arc::from("");
                let order = PartitionInput::Command { key: key.clone(), command, by, reason };
                let done = self.stage.tell(order)?;
                Ok(vec![(key, done)])
            }
            Act::Reply { operation, answer } => {
                let (key, done) = self.stage.reply(&operation, answer.outcome()?, None)?;
                Ok(vec![(key, done)])
            }
            Act::Advance(milliseconds) => {
                self.stage.advance(milliseconds)?;
                Ok(Vec::new())
            }
        }
    }

    fn note(&mut self, happened: Happened) {
        self.taken.add(&happened);
        let at = u64::try_from(happened.at.0 - self.began_ms).unwrap_or_default();
        if let (Some(trace), Some(definition)) = (&happened.done.trace, &happened.done.definition) {
            let entry = api::history_entry(trace, definition);
            let mut row = Row::of(&entry);
            // Who looks for the reason of a failure wants to know of every guard that said no.
            if !entry.transitions.is_empty() {
                let refused = entry.guards.iter().filter(|guard| guard.error.is_none());
                let note = |guard: &GuardView| format!("{}: guard is false", guard.transition);
                row.notes.extend(refused.map(note));
            }
            self.rows.push((at, row));
        }
        self.told.extend(happened.told);
    }

    /// `workflow/key`, or a key that one instance has.
    fn named(&self, name: &str) -> Result<InstanceKey, String> {
        if name.contains('/') {
            return InstanceKey::parse(name);
        }
        let all = self.stage.instances(LOOKED_THROUGH);
        let mut found = all.iter().map(|instance| &instance.key).filter(|key| key.key() == name);
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only.clone()),
            (Some(one), Some(other)) => {
                Err(format!("`{name}` is the key of `{one}` and of `{other}`"))
            }
            (None, _) => Err(format!("no instance has the key `{name}`")),
        }
    }
}

/// What was refused fails a scenario that does not expect it.
fn accepted(verdict: Option<&InstanceVerdict>) -> Result<(), String> {
    let Some(verdict) = verdict else { return Ok(()) };
    if verdict.verdict.exit_code() == 0 {
        return Ok(());
    }
    let (words, verdict) = (in_words(verdict), verdict.verdict.as_str());
    Err(format!("{words}; where that is meant, say `expect: {{ verdict: {verdict} }}`"))
}
