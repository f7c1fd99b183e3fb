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
use super::failure::{CONFLICT, ENDED_BADLY, Failure, Outcome, PARTLY};
use super::output::{Format, tell};
use super::sources::{Source, files_named, is_definition};

const EXAMPLES: &str = "\
Examples:
  gearshift convert claim.scxml > claim.workflow.yaml
  gearshift convert workflow.json --out order.workflow.yaml    the long form, with fromState
  gearshift convert order.workflow.yaml --to scxml
  gearshift convert order@2 --to xstate                        as deployed
  gearshift convert examples/order/order.workflow.yaml --to dot | dot -Tsvg > order.svg
  gearshift convert examples --to scxml --out converted        every definition of a folder

What SCXML has no word for stands in the document as it is written, in the namespace
urn:gearshift:scxml: a conversion back reads it, other tools ignore it. What cannot be said at all
is refused with its place (exit 1). Of a folder the other files are converted (exit 8).";

/// `gearshift convert`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ConvertArgs {
    /// A file, a folder with definitions, or the name of a deployed workflow
    #[arg(value_name = "FILE|FOLDER|WORKFLOW")]
    what: String,
    /// Into what
    #[arg(long, value_enum, default_value_t)]
    to: Into,
    /// How the file is written, where its name does not say so
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Write to this file instead of stdout; into this folder, a file for each that is read
    #[arg(long, value_name = "FILE|FOLDER")]
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

impl Into {
    /// How names of files end.
    const fn extension(self) -> &'static str {
        match self {
            Self::Yaml => "workflow.yaml",
            Self::Json => "workflow.json",
            Self::Scxml => "scxml",
            Self::Xstate => "xstate.json",
            Self::Mermaid => "mmd",
            Self::Dot => "dot",
        }
    }
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

/// Converts a file, a deployed definition, or all definitions of a folder.
pub(super) async fn convert(global: &Global, args: &ConvertArgs) -> Outcome {
    let path = Path::new(&args.what);
    if path.is_dir() {
        return folder(global, path, args);
    }
    let source = if path.exists() || path.extension().is_some() {
        Source::read(path)?
    } else {
        deployed(global, &args.what).await?
    };
    let texts = converted(global, &source, args)?;
    let output = global.out();
    if let Some(out) = args.out.as_deref().filter(|out| out.is_dir()) {
        let written = into_folder(out, &texts, args.to, &[])?;
        output.json(&json!({ "files": written }))?;
        return Ok(0);
    }
    let text = one_text(&source.origin, texts, args.to)?;
    if let Some(out) = &args.out {
        write(out, &text)?;
        output.json(&json!({ "file": out.display().to_string() }))?;
        return Ok(0);
    }
    match output.format {
        Format::Text => output.raw(&text)?,
        Format::Json | Format::Jsonl | Format::None => output.json(&json!({ "text": text }))?,
    }
    Ok(0)
}

/// Converts all definitions below a folder; what cannot be converted hides nothing else.
fn folder(global: &Global, folder: &Path, args: &ConvertArgs) -> Outcome {
    let Some(out) = &args.out else {
        let detail =
            format!("`{}` is a folder, and what comes out needs one too", folder.display());
        return Err(Failure::usage(detail).with_help("name it: `--out FOLDER`"));
    };
    let what = "*.workflow.yaml, *.workflow.json or *.scxml";
    let paths = files_named(&[folder.to_owned()], is_convertible, what)?;
    let (mut written, mut bad) = (Vec::new(), Vec::new());
    for path in &paths {
        let inside = path.parent().and_then(|parent| parent.strip_prefix(folder).ok());
        let place = out.join(inside.unwrap_or_else(|| Path::new("")));
        let done = Source::read(path).and_then(|source| {
            let texts = converted(global, &source, args)?;
            into_folder(&place, &texts, args.to, &written)
        });
        match done {
            Ok(files) => written.extend(files),
            Err(failure) => {
                tell(&format!("error: {}", failure.problem.detail));
                bad.push(path.display().to_string());
            }
        }
    }
    global.out().json(&json!({ "files": written, "failed": bad }))?;
    if bad.is_empty() {
        return Ok(0);
    }
    let (bad, all) = (bad.len(), paths.len());
    let exit = if bad == all { ENDED_BADLY } else { PARTLY };
    Err(Failure::new(exit, format!("{bad} of {all} files cannot be converted")))
}

/// Definitions and documents of SCXML, by their names.
fn is_convertible(path: &Path) -> bool {
    is_definition(path) || path.extension().is_some_and(|end| end == "scxml")
}

/// Writes a file for each text, but over none of those that another source became.
fn into_folder(
    folder: &Path,
    texts: &[(String, String)],
    to: Into,
    before: &[String],
) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::file("cannot make", folder, &error))?;
    let mut written = Vec::new();
    for (name, text) in texts {
        let file = folder.join(format!("{name}.{}", to.extension()));
        let shown = file.display().to_string();
        if before.contains(&shown) {
            let detail = format!("`{shown}` is there already: another file has `{name}` too");
            return Err(Failure::new(CONFLICT, detail));
        }
        write(&file, text)?;
        written.push(shown);
    }
    Ok(written)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| Failure::file("cannot write", file, &error))
}

/// What stands in one file or goes to stdout.
fn one_text(origin: &str, texts: Vec<(String, String)>, to: Into) -> Result<String, Failure> {
    let (names, mut texts): (Vec<_>, Vec<_>) = texts.into_iter().unzip();
    match (to, texts.len()) {
        (Into::Scxml, 2..) => {
            let detail = format!("`{origin}` holds several definitions: {}", names.join(", "));
            let help = "name a folder that exists with `--out`: each becomes a file there";
            Err(Failure::usage(detail).with_help(help))
        }
        (Into::Xstate, 2..) => {
            texts.iter_mut().for_each(|text| text.truncate(text.trim_end().len()));
            Ok(format!("[{}]\n", texts.join(",\n")))
        }
        (Into::Yaml | Into::Json | Into::Scxml | Into::Xstate | Into::Mermaid | Into::Dot, _) => {
            Ok(texts.concat())
        }
    }
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
    if !global.quiet {
        converted.told.iter().for_each(|line| tell(line));
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

/// What a source becomes: the texts, each with the name of its workflow.
fn converted(
    global: &Global,
    source: &Source,
    args: &ConvertArgs,
) -> Result<Vec<(String, String)>, Failure> {
    let source = &read(global, source, args.from)?;
    let Source { origin, text, format, .. } = source;
    let loaded = source.load().map_err(|problems| refused(global, source, &problems))?;
    if args.to == Into::Yaml {
        let names = loaded.iter().map(|one| one.definition.name.to_string());
        let name = names.into_iter().next().unwrap_or_default();
        // What was converted is YAML already, and keeps its layout.
        let yaml = match format {
            Written::Yaml if !text.contains('#') => text.clone(),
            Written::Yaml | Written::Json => to_yaml(text, origin, *format)
                .map_err(|problems| refused(global, source, &problems))?,
        };
        return Ok(vec![(name, yaml)]);
    }
    let from = SourceText { text, origin, format: *format };
    let mut texts = Vec::new();
    for one in &loaded {
        let definition = &one.definition;
        let text = match args.to {
            Into::Yaml | Into::Json => Ok(format!("{}\n", definition.canonical)),
            Into::Scxml => export::scxml(definition, from).map(|document| {
                carried(global, &definition.name, &document.carried);
                document.text
            }),
            Into::Xstate => export::xstate(definition, from),
            Into::Mermaid => Ok(export::mermaid(definition)),
            Into::Dot => Ok(export::dot(definition)),
        };
        let text = text.map_err(|problems| refused(global, source, &problems))?;
        // Two versions of a workflow are two files.
        let same = loaded.iter().filter(|other| other.definition.name == definition.name).count();
        let name = match same {
            1 => definition.name.to_string(),
            _ => format!("{}@{}", definition.name, definition.version),
        };
        texts.push((name, text));
    }
    Ok(texts)
}

/// Says what other tools will not see.
fn carried(global: &Global, workflow: &str, keys: &[String]) {
    if !keys.is_empty() && !global.quiet {
        let keys = keys.join(", ");
        tell(&format!("note: other tools ignore what `{workflow}` says of {keys}"));
    }
}
