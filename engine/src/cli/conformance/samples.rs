//! [`Samples`]: inputs that operations may really be called with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::data::DataArgs;
use super::super::failure::Failure;

/// Where inputs come from.
#[derive(Clone, Debug, Args)]
pub(super) struct SampleArgs {
    /// Check this operation only
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    #[command(flatten)]
    data: DataArgs,
    /// A YAML or JSON file with one input per operation: `validate_document: {title: x}`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["members", "whole"])]
    samples: Option<PathBuf>,
}

/// Inputs by operation.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Only this operation is looked at.
    pub(super) only: Option<String>,
    inputs: BTreeMap<String, Value>,
}

impl Samples {
    /// Reads what the command line names; `named` is the operation behind the plugin's name, and
    /// `operations` are those that the plugin has.
    pub(super) fn read(
        args: &SampleArgs,
        named: &str,
        operations: &[&str],
    ) -> Result<Self, Failure> {
        let named = (!named.is_empty()).then(|| named.to_owned());
        let only = match (named, args.operation.clone()) {
            (Some(named), Some(only)) if named != only => {
                let what = format!("`{named}` stands behind the name, and `--operation {only}`");
                return Err(Failure::usage(what).with_help("name one of them"));
            }
            (named, only) => named.or(only),
        };
        if let Some(only) = &only {
            known(only, operations)?;
        }
        let mut inputs = match &args.samples {
            Some(file) => from_file(file)?,
            None => BTreeMap::new(),
        };
        for name in inputs.keys() {
            known(name, operations)?;
        }
        if args.data.is_given() {
            let name = match (&only, operations) {
                (Some(name), _) => name.clone(),
                (None, [one]) => (*one).to_owned(),
                (None, _) => {
                    return Err(Failure::usage("data is given, but not for which operation")
                        .with_help("add `--operation NAME`, or write `--samples FILE`"));
                }
            };
            inputs.insert(name, args.data.object()?);
        }
        Ok(Self { only, inputs })
    }

    /// The input for an operation.
    pub(super) fn of(&self, operation: &str) -> Option<&Value> {
        self.inputs.get(operation)
    }
}

fn known(name: &str, operations: &[&str]) -> Result<(), Failure> {
    if operations.contains(&name) {
        return Ok(());
    }
    Err(Failure::usage(format!("the plugin has no operation `{name}`"))
        .with_help(format!("it has: {}", operations.join(", "))))
}

fn from_file(file: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::file("cannot read", file, &error))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        let shown = file.display();
        Failure::usage(format!("`{shown}` is not a map of operations to inputs: {error}"))
    })
}
