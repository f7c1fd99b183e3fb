//! What is played: definitions, and answers for their calls.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gearshift_machine::partition::Definitions;

use crate::api;
use crate::cli::args::Global;
use crate::cli::failure::Failure;
use crate::cli::mocks::{self, Mock};
use crate::cli::output::tell;
use crate::cli::sources::{Source, files};
use crate::cli::stage::{Answer, Answers, Prepared};

/// Reads the definitions, or tells what is wrong with them.
pub(super) fn load(global: &Global, paths: &[PathBuf]) -> Result<Definitions, Failure> {
    let color = global.stderr_look().color;
    let mut definitions = Definitions::default();
    for path in files(paths)? {
        let source = Source::read(&path)?;
        let loaded = source.load().map_err(|problems| {
            tell(source.render(&problems, color).trim_end());
            Failure::invalid(format!("`{}` has errors", source.origin), &problems)
        })?;
        for one in loaded {
            let inserted = definitions.insert(Arc::new(one.definition));
            inserted.map_err(|error| Failure::usage(error.to_string()))?;
        }
    }
    Ok(definitions)
}

/// `--mock` as prepared answers: one for each operation that the definitions call.
pub(super) fn prepared(list: &[Mock], definitions: &Definitions) -> Result<Prepared, Failure> {
    let mut answers = BTreeMap::new();
    if !list.is_empty() {
        for operation in definitions.iter().flat_map(|one| api::operations(one)) {
            answers.insert(mocks::key(&operation).map_err(Failure::usage)?, Answers::default());
        }
    }
    for mock in list {
        if let Mock::One { operation, output } = mock {
            let answer = Answer { output: Some(output.clone()), ..Answer::default() };
            answers.insert(operation.clone(), Answers::from(answer));
        }
    }
    let mut prepared = Prepared::default();
    prepared.add(&answers).map_err(Failure::usage)?;
    Ok(prepared)
}
