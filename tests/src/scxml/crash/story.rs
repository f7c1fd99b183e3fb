//! [`Story`]: what a document became, ready to run.

use gearshift_machine::definition::model::Definition;
use gearshift_machine::definition::{Format, load_all};
use gearshift_machine::machine::{Instance, Status};

use super::super::judge::verdict;
use super::super::{Document, Ending, Verdict, yaml};

/// Definitions, and the one of them that is judged.
#[derive(Clone, Debug)]
pub struct Story {
    /// The workflow that is started.
    pub workflow: String,
    /// It, and the children that it names.
    pub definitions: Vec<Definition>,
    judges_itself: bool,
}

impl Story {
    /// Converts a document and the children that it names.
    ///
    /// # Errors
    /// What cannot be converted or loaded.
    pub fn of(document: &Document, children: &[Document]) -> Result<Self, String> {
        let (workflow, yaml) = yaml(document, children)?;
        let loaded = load_all(&yaml, "document", Format::Yaml).map_err(|problems| {
            let error = problems.iter().find(|it| it.is_error());
            error.map_or_else(String::new, ToString::to_string)
        })?;
        let definitions: Vec<_> = loaded.into_iter().map(|it| it.definition).collect();
        let judged = definitions.iter().find(|it| *it.name == *workflow);
        let judges_itself = judged.is_some_and(|it| it.state_named("pass").is_some());
        Ok(Self { workflow, definitions, judges_itself })
    }

    /// What it is to end like this.
    #[must_use]
    pub fn verdict(&self, ending: &Ending) -> Verdict {
        verdict(ending.clone(), self.judges_itself)
    }

    /// How an instance of it ended that nothing happens to any more.
    #[must_use]
    pub fn ending(&self, instance: &Instance) -> Ending {
        let names = || self.names(instance);
        match instance.status {
            Status::Done => Ending::Final(names()),
            Status::Running => Ending::Waits(names()),
            Status::Stuck
            | Status::Paused
            | Status::Compensating
            | Status::Failed
            | Status::Cancelled => {
                let reason = instance.stuck.as_ref().map(|stuck| stuck.reason.to_string());
                let status = instance.status;
                Ending::Broken(format!("{status:?}: {}", reason.unwrap_or_default()))
            }
        }
    }

    fn names(&self, instance: &Instance) -> Vec<String> {
        let workflow = instance.key.workflow();
        let definition = self.definitions.iter().find(|it| *it.name == *workflow);
        let leaves = definition.map(|it| {
            let leaves = it.leaves(&instance.active);
            leaves.map(|id| it.state(id).id.to_string()).collect()
        });
        leaves.unwrap_or_default()
    }
}
