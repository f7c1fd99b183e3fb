//! `graph`: a definition as a drawing, from a file or from an engine.

use std::path::Path;

use clap::{Args, ValueEnum};
use gearshift_client::protocol::query::{Graph, GraphFormat};
use gearshift_machine::definition::{Loaded, export};
use serde_json::json;

use super::args::Global;
use super::connect;
use super::drive::name_and_version;
use super::failure::{Failure, NOT_FOUND, Outcome};
use super::output::{Format, tell};
use super::sources::{Source, files, is_definition};

const EXAMPLES: &str = "\
Examples:
  gearshift graph order.workflow.yaml             a file, without an engine
  gearshift graph order@2                         as deployed
  gearshift graph order --format dot | dot -Tsvg > order.svg";

/// `gearshift graph`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct GraphArgs {
    /// A definition file, a folder with one, or the name of a deployed workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    what: String,
    /// In which language
    #[arg(long, value_enum, default_value_t)]
    format: Language,
}

/// Languages of drawings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Language {
    /// Mermaid stateDiagram-v2.
    #[default]
    Mermaid,
    /// Graphviz.
    Dot,
}

/// Draws a definition.
pub(super) async fn graph(global: &Global, args: &GraphArgs) -> Outcome {
    let path = Path::new(&args.what);
    let drawings = if path.exists() || is_definition(path) {
        drawn_here(global, path, args.format)?
    } else {
        let (name, version) = name_and_version(&args.what)?;
        let format = match args.format {
            Language::Mermaid => GraphFormat::Mermaid,
            Language::Dot => GraphFormat::Dot,
        };
        vec![connect::client(global).await?.graph(&Graph { name, version, format }).await?]
    };
    let output = global.out();
    for text in &drawings {
        match output.format {
            Format::Text => output.raw(text)?,
            Format::Json | Format::Jsonl | Format::None => output.json(&json!({ "text": text }))?,
        }
    }
    Ok(0)
}

fn drawn_here(global: &Global, path: &Path, language: Language) -> Result<Vec<String>, Failure> {
    let mut drawings = Vec::new();
    for file in files(&[path.to_owned()])? {
        let source = Source::read(&file)?;
        let loaded = source.load().map_err(|problems| {
            tell(source.render(&problems, global.stderr_look().color).trim_end());
            Failure::invalid(format!("`{}` has errors", source.origin), &problems)
        })?;
        let draw = |one: &Loaded| match language {
            Language::Mermaid => export::mermaid(&one.definition),
            Language::Dot => export::dot(&one.definition),
        };
        drawings.extend(loaded.iter().map(draw));
    }
    if drawings.is_empty() {
        return Err(Failure::new(NOT_FOUND, format!("`{}` holds no definition", path.display())));
    }
    Ok(drawings)
}
