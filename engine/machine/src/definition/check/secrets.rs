//! Texts that look like credentials (row D25).

use crate::definition::parse::{Plain, Scalar, plain};

/// Members that usually hold a secret.
const MEMBERS: [&str; 10] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "clientsecret",
    "authorization",
];

/// How well-known credentials begin.
const PREFIXES: [&str; 19] = [
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "ghu_",
    "ghr_",
    "glpat-",
    "sk-ant-",
    "sk-proj-",
    "AIza",
    "dckr_pat_",
    "whsec_",
    "sk_live_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "-----BEGIN ",
];

/// Why the text under `member` looks like a credential, if it does.
pub(super) fn suspicious(member: Option<&str>, scalar: &Scalar) -> Option<&'static str> {
    let text = scalar.text.trim();
    if plain(scalar) != Plain::Text || text.contains("${") || text.len() < 6 {
        return None;
    }
    if PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() >= 16) {
        return Some("the text begins as a well-known kind of credential does");
    }
    if let Some((_, rest)) = text.split_once("://")
        && let Some((login, _)) = rest.split('/').next().unwrap_or_default().split_once('@')
        && login.split_once(':').is_some_and(|(_, password)| !password.is_empty())
    {
        return Some("the address holds a password");
    }
    let parts: Vec<&str> = text.split('.').collect();
    if text.starts_with("eyJ") && parts.len() == 3 && text.len() > 60 {
        return Some("the text is a signed token");
    }
    let plain_member: String =
        member?.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let named = MEMBERS.iter().any(|known| plain_member.ends_with(known));
    (named && !text.contains(' ')).then_some("the member's name says that it is a secret")
}
