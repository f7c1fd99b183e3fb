//! What running plugins say to a definition: is there one for each call, and does it take what is
//! written in `with`?

use std::collections::BTreeSet;

use gearshift_client::Client;
use gearshift_client::protocol::metadata::METADATA_PROTOCOL;
use gearshift_client::protocol::query::Plugins;
use gearshift_client::protocol::view::{OperationView, PluginView};
use gearshift_client::protocol::{OperationRef, PluginState};
use gearshift_machine::definition::codes::{self, Code};
use gearshift_machine::definition::model::{Action, CallSpec, Definition, SeqStep};
use gearshift_machine::definition::{Problem, Span, WrittenCall, written_documents};

use super::failure::Failure;
use super::literal::{is_written, mismatches, required};
use super::plugin_shown::differing;
use super::sources::Source;
use crate::api::operations;

/// The plugins that run.
pub(super) struct Live {
    items: Vec<PluginView>,
    /// Those that are connected and do not answer, in words.
    silent: Vec<String>,
}

impl Live {
    /// Those that the engine knows.
    pub(super) async fn ask(client: &Client) -> Result<Self, Failure> {
        let page = client.plugins(&Plugins::default()).await?;
        Ok(Self { items: page.items, silent: page.missing })
    }

    /// What they say to a definition of `source`.
    pub(super) fn problems(&self, source: &Source, definition: &Definition) -> Vec<Problem> {
        let mut problems = Vec::new();
        let places = Places::of(source, definition);
        let named: BTreeSet<String> = operations(definition).into_iter().collect();
        for name in &named {
            let Ok(wanted) = name.parse::<OperationRef>() else { continue };
            if self.serving(&wanted).next().is_none() && !self.is_mocked(&wanted) {
                let message = self.missing(&wanted);
                problems.push(places.first(codes::MISSING_PLUGIN, name, message));
            }
            for message in self.contradictions(&wanted) {
                problems.push(places.first(codes::SCHEMAS_DIFFER, name, message));
            }
        }
        for (spec, takes_back) in calls(definition) {
            let Ok(wanted) = spec.operation.parse::<OperationRef>() else { continue };
            if takes_back && spec.with.is_none() {
                continue;
            }
            // Of several versions one that takes it will do.
            let found: Vec<Vec<String>> = self
                .serving(&wanted)
                .filter_map(|operation| operation.input.as_ref())
                .map(|schema| {
                    spec.with
                        .as_ref()
                        .map_or_else(|| required(schema), |with| mismatches(with, schema))
                })
                .collect();
            if found.iter().any(Vec::is_empty) {
                continue;
            }
            for message in found.into_iter().next().unwrap_or_default() {
                let message = format!("input of `{}`: {message}", spec.operation);
                for problem in places.each(codes::INPUT_MISMATCH, spec, &message) {
                    if !problems.contains(&problem) {
                        problems.push(problem);
                    }
                }
            }
        }
        problems
    }

    /// The operation, of each version that will do.
    fn serving(&self, wanted: &OperationRef) -> impl Iterator<Item = &OperationView> {
        self.fitting(wanted).map(|(_, operation)| operation)
    }

    /// Do mocks of the engine answer it, whichever versions run?
    fn is_mocked(&self, wanted: &OperationRef) -> bool {
        let is_all = |one: &PluginView| one.name == "*";
        let is_it = |one: &PluginView| {
            let mut operations = one.operations.iter();
            one.name == wanted.plugin
                && operations.any(|it| it.mocked && it.name == wanted.operation)
        };
        self.items.iter().any(|one| is_all(one) || is_it(one))
    }

    /// The same, each with its plugin.
    fn fitting(
        &self,
        wanted: &OperationRef,
    ) -> impl Iterator<Item = (&PluginView, &OperationView)> {
        let fits =
            |one: &&PluginView| one.foreign_protocol.is_none() && wanted.accepts(&one.version);
        let runs = move |one: &&PluginView| !one.version.is_empty() && fits(one);
        let fitting = named(&self.items, &wanted.plugin).into_iter().filter(runs);
        let operations = fitting.flat_map(|one| one.operations.iter().map(move |it| (one, it)));
        operations.filter(|(_, operation)| operation.name == wanted.operation)
    }

    /// Who publishes another schema of it than others of the same version do.
    fn contradictions(&self, wanted: &OperationRef) -> Vec<String> {
        self.fitting(wanted).filter_map(|(one, operation)| differing(one, operation)).collect()
    }

    fn missing(&self, wanted: &OperationRef) -> String {
        let OperationRef { plugin, operation, .. } = wanted;
        let mut running = named(&self.items, plugin);
        running.retain(|one| !one.version.is_empty());
        let Some(first) = running.first() else {
            let about = format!("plugin `{plugin}` ");
            let silent = self.silent.iter().find(|words| words.starts_with(&about)).cloned();
            return silent.unwrap_or_else(|| format!("no plugin `{plugin}` is running"));
        };
        let understood = running.iter().filter(|one| one.foreign_protocol.is_none());
        let understood: Vec<_> = understood.copied().collect();
        if let Some(spoken) = first.foreign_protocol.as_ref().filter(|_| understood.is_empty()) {
            let (_, known) = METADATA_PROTOCOL;
            return format!(
                "plugin `{plugin}` speaks protocol version `{spoken}`, but `{known}` is needed"
            );
        }
        let mut meant = understood.clone();
        meant.retain(|one| wanted.accepts(&one.version));
        let Some(first) = meant.first() else { return not_meant(&understood, wanted) };
        let states = || meant.iter().flat_map(|one| &one.instances).map(|one| one.state);
        if !states().any(PluginState::takes_calls)
            && let Some(state) = states().next()
        {
            return format!("plugin `{}` takes no calls: it is {state}", first.name);
        }
        let (names, versions) = told(&meant, plugin);
        format!("{names} {versions} has no operation `{operation}`")
    }
}

/// The versions of the plugin of that name; where none runs, the plugins that implement the
/// interface of that name.
pub(super) fn named<'p>(running: &'p [PluginView], name: &str) -> Vec<&'p PluginView> {
    let is_called = |one: &&PluginView| one.name == name;
    let implements = |one: &&PluginView| one.interfaces.iter().any(|it| it == name);
    let called: Vec<_> = running.iter().filter(is_called).collect();
    // Mocks of that name do not stand in the way of who implements the rest of it.
    if called.iter().any(|one| !one.version.is_empty()) {
        return called;
    }
    called.into_iter().chain(running.iter().filter(implements)).collect()
}

/// No version of those that run is the one that is wanted.
pub(super) fn not_meant(running: &[&PluginView], wanted: &OperationRef) -> String {
    let (names, versions) = told(running, &wanted.plugin);
    let needed = wanted.requirement.as_deref().unwrap_or("a semantic version");
    format!("{names} runs as {versions}, but `{needed}` is needed")
}

/// Who runs, in words: plugin, versions.
fn told(running: &[&PluginView], wanted: &str) -> (String, String) {
    let list = |of: fn(&PluginView) -> String| {
        let texts: BTreeSet<_> = running.iter().map(|one| of(one)).collect();
        Vec::from_iter(texts).join(", ")
    };
    let role = match running.iter().any(|one| one.name == wanted) {
        true => String::new(),
        false => format!(", which implements `{wanted}`,"),
    };
    let names = list(|one| format!("`{}`", one.name));
    (format!("plugin {names}{role}"), list(|one| one.version.clone()))
}

/// Where the calls of one definition of a source are written.
struct Places<'s> {
    source: &'s Source,
    /// Where its document stands.
    document: Span,
    calls: Vec<WrittenCall>,
}

impl<'s> Places<'s> {
    /// Another document of the same source may call the same.
    fn of(source: &'s Source, definition: &Definition) -> Self {
        let mut all = written_documents(&source.text, source.format);
        let its_name = |it: &str| *it == *definition.name;
        let its_version = |it: &Option<String>| match it {
            Some(text) => text.parse() == Ok(definition.version),
            None => definition.version == 1,
        };
        let of_name = all.iter().position(|it| its_name(&it.workflow) && its_version(&it.version));
        let found = of_name.map(|at| all.swap_remove(at));
        let (document, calls) = match found {
            Some(found) => (found.span, found.calls),
            None => (Span::new(0, source.text.len()), Vec::new()),
        };
        Self { source, document, calls }
    }

    /// A problem where the operation is called first.
    fn first(&self, code: Code, operation: &str, message: String) -> Problem {
        let is_it = |call: &&WrittenCall| call.operation == operation;
        let call = self.calls.iter().find(is_it).map(|call| call.span);
        self.at(code, call.or_else(|| self.text(operation)), message)
    }

    /// A problem at each call that is written like this one.
    fn each(&self, code: Code, spec: &CallSpec, message: &str) -> Vec<Problem> {
        let is_it = |call: &&WrittenCall| {
            *call.operation == *spec.operation
                && match (&spec.with, &call.with) {
                    (Some(with), Some(written)) => is_written(with, written),
                    (with, written) => with.is_none() && written.is_none(),
                }
        };
        let spans: Vec<_> = self.calls.iter().filter(is_it).map(|call| Some(call.span)).collect();
        let spans = if spans.is_empty() { vec![self.text(&spec.operation)] } else { spans };
        spans.into_iter().map(|span| self.at(code, span, message.to_owned())).collect()
    }

    /// Where the text has it, in whatever form the call is written.
    fn text(&self, operation: &str) -> Option<Span> {
        let text = self.source.text.get(self.document.start..self.document.end)?;
        let start = self.document.start + text.find(operation)?;
        Some(Span::new(start, start + operation.len()))
    }

    /// Nowhere where it is made of other text.
    fn at(&self, code: Code, span: Option<Span>, message: String) -> Problem {
        let problem = Problem::new(code, &self.source.origin, message);
        match span {
            Some(span) => problem.at(&self.source.text, span),
            None => problem,
        }
    }
}

/// Every call of the definition, and those that take one back, which is told.
fn calls(definition: &Definition) -> impl Iterator<Item = (&CallSpec, bool)> {
    let steps = definition.sequences.iter().flat_map(|sequence| &sequence.steps);
    let specs = steps.filter_map(|step| match step {
        SeqStep::Call { spec, .. } | SeqStep::Do(Action::Tell(spec)) => Some(spec),
        SeqStep::Do(_)
        | SeqStep::Child { .. }
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    });
    specs.flat_map(|spec| {
        let undo = spec.undo.iter().map(|undo| (&**undo, true));
        std::iter::once((&**spec, false)).chain(undo)
    })
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
