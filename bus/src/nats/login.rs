//! Who we are at the servers, and how the way there is encrypted.

use std::path::Path;

use async_nats::{ConnectOptions, ServerAddr};

use super::NatsOptions;
use crate::{Error, ErrorKind};

/// What a file holds that has certificates.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// What a file holds that has a key, whatever its kind.
const KEY: &str = "PRIVATE KEY-----";

/// Letters of an nkey's seed.
const SEED_BYTES: usize = 58;

/// How we say who we are: one way only, so that the server never has to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    Credentials,
    Nkey,
    User,
    Token,
    Address,
    Certificate,
    Nothing,
}

impl Login {
    /// The one that is used of those that are given.
    pub(super) fn of(options: &NatsOptions, addresses: &[ServerAddr]) -> Self {
        let ways = [
            (Self::Credentials, options.credentials.is_some()),
            (Self::Nkey, options.nkey.is_some()),
            (Self::User, options.user.is_some()),
            (Self::Token, options.token.is_some()),
            (Self::Address, addresses.iter().any(|address| address.username().is_some())),
            (Self::Certificate, options.certificate.is_some()),
        ];
        ways.into_iter().find(|(_, given)| *given).map_or(Self::Nothing, |(login, _)| login)
    }

    /// What somebody whom the server refused should look at.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Credentials => "check the credentials file",
            Self::Nkey => "check the nkey",
            Self::User => "check user and password",
            Self::Token => "check the token",
            Self::Address => "check the login in the address",
            Self::Certificate => "it does not know the client certificate, or wants a login too",
            Self::Nothing => "it wants a login (user and password, token, nkey or credentials)",
        }
    }
}

/// Adds certificates and what the handshake has to be like.
pub(super) async fn encrypt(
    mut settings: ConnectOptions,
    options: &NatsOptions,
) -> Result<ConnectOptions, Error> {
    settings = settings.require_tls(options.tls_first);
    if options.tls_first {
        settings = settings.tls_first();
    }
    if let Some(ca) = &options.ca {
        holds("CA", ca, CERTIFICATE, "no certificate").await?;
        settings = settings.add_root_certificates(ca.clone());
    }
    match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => {
            holds("certificate", certificate, CERTIFICATE, "no certificate").await?;
            holds("key", key, KEY, "no private key").await?;
            Ok(settings.add_client_certificate(certificate.clone(), key.clone()))
        }
        (Some(path), None) => Err(unusable("certificate", path, &"its key is missing")),
        (None, Some(path)) => Err(unusable("key", path, &"its certificate is missing")),
        (None, None) => Ok(settings),
    }
}

/// Adds the login.
pub(super) async fn log_in(
    settings: ConnectOptions,
    options: &NatsOptions,
    addresses: &[ServerAddr],
) -> Result<ConnectOptions, Error> {
    if let Some(path) = &options.credentials {
        let unusable = |error| unusable("credentials", path, &error);
        return settings.credentials_file(path).await.map_err(unusable);
    }
    if let Some(path) = &options.nkey {
        let text = read("nkey", path).await?;
        let seed = text.lines().map(str::trim).find(|line| is_seed(line));
        let seed = seed.ok_or_else(|| unusable("nkey", path, &"it holds no seed"))?;
        return Ok(settings.nkey(seed.to_owned()));
    }
    if let Some(user) = &options.user {
        let password = options.password.clone().unwrap_or_default();
        return Ok(settings.user_and_password(user.clone(), password));
    }
    if let Some(token) = &options.token {
        return Ok(settings.token(token.clone()));
    }
    // The client takes no login out of an address; without a password it is a token.
    let in_address = addresses.iter().find_map(|address| Some((address.username()?, address)));
    let Some((user, address)) = in_address else { return Ok(settings) };
    let user = decoded(user);
    Ok(match address.password().filter(|password| !password.is_empty()) {
        Some(password) => settings.user_and_password(user, decoded(password)),
        None => settings.token(user),
    })
}

/// The client says of a file that lacks what it should hold that the server is not trusted.
async fn holds(what: &str, path: &Path, begin: &str, lack: &str) -> Result<(), Error> {
    if read(what, path).await?.contains(begin) {
        return Ok(());
    }
    Err(unusable(what, path, &format!("it holds {lack} (PEM)")))
}

/// Whether a line has the shape of a seed: another file may hold a line that begins like one.
fn is_seed(line: &str) -> bool {
    line.len() == SEED_BYTES
        && line.starts_with('S')
        && line.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7'))
}

async fn read(what: &str, path: &Path) -> Result<String, Error> {
    let bytes = tokio::fs::read(path).await.map_err(|error| unusable(what, path, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unusable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    let reason = format!("the {what} file `{}` is not usable: {error}", path.display());
    ErrorKind::Refused { reason }.into()
}

/// Text out of an address, where `%40` stands for `@`; what is no such code stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.map(|code| u8::from_str_radix(code, 16)) {
            Some(Ok(byte)) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            Some(_) | None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_decoded() {
        assert_eq!(decoded("p%40ss%2Fword%"), "p@ss/word%");
        assert_eq!(decoded("100%zz"), "100%zz");
    }

    #[test]
    fn a_line_that_only_begins_like_a_seed_is_none() {
        let seed = "SUAIO3FHUX5PNV2LQIIP7TZ3N4L7TX3W53MQGEIVYFIGA635OZCKEYHFLM";
        assert!(is_seed(seed));
        // A line of a key in PEM, which is base64 of chance.
        let line = "S0lJrQ0bT4lqYFyMRsYJ2tHYYUDnyqk0pdHZFvXyWfrOSBfK4zE+/A3vyGq9uYtE";
        assert!(!is_seed(line) && !is_seed(&seed[1..]) && !is_seed(&seed.to_lowercase()));
    }

    #[test]
    fn one_login_is_used_of_several() {
        let mut options = NatsOptions::new("");
        assert_eq!(Login::of(&options, &[]), Login::Nothing);
        options.token = Some("t".to_owned());
        options.nkey = Some("n".into());
        assert_eq!(Login::of(&options, &[]), Login::Nkey);
        options.credentials = Some("c".into());
        assert_eq!(Login::of(&options, &[]), Login::Credentials);
    }
}
