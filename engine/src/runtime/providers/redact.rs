//! Redaction: what looks like a secret in the text of a failure is not kept (row P7).
//!
//! The engine knows no secrets of plugins, only what they look like. Every pattern is known by its
//! beginning, so that a text which was cut hides nothing from them, and none goes back in the text.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// How long a word has to be to be a secret by its looks alone, in bytes.
const WORD_MIN: usize = 8;
/// From how many bytes on a word is one although it has no digit.
const WORD_LONG: usize = 20;

/// A value: quoted, quoted within a quoted text, or up to what ends a word.
const VALUE: &str =
    r#"("(?:[^"\\]|\\.)*"?|\\"(?:[^"\\]|\\[^"])*(?:\\")?|'[^']*'?|[^\s"'\\,;&<>\]\)}]+)"#;
/// Between a name and its value, in JSON, in addresses and in prose.
const IS: &str = r#"\\?["']?\s*[:=]+>?\s*"#;

/// One kind of secret: the parts of a match around it, and whether anything of that form is one.
struct Kind {
    pattern: Regex,
    /// Does the text after `=` or in quotes count always, and any other only by its looks?
    by_looks: bool,
}

/// Each has what stays in its first part, and the secret in its second.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let name = r"(?i)([a-z0-9_.-]*";
    let sure = "(?:password|passwd|passphrase|pwd|secret|private_?-?key|secret_?-?key)";
    let often = "(?:token|api_?-?key|access_?-?key|credentials?|session_?-?id)";
    let keys = concat!(
        r"(?s)(-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|NKEY SEED|USER JWT)[A-Z ]*-----)",
        r"(.*?(?:-----END|\z))",
    );
    let header = concat!(
        r#"(?i)(\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?"#,
        r#"(?:(?:bearer|basic|digest|negotiate|token|apikey)\s+)?)([^\s"'\\,;]+)"#,
    );
    let well_known = concat!(
        r"(\b)((?:AKIA|ASIA)[A-Z0-9]{12,}|gh[oprsu]_\w{16,}|github_pat_\w{16,}",
        r"|glpat-[\w-]{16,}|[rs]k_(?:live|test)_\w{12,}|xox[abeprs]-[\w-]{10,}",
        r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|S[ACNOU][A-Z2-7]{56})",
    );
    let all = [
        (keys.to_owned(), false),
        // A login in an address, up to the last `@` of what may be one.
        (r#"([a-z][a-z0-9+.-]*://)([^\s/?#"'<>\\]+@)"#.to_owned(), false),
        (header.to_owned(), false),
        (r"(?i)(\b(?:bearer|basic)\s+)([a-z0-9._~+/=-]+)".to_owned(), true),
        (format!(r"{name}{sure}{IS}){VALUE}"), false),
        (format!(r"{name}{often}{IS}){VALUE}"), true),
        (well_known.to_owned(), false),
    ];
    let compiled = all.into_iter().filter_map(|(pattern, by_looks)| {
        Some(Kind { pattern: Regex::new(&pattern).ok()?, by_looks })
    });
    compiled.collect()
});

/// A login at the end of a text that was cut before its `@`.
static CUT_LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(://)([^\s/?#"'<>\\@]*:[^\s/?#"'<>\\]*)\z"#).ok());

/// The text without what looks like a secret; `was_cut` where it once went on.
pub(super) fn redacted(text: &str, was_cut: bool) -> Cow<'_, str> {
    let mut kept = Cow::Borrowed(text);
    for Kind { pattern, by_looks } in KINDS.iter() {
        kept = replaced(kept, pattern, *by_looks, was_cut);
    }
    match &*CUT_LOGIN {
        Some(pattern) if was_cut => replaced(kept, pattern, false, was_cut),
        Some(_) | None => kept,
    }
}

fn replaced<'t>(
    text: Cow<'t, str>,
    pattern: &Regex,
    by_looks: bool,
    was_cut: bool,
) -> Cow<'t, str> {
    if !pattern.is_match(&text) {
        return text;
    }
    // How long a word is that was cut, nobody knows.
    let cut_at = if was_cut { text.len() } else { usize::MAX };
    let hide = |found: &Captures<'_>| {
        let part = |at| found.get(at).map_or("", |part| part.as_str());
        let (before, secret) = (part(1), part(2));
        let is_cut = found.get(0).is_some_and(|whole| whole.end() == cut_at);
        if by_looks && !is_cut && !before.ends_with('=') && !is_secret(secret) {
            return part(0).to_owned();
        }
        // What ends a login or a key belongs to what is around it.
        let after = if secret.ends_with('@') { "@" } else { "" };
        format!("{before}{HIDDEN}{after}")
    };
    Cow::Owned(pattern.replace_all(&text, hide).into_owned())
}

/// Does it look like one, where words of a sentence may stand in its place?
fn is_secret(word: &str) -> bool {
    let is_quoted = word.starts_with(['"', '\'', '\\']);
    let is_mixed = word.len() >= WORD_MIN && word.bytes().any(|byte| byte.is_ascii_digit());
    is_quoted || is_mixed || word.len() >= WORD_LONG
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
