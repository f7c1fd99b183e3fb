//! Definition files: finding them in folders, reading them, and showing what is wrong with them.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use gearshift_machine::definition::{Child, Format, Loaded, Problem};

use super::failure::{Failure, NOT_FOUND, USAGE};
use crate::runtime::load_all;

/// How deep folders are searched.
const DEPTH_MAX: usize = 16;
/// Files taken from one folder at most.
const FILES_MAX: usize = 10_000;
/// The largest file read, in bytes: beyond what a definition may have (01 §10), so that the
/// loader itself can say so, and far below what would hurt.
const FILE_MAX: u64 = 4 * 1_024 * 1_024;

/// One definition file as it was read.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What diagnostics call it.
    pub(super) origin: String,
    /// What is in it.
    pub(super) text: String,
    /// How it is written.
    pub(super) format: Format,
}

/// Is this the name of a definition file: `*.workflow.yaml`, `.yml` or `.json`?
pub(super) fn is_definition(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".workflow.yaml", ".workflow.yml", ".workflow.json"].iter().any(|end| name.ends_with(end))
}

/// Is this the name of a scenario file: `*.test.yaml` or `.yml`?
pub(super) fn is_scenario(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".test.yaml", ".test.yml"].iter().any(|end| name.ends_with(end))
}

/// What files are looked for, by their names.
type Wanted = fn(&Path) -> bool;

impl Source {
    /// Reads one file, or stdin where it is `-`: YAML, and so JSON too.
    pub(super) fn read_or_stdin(path: &Path) -> Result<Self, Failure> {
        if path != Path::new("-") {
            return Self::read(path);
        }
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(FILE_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|error| Failure::file("cannot read", path, &error))?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > FILE_MAX {
            let told = format!("what stdin gives exceeds the limit of {FILE_MAX} bytes");
            return Err(Failure::new(USAGE, told));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::invalid(format!("stdin is not UTF-8 at byte {at}"), &[])
        })?;
        let (path, origin) = (path.to_owned(), "stdin".to_owned());
        Ok(Self { path, origin, text, format: Format::Yaml })
    }

    /// Reads one file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &std::io::Error| Failure::file("cannot read", path, error);
        let about = std::fs::metadata(path).map_err(|error| failed(&error))?;
        if about.len() > FILE_MAX {
            return Err(Failure::new(
                USAGE,
                format!(
                    "`{}` of {} bytes exceeds the limit of {FILE_MAX} bytes",
                    path.display(),
                    about.len()
                ),
            ));
        }
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Failure::invalid(format!("`{}` is not UTF-8 at byte {at}", path.display()), &[])
        })?;
        let origin = path.display().to_string();
        let format = Format::of(&origin);
        Ok(Self { path: path.to_owned(), origin, text, format })
    }

    /// Every definition in it, or every problem.
    pub(super) fn load(&self) -> Result<Vec<Loaded>, Vec<Problem>> {
        load_all(&self.text, &self.origin, self.format)
    }

    /// Problems as rustc shows them.
    pub(super) fn render(&self, problems: &[Problem], color: bool) -> String {
        let shown = problems.iter().map(|problem| problem.render(&self.text, color));
        shown.collect::<Vec<_>>().join("\n")
    }

    /// The folder it is in.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
    }
}

/// Which workflows and versions files hold, for children that are looked up by name.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeSet<(String, u32)>);

impl Known {
    /// What was `loaded`.
    pub(super) fn of<'l>(loaded: impl Iterator<Item = &'l Loaded>) -> Self {
        let name = |one: &Loaded| (one.definition.name.to_string(), one.definition.version);
        Self(loaded.map(name).collect())
    }

    /// The children of `loaded` whose workflows are in no file.
    pub(super) fn missing<'l>(&self, loaded: &'l Loaded) -> impl Iterator<Item = &'l Child> {
        let is_here = |child: &Child| self.0.iter().any(|(name, version)| child.is(name, *version));
        loaded.children.iter().filter(move |child| !is_here(child))
    }
}

/// The files that `paths` name: files as they are, folders with all definitions below them.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    files_named(paths, is_definition, "*.workflow.yaml or *.workflow.json")
}

/// The files that `paths` name: files as they are, folders with all that are wanted below them.
pub(super) fn files_named(
    paths: &[PathBuf],
    wanted: Wanted,
    what: &str,
) -> Result<Vec<PathBuf>, Failure> {
    let mut list = Vec::new();
    for path in paths {
        let about =
            std::fs::metadata(path).map_err(|error| Failure::file("cannot read", path, &error))?;
        if !about.is_dir() {
            list.push(path.clone());
            continue;
        }
        let before = list.len();
        below(path, DEPTH_MAX, wanted, &mut list)?;
        if list.len() == before {
            return Err(Failure::new(NOT_FOUND, format!("`{}` holds no {what}", path.display())));
        }
    }
    Ok(list)
}

/// All wanted files below `folder`, by name; hidden folders, `target` and `node_modules` are left
/// out, and links to folders are not followed.
fn below(
    folder: &Path,
    depth: usize,
    wanted: Wanted,
    list: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("cannot read", folder, error);
    let entries = std::fs::read_dir(folder).map_err(|error| failed(&error))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        if kind.is_dir() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let skipped = name.starts_with('.') || name == "target" || name == "node_modules";
            if !skipped && depth > 0 {
                below(&path, depth - 1, wanted, list)?;
            }
        } else if wanted(&path) {
            if list.len() >= FILES_MAX {
                return Err(Failure::usage(format!(
                    "`{}` holds more than the limit of {FILES_MAX} files",
                    folder.display()
                )));
            }
            list.push(path);
        }
    }
    Ok(())
}

/// All definition files below `folder`.
pub(super) fn all_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut list = Vec::new();
    below(folder, DEPTH_MAX, is_definition, &mut list)?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_searched_by_name_without_hidden_ones() {
        let root = tempfile::tempdir().unwrap();
        for path in ["b/x.workflow.yaml", "a.workflow.json", ".git/y.workflow.yaml", "c/notes.yaml"]
        {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = files(&[root.path().to_owned()]).unwrap();
        let names: Vec<_> =
            found.iter().map(|path| path.strip_prefix(root.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [Path::new("a.workflow.json"), Path::new("b/x.workflow.yaml")]);
        assert_eq!(files(&[root.path().join("c")]).unwrap_err().exit, 3);
        assert_eq!(files(&[root.path().join("none")]).unwrap_err().exit, 3);
    }
}
