//! Which engine: a flag, the environment, a NATS context, or the `gearshift dev` started in this
//! folder.

use std::path::{Path, PathBuf};

use gearshift_bus::Bus;
use gearshift_client::Client;
use serde::{Deserialize, Serialize};

use super::args::Global;
use super::contexts::{Context, Contexts};
use super::failure::Failure;
use super::joining::unusable;
use super::login::{NatsTarget, is_nats, shown, warn_if_open};
use super::traced::in_trace;

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
    /// The NATS server it stands on, without a login; none where it is embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) nats: Option<String>,
    /// The monitoring of that server, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) monitor: Option<String>,
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

/// Where commands go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// To an engine's HTTP door.
    Http { url: String, token: String },
    /// To the engines behind NATS servers.
    Nats(Box<NatsTarget>),
}

/// The way to the engine that the flags, the environment, a context or this folder name.
pub(super) async fn client(global: &Global) -> Result<Client, Failure> {
    let (client, login) = match chosen(global)? {
        Target::Http { url, token } => (Client::http(&url, &token)?, None),
        Target::Nats(mut target) => {
            let options = &mut target.options;
            options.connect_timeout = options.connect_timeout.min(global.timeout);
            let bus = Bus::connect(options).await.map_err(|error| unusable(&target, &error))?;
            (Client::bus(bus), target.user)
        }
    };
    // Servers that know us by name let us command in this name only.
    let user = match (&global.user, login) {
        (None, Some(login)) => login,
        (Some(_) | None, _) => user(global),
    };
    Ok(in_trace(client.as_user(&user).with_timeout(global.timeout)))
}

/// Where the commands of this process go.
pub(super) fn chosen(global: &Global) -> Result<Target, Failure> {
    let note = std::env::current_dir().ok().and_then(|folder| DevNote::read(&folder));
    choose(global, &Surroundings::of_process(note))
}

/// The NATS servers that `given`, or else a context, names; and who we are there.
pub(super) fn nats_target(global: &Global, given: Option<&str>) -> Result<NatsTarget, Failure> {
    let around = Surroundings::of_process(None);
    let context = around.named_context(global)?;
    let url = given.map(str::to_owned).or_else(|| url_of(context.as_ref()));
    match (url, context) {
        (Some(url), context) => around.target(global, &url, context.as_ref()),
        (None, _) => match around.by_default()? {
            Some((url, context)) => around.target(global, &url, context.as_ref()),
            None => Err(Failure::usage("no NATS server is named")
                .with_help("add `--nats nats://HOST:4222`, or `--context NAME`")),
        },
    }
}

/// The NATS servers that a command looks at, and their monitoring where it is known: those given,
/// else where commands would go.
pub(super) fn nats_to_look_at(
    global: &Global,
    given: Option<&str>,
) -> Result<(NatsTarget, Option<String>), Failure> {
    let note = std::env::current_dir().ok().and_then(|folder| DevNote::read(&folder));
    let around = Surroundings::of_process(note);
    let named = around.named_context(global)?;
    let server = || global.server.clone().filter(|server| is_nats(server));
    if let Some(url) = given.map(str::to_owned).or_else(server) {
        return Ok((around.target(global, &url, named.as_ref())?, None));
    }
    let noted = around.note.clone().and_then(|note| Some((note.nats?, note.monitor)));
    match (named, noted) {
        (None, Some((url, monitor))) => Ok((around.target(global, &url, None)?, monitor)),
        (Some(_) | None, _) => Ok((nats_target(global, None)?, None)),
    }
}

/// In whose name commands are given.
pub(super) fn user(global: &Global) -> String {
    let login = || std::env::var("USER").ok();
    let given = global.user.clone().or_else(login).filter(|user| !user.is_empty());
    given.unwrap_or_else(|| "local".to_owned())
}

/// What stands around a command: variables of the `nats` command line, its contexts, the note of
/// this folder.
#[derive(Clone, Debug)]
struct Surroundings {
    /// `NATS_CONTEXT`.
    context: Option<String>,
    /// `NATS_URL`.
    url: Option<String>,
    /// `NATS_CREDS` and the like.
    login: Context,
    contexts: Contexts,
    note: Option<DevNote>,
}

impl Surroundings {
    fn of_process(note: Option<DevNote>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (context, url) = (variable("NATS_CONTEXT"), variable("NATS_URL"));
        let login = Context::of_variables(variable);
        Self { context, url, login, contexts: Contexts::of_user(), note }
    }

    /// The way to `servers`: who we are is said by flags, else by a context, else by variables.
    fn target(
        &self,
        global: &Global,
        servers: &str,
        context: Option<&Context>,
    ) -> Result<NatsTarget, Failure> {
        global.nats.target(servers, context.or(Some(&self.login)))
    }

    /// The context that a flag or a variable names.
    fn named_context(&self, global: &Global) -> Result<Option<Context>, Failure> {
        let name = global.nats.context.as_ref().or(self.context.as_ref());
        name.map(|name| self.contexts.read(name)).transpose()
    }

    /// `NATS_URL`, else the context that is selected.
    fn by_default(&self) -> Result<Option<(String, Option<Context>)>, Failure> {
        if let Some(url) = &self.url {
            return Ok(Some((url.clone(), None)));
        }
        let Some(name) = self.contexts.selected() else { return Ok(None) };
        let context = self.contexts.read(&name)?;
        Ok(url_of(Some(&context)).map(|url| (url, Some(context))))
    }
}

fn url_of(context: Option<&Context>) -> Option<String> {
    context.map(|context| context.url.clone()).filter(|url| !url.is_empty())
}

/// What is named wins: address, then context. The engine of this folder is nearer than the context
/// that happens to be selected. A token of the folder's engine is given to that engine only, and a
/// selected context's login to its own servers only.
fn choose(global: &Global, around: &Surroundings) -> Result<Target, Failure> {
    let context = around.named_context(global)?;
    let named = global.server.clone().or_else(|| url_of(context.as_ref()));
    let nats = |url: &str, context: Option<&Context>| {
        Ok(Target::Nats(Box::new(around.target(global, url, context)?)))
    };
    let url = match (named, &around.note) {
        (Some(url), _) if is_nats(&url) => return nats(&url, context.as_ref()),
        (Some(url), _) if !is_http(&url) => {
            return Err(Failure::usage(format!(
                "`{}` starts with none of `http://`, `nats://` and `tls://`",
                shown(&url)
            )));
        }
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(note)) => note.url.clone(),
        (None, None) => match around.by_default()? {
            Some((url, context)) => return nats(&url, context.as_ref()),
            None => DEFAULT_SERVER.to_owned(),
        },
    };
    let noted = around.note.as_ref().filter(|note| note.url == url).map(|note| &note.token);
    let token = token(global)?.or_else(|| noted.cloned()).unwrap_or_default();
    Ok(Target::Http { url, token })
}

/// Is this the address of an HTTP door?
fn is_http(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
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
    warn_if_open(path, "token file");
    let token = text.trim();
    if token.is_empty() {
        return Err(Failure::usage(format!("token file `{}` is empty", path.display())));
    }
    Ok(Some(token.to_owned()))
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
        DevNote {
            url: "http://127.0.0.1:9".to_owned(),
            token: "secret".to_owned(),
            pid: 1,
            nats: None,
            monitor: None,
        }
    }

    fn around(note: Option<DevNote>) -> Surroundings {
        let contexts = Contexts::below(Path::new("/nowhere"));
        Surroundings { context: None, url: None, login: Context::default(), contexts, note }
    }

    fn chosen(line: &str, around: &Surroundings) -> (String, String) {
        match choose(&global(line), around).unwrap() {
            Target::Http { url, token } => (url, token),
            Target::Nats(target) => (target.shown(), target.user.unwrap_or_default()),
        }
    }

    fn own(url: &str, token: &str) -> (String, String) {
        (url.to_owned(), token.to_owned())
    }

    #[test]
    fn the_flag_wins_over_the_folder_and_the_folder_over_the_default() {
        let ls = "gearshift ls";
        assert_eq!(chosen(ls, &around(Some(note()))), own("http://127.0.0.1:9", "secret"));
        assert_eq!(chosen(ls, &around(None)), own(DEFAULT_SERVER, ""));
        let flagged = "gearshift ls --token t";
        assert_eq!(chosen(flagged, &around(Some(note()))), own("http://127.0.0.1:9", "t"));
    }

    #[test]
    fn a_folders_token_goes_to_no_other_server() {
        let line = "gearshift ls -s http://elsewhere:1/";
        let target = chosen(line, &around(Some(note())));
        assert_eq!(target, ("http://elsewhere:1".to_owned(), String::new()));
    }

    #[test]
    fn a_named_context_wins_over_the_folder_and_the_folder_over_the_selected_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("context")).unwrap();
        for name in ["ops", "far"] {
            let text = format!(r#"{{"url": "nats://{name}:4222", "user": "ann"}}"#);
            let path = folder.path().join("context").join(format!("{name}.json"));
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(folder.path().join("context.txt"), "ops").unwrap();
        let contexts = Contexts::below(folder.path());
        let bare = Surroundings { contexts, ..around(None) };
        let noted = Surroundings { note: Some(note()), ..bare.clone() };
        let ls = "gearshift ls";
        assert_eq!(chosen(ls, &bare), own("nats://ops:4222", "ann"));
        assert_eq!(chosen(ls, &noted), own("http://127.0.0.1:9", "secret"));
        let named = "gearshift ls --context far";
        assert_eq!(chosen(named, &noted), own("nats://far:4222", "ann"));
        let by_variable = Surroundings { context: Some("far".to_owned()), ..noted.clone() };
        assert_eq!(chosen(ls, &by_variable), own("nats://far:4222", "ann"));
        // An address wins over all; the login of a context that was not named stays at home.
        let addressed = "gearshift ls -s nats://x:1,tls://y:2";
        assert_eq!(chosen(addressed, &bare), own("nats://x:1,tls://y:2", ""));
        let both = "gearshift ls -s nats://x:1 --context far";
        assert_eq!(chosen(both, &bare), own("nats://x:1", "ann"));
        let plain = Surroundings { url: Some("nats://n:1".to_owned()), ..bare };
        assert_eq!(chosen(ls, &plain), own("nats://n:1", ""));
        assert_eq!(choose(&global("gearshift ls --context no"), &plain).unwrap_err().exit, 2);
        // Variables of `nats` say who we are, unless a flag or a context does.
        let says = |name: &str| (name == "NATS_USER").then(|| "eve".to_owned());
        let known = Surroundings { login: Context::of_variables(says), ..plain };
        assert_eq!(chosen(ls, &known), own("nats://n:1", "eve"));
        assert_eq!(chosen(named, &known), own("nats://far:4222", "ann"));
        let flagged = "gearshift ls --nats-user bob";
        assert_eq!(chosen(flagged, &known), own("nats://n:1", "bob"));
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
