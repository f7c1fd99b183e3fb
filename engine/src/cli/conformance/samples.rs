//! [`Samples`]: inputs that operations may really be called with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_protocol::OperationRef;
use serde_json::Value;

use super::super::data::DataArgs;
use super::super::failure::{Failure, NOT_FOUND};

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
    /// Reads what the command line names; `operations` are those that the plugin has.
    ///
    /// # Errors
    /// What is named is not there, or contradicts itself.
    pub(super) fn read(
        args: &SampleArgs,
        wanted: &OperationRef,
        operations: &[&str],
    ) -> Result<Self, Failure> {
        let named = Some(wanted.operation.clone()).filter(|named| !named.is_empty());
        let only = match (named, args.operation.clone()) {
            (Some(named), Some(only)) if named != only => {
                let what = format!("`{named}` stands behind the name, and `--operation {only}`");
                return Err(Failure::usage(what).with_help("name one of them"));
            }
            (named, only) => named.or(only),
        };
        // As where it is called by hand.
        if let Some(only) = &only
            && let Some(help) = unknown(only, operations)
        {
            let what = format!("plugin `{}` has no operation `{only}`", wanted.plugin);
            return Err(Failure::new(NOT_FOUND, what).with_help(help));
        }
        let mut inputs = match &args.samples {
            Some(file) => from_file(file)?,
            None => BTreeMap::new(),
        };
        for name in inputs.keys() {
            if let Some(help) = unknown(name, operations) {
                let what = format!("there is a sample for `{name}`, which is no operation of it");
                return Err(Failure::usage(what).with_help(help));
            }
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

/// What there is, where there is no such operation.
fn unknown(name: &str, operations: &[&str]) -> Option<String> {
    (!operations.contains(&name)).then(|| format!("it has: {}", operations.join(", ")))
}

fn from_file(file: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::file("cannot read", file, &error))?;
    serde_saphyr::from_str(&text).map_err(|error| {
        let shown = file.display();
        Failure::usage(format!("`{shown}` is not a map of operations to inputs: {error}"))
    })
}
