//! Who we are at NATS servers: flags, their variables, and what a NATS context says.

use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_bus::{ErrorKind, NatsOptions};

use super::contexts::{Context, path_of};
use super::failure::Failure;
use super::output::tell;

/// How addresses are written.
const ADDRESSES: &str = "write `nats://HOST:PORT` or `tls://HOST:PORT`, several with commas";

/// The login at NATS servers.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "NATS options")]
pub(super) struct NatsLogin {
    /// A context of the `nats` command line: address and login at once
    #[arg(long, global = true, value_name = "NAME", env = "GEARSHIFT_CONTEXT")]
    pub(super) context: Option<String>,
    /// A credentials file
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_NATS_CREDENTIALS")]
    #[arg(hide_short_help = true)]
    nats_credentials: Option<PathBuf>,
    /// A file with an nkey seed
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_NATS_NKEY")]
    #[arg(hide_short_help = true)]
    nats_nkey: Option<PathBuf>,
    /// A user's name
    #[arg(long, global = true, value_name = "NAME", env = "GEARSHIFT_NATS_USER")]
    #[arg(hide_short_help = true)]
    nats_user: Option<String>,
    /// The user's password; better given by its variable
    #[arg(long, global = true, value_name = "PASSWORD", env = "GEARSHIFT_NATS_PASSWORD")]
    #[arg(hide_short_help = true, hide_env_values = true)]
    nats_password: Option<String>,
    /// A token of the NATS server
    #[arg(long, global = true, value_name = "TOKEN", env = "GEARSHIFT_NATS_TOKEN")]
    #[arg(hide_short_help = true, hide_env_values = true)]
    nats_token: Option<String>,
    /// A file with certificates of authorities to trust instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_NATS_CA")]
    #[arg(hide_short_help = true)]
    nats_ca: Option<PathBuf>,
    /// A client certificate, with --nats-key
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_NATS_CERT")]
    #[arg(hide_short_help = true)]
    nats_cert: Option<PathBuf>,
    /// The client certificate's key
    #[arg(long, global = true, value_name = "FILE", env = "GEARSHIFT_NATS_KEY")]
    #[arg(hide_short_help = true)]
    nats_key: Option<PathBuf>,
    /// Where replies arrive, such as _INBOX_ann; the user must be allowed to subscribe there
    #[arg(long, global = true, value_name = "PREFIX", env = "GEARSHIFT_NATS_INBOX_PREFIX")]
    #[arg(hide_short_help = true)]
    nats_inbox_prefix: Option<String>,
    /// Begin TLS at once, before the server's greeting, as servers with `handshake_first` want it
    #[arg(long, global = true, env = "GEARSHIFT_NATS_TLS_FIRST")]
    #[arg(hide_short_help = true)]
    nats_tls_first: bool,
    /// Use the given addresses only, never those that servers tell of one another
    #[arg(long, global = true, env = "GEARSHIFT_NATS_IGNORE_DISCOVERED")]
    #[arg(hide_short_help = true)]
    nats_ignore_discovered: bool,
}

/// Servers and login, ready to connect.
#[derive(Clone, Debug)]
pub(super) struct NatsTarget {
    /// How to reach them.
    pub(super) options: NatsOptions,
    /// The user we log in as, where the login tells.
    pub(super) user: Option<String>,
}

impl NatsTarget {
    /// The servers as they may be shown: without the login.
    pub(super) fn shown(&self) -> String {
        shown(&self.options.servers)
    }

    /// Do we say who we are?
    pub(super) fn logs_in(&self) -> bool {
        let options = &self.options;
        options.user.is_some()
            || options.token.is_some()
            || options.credentials.is_some()
            || options.nkey.is_some()
            || options.certificate.is_some()
            || options.servers.contains('@')
    }
}

/// Is this the address of NATS servers?
pub(super) fn is_nats(url: &str) -> bool {
    url.starts_with("nats://") || url.starts_with("tls://")
}

/// Addresses without user and password.
pub(super) fn shown(servers: &str) -> String {
    let one = |server: &str| {
        let server = server.trim();
        match (server.split_once("://"), server.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            (None, Some((_, host))) => host.to_owned(),
            (_, None) => server.to_owned(),
        }
    };
    servers.split(',').map(one).collect::<Vec<_>>().join(",")
}

impl NatsLogin {
    /// The way to `servers`; flags and variables win over the context.
    pub(super) fn target(
        &self,
        servers: &str,
        context: Option<&Context>,
    ) -> Result<NatsTarget, Failure> {
        let none = Context::default();
        let context = context.unwrap_or(&none);
        let mut options = NatsOptions::new(&well_formed(servers)?);
        options.check_servers().map_err(|error| {
            let reason = if let ErrorKind::Refused { reason } = error.kind() {
                reason.clone()
            } else {
                error.to_string()
            };
            Failure::usage(reason).with_help(ADDRESSES)
        })?;
        let text = |flag: &Option<String>, field: &str| {
            flag.clone().or_else(|| (!field.is_empty()).then(|| field.to_owned()))
        };
        let file = |flag: &Option<PathBuf>, field: &str| flag.clone().or_else(|| path_of(field));
        options.ca = file(&self.nats_ca, &context.ca);
        options.certificate = file(&self.nats_cert, &context.cert);
        options.key = file(&self.nats_key, &context.key);
        options.tls_first = self.nats_tls_first || context.tls_first;
        options.ignore_discovered = self.nats_ignore_discovered;
        options.inbox_prefix = text(&self.nats_inbox_prefix, &context.inbox_prefix)
            .map(|prefix| prefix.trim_end_matches(".>").trim_end_matches('.').to_owned());
        // A login is one thing: one by flags leaves the context's alone, so that none is mixed.
        let login = if self.logs_in() { &none } else { context };
        options.credentials = file(&self.nats_credentials, &login.creds);
        options.nkey = file(&self.nats_nkey, &login.nkey);
        options.user = text(&self.nats_user, &login.user);
        options.password = text(&self.nats_password, &login.password);
        options.token = text(&self.nats_token, &login.token);
        check(&options)?;
        let user = options.user.clone().or_else(|| user_in(servers));
        let user = user.or_else(|| name_in(options.credentials.as_deref()?));
        Ok(NatsTarget { options, user })
    }

    /// Do the flags or their variables say who we are?
    const fn logs_in(&self) -> bool {
        self.nats_credentials.is_some()
            || self.nats_nkey.is_some()
            || self.nats_user.is_some()
            || self.nats_token.is_some()
    }
}

/// Adds the scheme where there is none, and refuses what cannot be an address.
fn well_formed(servers: &str) -> Result<String, Failure> {
    let mut list = Vec::new();
    for server in servers.split(',').map(str::trim) {
        let server = match server.split_once("://") {
            None => format!("nats://{server}"),
            Some(_) => server.to_owned(),
        };
        let rest = server.split_once("://").map_or("", |(_, rest)| rest.trim_end_matches('/'));
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        if !is_nats(&server) || host.is_empty() || host.contains(['/', ' ']) {
            return Err(Failure::usage(format!(
                "`{}` is not the address of a NATS server",
                shown(&server)
            ))
            .with_help(ADDRESSES));
        }
        list.push(server);
    }
    Ok(list.join(","))
}

/// Files that are named must be there, and secrets should be their owner's (row C8).
fn check(options: &NatsOptions) -> Result<(), Failure> {
    let secrets = [&options.credentials, &options.nkey, &options.key];
    let others = [&options.ca, &options.certificate];
    for path in secrets.into_iter().chain(others).flatten() {
        let about = std::fs::metadata(path)
            .map_err(|error| Failure::file("cannot read the login file", path, &error))?;
        if about.len() == 0 {
            return Err(Failure::usage(format!("login file `{}` is empty", path.display())));
        }
    }
    for path in secrets.into_iter().flatten() {
        warn_if_open(path, "login file");
    }
    let (certificate, key) = (options.certificate.is_some(), options.key.is_some());
    if certificate != key {
        return Err(Failure::usage("a client certificate and its key belong together")
            .with_help("give both `--nats-cert FILE` and `--nats-key FILE`"));
    }
    if options.password.is_some() && options.user.is_none() {
        return Err(Failure::usage("a password without a user")
            .with_help("add `--nats-user NAME` or GEARSHIFT_NATS_USER"));
    }
    Ok(())
}

/// Warns of a secret that others can read.
pub(super) fn warn_if_open(path: &Path, what: &str) {
    #[cfg(unix)]
    if let Ok(about) = std::fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o077 != 0
    {
        tell(&format!("warning: others can read the {what} `{}`", path.display()));
    }
}

/// The user in `nats://USER:PASSWORD@HOST`; a lone word there is a token, not a user.
fn user_in(servers: &str) -> Option<String> {
    let first = servers.split(',').next()?;
    let (login, _) = first.split_once("://").map_or(first, |(_, rest)| rest).rsplit_once('@')?;
    let (user, _) = login.split_once(':')?;
    (!user.is_empty()).then(|| user.to_owned())
}

/// The name in the user token (JWT) of a credentials file.
fn name_in(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let token = text.lines().find(|line| line.starts_with("ey"))?;
    let claims = base64url(token.split('.').nth(1)?)?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    claims.get("name")?.as_str().map(str::to_owned)
}

/// Base64 as tokens write it: the alphabet of URLs, no padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut window, mut bits) = (0_u32, 0_u32);
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        window = (window << 6) | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (window >> bits).to_be_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> NatsLogin {
        NatsLogin::default()
    }

    #[test]
    fn addresses_are_completed_shown_without_secrets_and_checked() {
        let target = login().target("a:1, tls://ann:pw@b:2", None).unwrap();
        assert_eq!(target.options.servers, "nats://a:1,tls://ann:pw@b:2");
        assert_eq!(target.shown(), "nats://a:1,tls://b:2");
        let wrong = ["http://a", "nats://", "nats://a b", "nats://a/b", "", "a,,b"];
        for wrong in wrong.into_iter().chain(["nats://a:1:2", "nats://a:x", "a:65536", "a,b:1:2"]) {
            assert_eq!(login().target(wrong, None).unwrap_err().exit, 2, "{wrong}");
        }
    }

    #[test]
    fn a_login_by_flags_replaces_that_of_the_context() {
        let context = Context {
            user: "ann".to_owned(),
            password: "pw".to_owned(),
            inbox_prefix: "_INBOX_ann.>".to_owned(),
            ..Context::default()
        };
        let target = login().target("a:1", Some(&context)).unwrap();
        assert_eq!(target.user.as_deref(), Some("ann"));
        assert_eq!(target.options.password.as_deref(), Some("pw"));
        assert_eq!(target.options.inbox_prefix.as_deref(), Some("_INBOX_ann"));
        assert!(!target.options.tls_first);
        let flags = NatsLogin { nats_token: Some("t".to_owned()), nats_tls_first: true, ..login() };
        let target = flags.target("a:1", Some(&context)).unwrap();
        assert!(target.options.tls_first, "a flag adds to the context");
        assert_eq!((target.options.user, target.options.password), (None, None));
        assert_eq!(target.options.token.as_deref(), Some("t"));
    }

    #[test]
    fn the_user_is_known_by_address_and_credentials() {
        assert_eq!(user_in("nats://ann:pw@b:2").as_deref(), Some("ann"));
        assert_eq!(user_in("nats://token@b:2"), None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ann.creds");
        // {"name":"ann"} between a header and a signature.
        let text = "-----BEGIN NATS USER JWT-----\neyJ0.eyJuYW1lIjoiYW5uIn0.c2ln\n------END";
        std::fs::write(&path, text).unwrap();
        assert_eq!(name_in(&path).as_deref(), Some("ann"));
    }

    #[test]
    fn c8_login_files_must_be_there_and_hold_something() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        let flags = NatsLogin { nats_nkey: Some(path.clone()), ..login() };
        assert_eq!(flags.target("a:1", None).unwrap_err().exit, 3);
        std::fs::write(&path, "").unwrap();
        assert_eq!(flags.target("a:1", None).unwrap_err().exit, 2);
        std::fs::write(&path, "SU…").unwrap();
        assert!(flags.target("a:1", None).is_ok());
        let flags = NatsLogin { nats_cert: Some(path), ..login() };
        assert_eq!(flags.target("a:1", None).unwrap_err().exit, 2);
        let flags = NatsLogin { nats_password: Some("x".to_owned()), ..login() };
        assert_eq!(flags.target("a:1", None).unwrap_err().exit, 2);
    }
}
