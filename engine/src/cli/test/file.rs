//! Scenario files, and the definitions they test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gearshift_machine::machine::{Timestamp, transaction_definition};
use gearshift_machine::partition::Definitions;
use serde::Deserialize;
use serde::de::{self, Visitor};
use serde_saphyr::Spanned;

use super::reading::{self, Read, Unreadable};
use super::steps::Step;
use crate::api;
use crate::cli::failure::{ENDED_BADLY, Failure, NOT_FOUND, USAGE};
use crate::cli::mocks;
use crate::cli::output::tell;
use crate::cli::sources::{Source, is_definition};
use crate::cli::stage::Answers;
use crate::cli::words::nearest;

/// When scenarios begin that say nothing else: 2026-01-01T00:00:00Z.
const CLOCK: Timestamp = Timestamp(1_767_225_600_000);

/// One scenario: what happens, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// What it is called.
    #[serde(alias = "scenario")]
    pub(super) name: String,
    /// What operations answer, over those of the file.
    #[serde(default)]
    pub(super) mocks: BTreeMap<String, Answers>,
    /// What happens.
    pub(super) steps: Vec<Spanned<Step>>,
}

/// One text or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Names;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text or a list of texts")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Names, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Names)
            }
        }
        from.deserialize_any(OneOrSeveral)
    }
}

/// A scenario file with what it tests.
pub(super) struct ScenarioFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// When its scenarios begin.
    pub(super) clock: Timestamp,
    /// What operations answer in every scenario.
    pub(super) mocks: BTreeMap<String, Answers>,
    /// Its scenarios, in order.
    pub(super) scenarios: Vec<Read>,
    /// What it tests.
    pub(super) definitions: Definitions,
    /// Where each of them is written.
    pub(super) origins: BTreeMap<(String, u32), String>,
}

impl ScenarioFile {
    /// Reads the file and the definitions it tests.
    pub(super) fn read(path: &Path, color: bool) -> Result<Self, Failure> {
        let source = Source::read(path)?;
        let refused = |reason: String| {
            Failure::new(USAGE, format!("`{}` is no scenario file: {reason}", path.display()))
        };
        let written = reading::read(&source.text).map_err(refused)?;
        let clock = match &written.clock {
            None => CLOCK,
            Some(text) => {
                let moment = text.value.parse::<jiff::Timestamp>();
                let moment = moment.map_err(|error| {
                    refused(format!("line {}: `clock`: {error}", text.defined.line()))
                })?;
                Timestamp(moment.as_millisecond())
            }
        };
        let mut file = Self {
            path: path.to_owned(),
            clock,
            mocks: written.mocks,
            scenarios: written.scenarios,
            definitions: Definitions::default(),
            origins: BTreeMap::new(),
        };
        for path in tested(&source, &written.definition)? {
            file.load(&path, color)?;
        }
        file.know_states();
        file.know_operations().map_err(refused)?;
        Ok(file)
    }

    /// Mocks of operations that no definition calls would answer nobody.
    fn know_operations(&mut self) -> Result<(), String> {
        let all = self.definitions.iter().flat_map(|definition| api::operations(definition));
        let known: BTreeSet<String> = all.filter_map(|it| mocks::key(&it).ok()).collect();
        let unknown = |mocked: &BTreeMap<String, Answers>| {
            let called = |name: &String| mocks::key(name).is_ok_and(|it| known.contains(&it));
            let name = mocked.keys().find(|name| !called(name))?;
            let meant = nearest(name, known.iter().map(String::as_str));
            let meant = meant.map(|meant| format!("; did you mean `{meant}`?"));
            let meant = meant.unwrap_or_default();
            Some(format!("no definition calls `{name}`, which `mocks` answers{meant}"))
        };
        if let Some(reason) = unknown(&self.mocks) {
            return Err(reason);
        }
        for read in &mut self.scenarios {
            let Ok(scenario) = read else { continue };
            if let Some(reason) = unknown(&scenario.value.mocks) {
                let (line, name) = (scenario.defined.line(), scenario.value.name.clone());
                *read = Err(Unreadable { line, name: Some(name), reason });
            }
        }
        Ok(())
    }

    /// Scenarios that expect a state which no definition has could not pass.
    fn know_states(&mut self) {
        let built_in = std::iter::once(transaction_definition());
        let states = self.definitions.iter().chain(built_in).flat_map(|it| &it.states);
        let states: Vec<&str> = states.map(|state| &*state.id).collect();
        for read in &mut self.scenarios {
            let Ok(scenario) = read else { continue };
            let steps = scenario.value.steps.iter();
            let expected = steps.filter_map(|step| step.value.expect.as_ref()?.state.as_ref());
            let mut names = expected.flat_map(|state| {
                state.value.0.iter().map(|name| (name.as_str(), state.defined.line()))
            });
            let Some((name, line)) = names.find(|(name, _)| !states.contains(name)) else {
                continue;
            };
            let meant = nearest(name, states.iter().copied());
            let meant = meant.map(|meant| format!("; did you mean `{meant}`?"));
            let reason = format!("no definition has a state `{name}`{}", meant.unwrap_or_default());
            let name = Some(scenario.value.name.clone());
            *read = Err(Unreadable { line, name, reason });
        }
    }

    fn load(&mut self, path: &Path, color: bool) -> Result<(), Failure> {
        let source = Source::read(path)?;
        let loaded = source.load().map_err(|problems| {
            tell(source.render(&problems, color).trim_end());
            Failure::invalid(format!("`{}` has errors", source.origin), &problems)
        })?;
        for one in loaded {
            let definition = Arc::new(one.definition);
            let name = (definition.name.to_string(), definition.version);
            self.definitions.insert(definition).map_err(|error| {
                Failure::new(ENDED_BADLY, format!("`{}`: {error}", source.origin))
            })?;
            let origin = source.origin.strip_prefix("./").unwrap_or(&source.origin);
            self.origins.insert(name, origin.to_owned());
        }
        Ok(())
    }
}

/// The definition files that a scenario file tests: those it names, else the one that is named
/// like it, else all beside it.
fn tested(source: &Source, named: &Names) -> Result<Vec<PathBuf>, Failure> {
    let folder = source.folder();
    if !named.0.is_empty() {
        return Ok(named.0.iter().map(|name| folder.join(name)).collect());
    }
    let name = source.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split(".test.").next().unwrap_or_default();
    let like_it = ["yaml", "yml", "json"].map(|end| folder.join(format!("{stem}.workflow.{end}")));
    if let Some(found) = like_it.into_iter().find(|path| path.exists()) {
        return Ok(vec![found]);
    }
    let failed = |error: &std::io::Error| Failure::file("cannot read", &folder, error);
    let entries = std::fs::read_dir(&folder).map_err(|error| failed(&error))?;
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    let mut found: Vec<PathBuf> = entries.iter().map(std::fs::DirEntry::path).collect();
    found.retain(|path| is_definition(path));
    found.sort();
    if found.is_empty() {
        return Err(Failure::new(
            NOT_FOUND,
            format!("`{}` names no definition, and none is beside it", source.origin),
        )
        .with_help(format!("write `definition: FILE`, or name it `{stem}.workflow.yaml`")));
    }
    Ok(found)
}
