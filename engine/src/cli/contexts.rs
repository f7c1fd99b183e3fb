//! The contexts of the `nats` command line: connections that somebody has set up already.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::failure::{Failure, USAGE};

/// One context: `nats/context/NAME.json` below the configuration folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    /// Servers, separated by commas.
    pub(super) url: String,
    /// A user's name.
    pub(super) user: String,
    /// The user's password.
    pub(super) password: String,
    /// A token.
    pub(super) token: String,
    /// A credentials file.
    pub(super) creds: String,
    /// A file with an nkey seed.
    pub(super) nkey: String,
    /// A client certificate.
    pub(super) cert: String,
    /// Its key.
    pub(super) key: String,
    /// Authorities that are trusted.
    pub(super) ca: String,
    /// Where replies arrive.
    pub(super) inbox_prefix: String,
    /// Whether the TLS handshake comes first.
    pub(super) tls_first: bool,
    /// A reference to the `nsc` tool, which we do not ask.
    pub(super) nsc: String,
}

impl Context {
    /// The login that the variables of the `nats` command line say, at whichever servers.
    pub(super) fn of_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).unwrap_or_default();
        Self {
            user: text("NATS_USER"),
            password: text("NATS_PASSWORD"),
            creds: text("NATS_CREDS"),
            nkey: text("NATS_NKEY"),
            cert: text("NATS_CERT"),
            key: text("NATS_KEY"),
            ca: text("NATS_CA"),
            ..Self::default()
        }
    }
}

/// Where contexts are kept.
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    /// `nats` below the user's configuration folder; none where there is no home.
    folder: Option<PathBuf>,
}

impl Contexts {
    /// Those of whoever runs this process.
    pub(super) fn of_user() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let own = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        Self { folder: own.or_else(home).map(|folder| folder.join("nats")) }
    }

    /// Those below this folder.
    #[cfg(test)]
    pub(super) fn below(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// The one that `nats context select` has selected.
    pub(super) fn selected(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.folder.as_ref()?.join("context.txt")).ok()?;
        let name = text.trim();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// Reads a context.
    pub(super) fn read(&self, name: &str) -> Result<Context, Failure> {
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Failure::usage(format!("`{name}` is not the name of a NATS context")));
        }
        let Some(folder) = &self.folder else {
            return Err(Failure::usage(format!("no NATS context `{name}`: HOME is not set")));
        };
        let path = folder.join("context").join(format!("{name}.json"));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.unknown(name, &path));
            }
            Err(error) => return Err(Failure::file("cannot read the NATS context", &path, &error)),
        };
        let context: Context = serde_json::from_str(&text).map_err(|error| {
            Failure::new(USAGE, format!("NATS context `{}` is malformed: {error}", path.display()))
        })?;
        if !context.nsc.is_empty() && context.creds.is_empty() {
            let problem = format!("NATS context `{name}` logs in with `nsc`, which is not read");
            let help = "write the credentials to a file and name it by `--nats-credentials`";
            return Err(Failure::usage(problem).with_help(help));
        }
        Ok(context)
    }

    fn unknown(&self, name: &str, path: &Path) -> Failure {
        let mut names = self.names();
        names.sort_unstable();
        let failure = Failure::usage(format!(
            "no NATS context `{name}`: `{}` does not exist",
            path.display()
        ));
        match names.as_slice() {
            [] => failure.with_help("`nats context add` makes one"),
            names => failure.with_help(format!("there are: {}", names.join(", "))),
        }
    }

    fn names(&self) -> Vec<String> {
        let folder = self.folder.as_ref().map(|folder| folder.join("context"));
        let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok());
        let files = entries.into_iter().flatten().filter_map(Result::ok);
        let name = |entry: std::fs::DirEntry| {
            Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned())
        };
        files.filter_map(name).collect()
    }
}

/// A path as the `nats` command line reads it: `~/` is the home folder.
pub(super) fn path_of(text: &str) -> Option<PathBuf> {
    if text.is_empty() {
        return None;
    }
    let home = text.strip_prefix("~/").zip(std::env::var_os("HOME"));
    Some(home.map_or_else(|| PathBuf::from(text), |(rest, home)| PathBuf::from(home).join(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Contexts) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("context")).unwrap();
        let contexts = Contexts::below(folder.path());
        (folder, contexts)
    }

    #[test]
    fn a_context_is_read_and_the_selected_one_is_known() {
        let (folder, contexts) = place();
        assert_eq!(contexts.selected(), None);
        std::fs::write(folder.path().join("context.txt"), "ops\n").unwrap();
        assert_eq!(contexts.selected().as_deref(), Some("ops"));
        let text = r#"{"description": "d", "url": "nats://a:1", "user": "ann",
            "inbox_prefix": "_INBOX_ann", "windows_cert_store": ""}"#;
        std::fs::write(folder.path().join("context/ops.json"), text).unwrap();
        let context = contexts.read("ops").unwrap();
        assert_eq!((&*context.url, &*context.user), ("nats://a:1", "ann"));
        assert_eq!(context.inbox_prefix, "_INBOX_ann");
    }

    #[test]
    fn a_missing_or_malformed_context_is_a_clear_error() {
        let (folder, contexts) = place();
        std::fs::write(folder.path().join("context/ops.json"), "{").unwrap();
        let failure = contexts.read("ops").unwrap_err();
        assert_eq!(failure.exit, USAGE);
        assert!(failure.problem.detail.contains("ops.json` is malformed"));
        let failure = contexts.read("prod").unwrap_err();
        assert_eq!(failure.exit, USAGE);
        assert!(failure.problem.detail.contains("no NATS context `prod`"));
        assert_eq!(failure.help.as_deref(), Some("there are: ops"));
        for name in ["../x", "", ".hidden", "a/b"] {
            assert_eq!(contexts.read(name).unwrap_err().exit, USAGE, "{name}");
        }
    }
}
