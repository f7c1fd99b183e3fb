//! Which engine: the flag, the environment, or the `gearshift dev` started in this folder.

use std::path::{Path, PathBuf};

use gearshift_client::Client;
use serde::{Deserialize, Serialize};

use super::args::Global;
use super::failure::{Failure, USAGE};
use super::output::tell;

/// Where an engine is looked for if nothing says otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:4500";
/// Where a `gearshift dev` says that it runs, below its working directory.
const NOTE: [&str; 2] = [".gearshift", "dev.json"];

/// What a running `gearshift dev` tells later commands in the same folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DevNote {
    /// The address of its HTTP door.
    pub(super) url: String,
    /// The token that the door takes.
    pub(super) token: String,
    /// Its process.
    pub(super) pid: u32,
}

impl DevNote {
    /// Where the note of `folder` is.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(NOTE[0]).join(NOTE[1])
    }

    /// The note in `folder`, if there is one that can be read.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read(Self::path(folder)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves the note in `folder`, for its owner only.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let path = Self::path(folder);
        create_private_dir(&folder.join(NOTE[0]))?;
        write_private(&path, &serde_json::to_vec(self)?)
    }

    /// Takes this note back; one that another process left stays.
    pub(super) fn remove(&self, folder: &Path) {
        if Self::read(folder).as_ref() == Some(self) {
            // Somebody may have been faster; then it is gone as well.
            drop(std::fs::remove_file(Self::path(folder)));
        }
    }
}

/// Makes a directory that only its owner can look into.
pub(super) fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => match path.is_dir() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::NotADirectory.into()),
        },
        made => made,
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write;

    let beside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&beside, path)).inspect_err(|_| {
        // Nothing half made stays behind.
        drop(std::fs::remove_file(&beside));
    })
}

/// An address and a token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    url: String,
    token: String,
}

/// The way to the engine that the flags, the environment or this folder name.
pub(super) fn client(global: &Global) -> Result<Client, Failure> {
    let note = std::env::current_dir().ok().and_then(|folder| DevNote::read(&folder));
    let target = choose(global, note)?;
    if target.url.starts_with("nats://") || target.url.starts_with("tls://") {
        return Err(Failure::new(
            USAGE,
            format!(
                "`{}`: engines are reached over HTTP; NATS comes with the next release",
                target.url
            ),
        )
        .with_help("name the HTTP door, such as `--server http://127.0.0.1:4500`"));
    }
    let client = Client::http(&target.url, &target.token)?;
    let client = client.as_user(&user(global)).with_timeout(global.timeout);
    Ok(client)
}

/// In whose name commands are given.
pub(super) fn user(global: &Global) -> String {
    let login = || std::env::var("USER").ok();
    let given = global.user.clone().or_else(login).filter(|user| !user.is_empty());
    given.unwrap_or_else(|| "local".to_owned())
}

/// A token of the folder's engine is given to that engine only.
fn choose(global: &Global, note: Option<DevNote>) -> Result<Target, Failure> {
    let given = token(global)?;
    let url = match (&global.server, &note) {
        (Some(server), _) => server.trim_end_matches('/').to_owned(),
        (None, Some(note)) => note.url.clone(),
        (None, None) => DEFAULT_SERVER.to_owned(),
    };
    let noted = note.filter(|note| note.url == url).map(|note| note.token);
    Ok(Target { url, token: given.or(noted).unwrap_or_default() })
}

/// The token given by flag, environment or file.
pub(super) fn token(global: &Global) -> Result<Option<String>, Failure> {
    if let Some(token) = &global.token {
        if token.trim().is_empty() {
            return Err(Failure::usage("the token is empty"));
        }
        return Ok(Some(token.trim().to_owned()));
    }
    let Some(path) = &global.token_file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::file("cannot read the token file", path, &error))?;
    warn_if_open(path);
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("token file `{}` is empty", path.display())));
    }
    Ok(Some(token.to_owned()))
}

fn warn_if_open(path: &Path) {
    #[cfg(unix)]
    if let Ok(about) = std::fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0
    {
        tell(&format!("warning: others can read the token file `{}`", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    fn global(line: &str) -> Global {
        Cli::try_parse_from(line.split(' ')).unwrap().global
    }

    fn note() -> DevNote {
        DevNote { url: "http://127.0.0.1:9".to_owned(), token: "secret".to_owned(), pid: 1 }
    }

    fn chosen(line: &str, note: Option<DevNote>) -> (String, String) {
        let target = choose(&global(line), note).unwrap();
        (target.url, target.token)
    }

    #[test]
    fn the_flag_wins_over_the_folder_and_the_folder_over_the_default() {
        let own = |url: &str, token: &str| (url.to_owned(), token.to_owned());
        let ls = "gearshift ls";
        assert_eq!(chosen(ls, Some(note())), own("http://127.0.0.1:9", "secret"));
        assert_eq!(chosen(ls, None), own(DEFAULT_SERVER, ""));
        let flagged = "gearshift ls --token t";
        assert_eq!(chosen(flagged, Some(note())), own("http://127.0.0.1:9", "t"));
    }

    #[test]
    fn a_folders_token_goes_to_no_other_server() {
        let line = "gearshift ls -s http://elsewhere:1/";
        let target = chosen(line, Some(note()));
        assert_eq!(target, ("http://elsewhere:1".to_owned(), String::new()));
    }

    #[test]
    fn nats_is_told_to_come_later() {
        let failure = client(&global("gearshift ls -s nats://localhost:4222")).unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(failure.problem.detail.contains("next release"), "{}", failure.problem.detail);
    }

    #[cfg(unix)]
    #[test]
    fn a_note_is_its_owners_and_goes_with_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        note().write(folder.path()).unwrap();
        let path = DevNote::path(folder.path());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(DevNote::read(folder.path()), Some(note()));
        DevNote { pid: 2, ..note() }.remove(folder.path());
        assert!(path.exists(), "another process's note stays");
        note().remove(folder.path());
        assert!(!path.exists());
    }

    #[test]
    fn c8_a_token_file_is_trimmed_and_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let line = format!("gearshift ls --token-file {}", path.display());
        assert_eq!(token(&global(&line)).unwrap_err().exit, 3);
        std::fs::write(&path, "  abc\n").unwrap();
        assert_eq!(token(&global(&line)).unwrap().as_deref(), Some("abc"));
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(token(&global(&line)).unwrap_err().exit, 2);
    }
}
