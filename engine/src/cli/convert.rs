//! `convert`: SCXML and the long form become definitions; definitions become SCXML, XState,
//! Mermaid and DOT.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gearshift_machine::convert::{from_long_form, from_scxml, is_long_form, to_yaml};
use gearshift_machine::definition::export::{self, SourceText};
use gearshift_machine::definition::{Format as Written, Problem};
use serde_json::json;

use super::args::Global;
use super::connect;
use super::drive::name_and_version;
use super::failure::{ENDED_BADLY, Failure, Outcome};
use super::output::{Format, tell};
use super::sources::Source;

const EXAMPLES: &str = "\
Examples:
  gearshift convert claim.scxml > claim.workflow.yaml
  gearshift convert workflow.json --out order.workflow.yaml    the long form, with fromState
  gearshift convert order.workflow.yaml --to scxml
  gearshift convert order@2 --to xstate                        as deployed
  gearshift convert examples/order/order.workflow.yaml --to dot | dot -Tsvg > order.svg

What has no equivalent is refused with its place, instead of being left out (exit 1).";

/// `gearshift convert`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConvertArgs {
    /// A file, or the name of a deployed workflow
    #[arg(value_name = "FILE|WORKFLOW")]
    what: String,
    /// Into what
    #[arg(long, value_enum, default_value_t)]
    to: Into,
    /// How the file is written, where its name does not say so
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Write to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What comes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Into {
    /// Definitions in YAML.
    #[default]
    Yaml,
    /// Definitions in JSON, as they are stored.
    Json,
    /// W3C SCXML, its expressions in CEL.
    Scxml,
    /// The JSON of an XState 5 machine.
    Xstate,
    /// Mermaid stateDiagram-v2.
    Mermaid,
    /// Graphviz.
    Dot,
}

/// What goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum From {
    /// W3C SCXML.
    Scxml,
    /// `transitions: [{ fromState, toState, triggerEvent, … }]`.
    Long,
    /// A definition.
    Definition,
}

/// Converts one file or deployed definition.
pub(super) async fn convert(global: &Global, args: &ConvertArgs) -> Outcome {
    let path = Path::new(&args.what);
    let source = if path.exists() || path.extension().is_some() {
        Source::read(path)?
    } else {
        deployed(global, &args.what).await?
    };
    let definitions = read(global, &source, args.from)?;
    let text = written(global, &definitions, args.to)?;
    let output = global.out();
    if let Some(out) = &args.out {
        std::fs::write(out, &text).map_err(|error| Failure::file("cannot write", out, &error))?;
        output.json(&json!({ "file": out.display().to_string() }))?;
        return Ok(0);
    }
    match output.format {
        Format::Text => output.raw(&text)?,
        Format::Json | Format::Jsonl | Format::None => output.json(&json!({ "text": text }))?,
    }
    Ok(0)
}

async fn deployed(global: &Global, what: &str) -> Result<Source, Failure> {
    let (name, version) = name_and_version(what)?;
    let detail = connect::client(global).await?.definition(&name, version).await?;
    let origin = format!("{}@{}", detail.summary.name, detail.summary.version);
    let (path, text) = (PathBuf::from(&origin), detail.text);
    Ok(Source { path, origin, text, format: Written::Json })
}

/// The definitions of a source, whatever it is written in.
fn read(global: &Global, source: &Source, from: Option<From>) -> Result<Source, Failure> {
    let Source { path, origin, text, format } = source;
    let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let from = from.unwrap_or_else(|| match extension {
        "scxml" | "xml" | "txml" => From::Scxml,
        _ if is_long_form(text, *format) => From::Long,
        _ => From::Definition,
    });
    let made = match from {
        From::Definition => {
            return Ok(Source {
                path: path.clone(),
                origin: origin.clone(),
                text: text.clone(),
                format: *format,
            });
        }
        From::Scxml => from_scxml(text, origin).map(|converted| (converted, Vec::new())),
        From::Long => from_long_form(text, origin, *format),
    };
    let (converted, warnings) = made.map_err(|problems| refused(global, source, &problems))?;
    if !warnings.is_empty() && !global.quiet {
        tell(source.render(&warnings, global.stderr_look().color).trim_end());
    }
    let (path, origin, text) = (path.clone(), origin.clone(), converted.yaml);
    Ok(Source { path, origin, text, format: Written::Yaml })
}

/// Shows what is refused.
fn refused(global: &Global, source: &Source, problems: &[Problem]) -> Failure {
    tell(source.render(problems, global.stderr_look().color).trim_end());
    let detail = format!("`{}` cannot be converted", source.origin);
    let mut failure = Failure::invalid(detail, problems);
    failure.exit = ENDED_BADLY;
    failure
}

fn written(global: &Global, source: &Source, to: Into) -> Result<String, Failure> {
    let Source { origin, text, format, .. } = source;
    if to == Into::Yaml {
        // What was converted is YAML already, and keeps its layout.
        return match format {
            Written::Yaml if source.load().is_ok() && !text.contains('#') => Ok(text.clone()),
            Written::Yaml | Written::Json => {
                to_yaml(text, origin, *format).map_err(|found| refused(global, source, &found))
            }
        };
    }
    let loaded = source.load().map_err(|problems| refused(global, source, &problems))?;
    let from = SourceText { text, origin, format: *format };
    let mut texts = Vec::new();
    for one in &loaded {
        let definition = &one.definition;
        texts.push(match to {
            Into::Yaml | Into::Json => format!("{}\n", definition.canonical),
            Into::Scxml => export::scxml(definition, from)
                .map_err(|problems| refused(global, source, &problems))?,
            Into::Xstate => export::xstate(definition, from)
                .map_err(|problems| refused(global, source, &problems))?,
            Into::Mermaid => export::mermaid(definition),
            Into::Dot => export::dot(definition),
        });
    }
    let one_document = matches!(to, Into::Scxml | Into::Xstate);
    if one_document && texts.len() > 1 {
        let names: Vec<_> = loaded.iter().map(|one| one.definition.name.to_string()).collect();
        let detail = format!("`{origin}` holds several definitions: {}", names.join(", "));
        return Err(Failure::usage(detail).with_help("give each of them a file of its own"));
    }
    Ok(texts.concat())
}
