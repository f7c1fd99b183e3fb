//! Redaction: what looks like a secret in the text of a failure, or in the note of a sign of life,
//! is not kept (row P7).
//!
//! The engine knows no secrets of plugins, only what they look like. Every pattern is known by its
//! beginning, so that a text which was cut hides nothing from them, and none goes back in the text.

use std::borrow::Cow;
use std::sync::LazyLock;

use gearshift_protocol::Heartbeat;
use regex::{Captures, Regex};

/// What stands in the place of a secret.
const HIDDEN: &str = "***";
/// How a note ends that was cut.
const CUT: &str = "…";
/// How long a word has to be to be a secret by its looks alone, in bytes.
const WORD_MIN: usize = 8;
/// From how many bytes on a word is one although it has no digit.
const WORD_LONG: usize = 20;

/// A value: quoted, quoted within a quoted text, a flat list or map, or up to what ends a word.
const VALUE: &str = concat!(
    r#"("(?:[^"\\]|\\.)*"?|\\"(?:[^"\\]|\\\\\\.|\\\\[^\\"]|\\[^"\\])*(?:\\")?|'[^']*'?"#,
    r#"|\[[^\[\]{}]*\]|\{[^\[\]{}]*\}|[\[{][^\s"'\\,;&<>\[\]{}\)]+"#,
    r#"|[^\s"'\\,;&<>\[\]{}\)][^\s"'\\,;&<>\]\)}]*)"#,
);
/// Between a name and its value, in JSON, in addresses and in prose.
const IS: &str = r#"\\?["']?\s*[:=]+>?\s*"#;

/// What stands behind `password:` in a sentence about it, and in what lists what is wrong where.
const SAID: &str = "absent and argument as at blank cannot changed denied does empty expected \
    expired failed false field flag for from given has in incorrect invalid is may mismatch \
    missing must needed needs no none not null of option optional or parameter rejected required requires \
    should string the to too true undefined unknown unset was with without wrong";

/// What may stand before the `:` of an address that has no login.
const BEFORE_ADDRESS: [&str; 16] = [
    "acct", "author", "bcc", "by", "cc", "contact", "email", "e-mail", "from", "mail", "mailto",
    "npm", "sip", "sips", "to", "xmpp",
];
/// The same, where what follows is a name of plain letters at one other word: such a word may as
/// well be who logs in.
const BEFORE_NAME: [&str; 8] =
    ["account", "customer", "group", "owner", "queue", "topic", "user", "username"];

/// One kind of secret: the parts of a match around it, and what of that form is one.
struct Kind {
    pattern: Regex,
    rule: Rule,
}

/// What of a form is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// All of it.
    Always,
    /// What is no word of a sentence.
    Unsaid,
    /// What stands after `=` or in quotes; any other by its looks.
    ByLooks,
    /// A login, unless it is an address behind a word or the digest of an image.
    Login,
    /// User and password, but not two numbers.
    Pair,
    /// What is no word of a sentence, and no small number.
    Pass,
}

/// Names of what is a secret in any case.
const SURE: &str = "(?:password|passwd|passphrase|pwd|secret|private_?-?key|secret_?-?key)";
/// Names of what often is one.
const OFTEN: &str = "(?:token|(?:api|access|account|subscription|signing)_?-?key|credentials?|\
                     session_?-?id)";

/// Each has what stays in its first part, and the secret in its second.
static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let all = in_commands().into_iter().chain(in_texts());
    let compiled =
        all.filter_map(|(pattern, rule)| Some(Kind { pattern: Regex::new(&pattern).ok()?, rule }));
    compiled.collect()
});

/// Secrets in command lines, as a shell has them and as a list of arguments.
fn in_commands() -> Vec<(String, Rule)> {
    // A flag, and what is between it and its value.
    let begin = r#"(?:^|[\s"'`\[(=,])"#;
    let gap = r#"(?:\s+|\\?["'],\s*)"#;
    let value = concat!(
        r#"("(?:[^"\\]|\\.)*"?|\\"[^"\\]*(?:\\")?|'[^']*'?"#,
        r#"|[^\s"'\\,;<>\[\]{}()`-][^\s"'\\<>\])]*)"#,
    );
    let pass = "(?:[a-z0-9_.-]*[_.-])?pass";
    let pair = r#"([^\s"'\\:@/+%]+:[^\s"'\\/][^\s"'\\]*)"#;
    let short = concat!(
        r#"((?:\b(?:mysql|mariadb)[\w-]*[^\n]*?[\s"']-p|\bsshpass\b[^\n]*?[\s"']-p\s*"#,
        r#"|\bredis-cli\b[^\n]*?[\s"']-a(?:\s+|["'],\s*)|[\s"']-pass(?:in|out)?\s+pass:))"#,
        r#"('[^']*'?|"[^"]*"?|[^\s"'\\-][^\s"'\\]*)"#,
    );
    vec![
        (format!("(?i)({begin}--?[a-z0-9_.-]*{SURE}{gap}){value}"), Rule::Unsaid),
        (format!("(?i)({begin}--(?:[a-z0-9_.-]*{OFTEN}|{pass}){gap}){value}"), Rule::Unsaid),
        (
            format!(r#"(\b(?:curl|https?|xh)\b[^\n]*?[\s"']-[uU](?:{gap}["']?|["']?)){pair}"#),
            Rule::Pair,
        ),
        (format!(r#"({begin}--(?:proxy-)?user(?:=|{gap})["']?){pair}"#), Rule::Pair),
        (short.to_owned(), Rule::Always),
        (format!(r"(?i)(\b{pass}{IS}){VALUE}"), Rule::Pass),
    ]
}

/// Secrets in texts of all kinds.
fn in_texts() -> Vec<(String, Rule)> {
    let name = r"(?i)([a-z0-9_.-]*";
    let keys = concat!(
        r"(?s)(-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|NKEY SEED|USER JWT)[A-Z ]*-----)",
        r"(.*?(?:-----END|\z))",
    );
    let header = concat!(
        r#"(?i)(\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?"#,
        r#"(?:(?:bearer|basic|digest|negotiate|token|apikey)\s+)?)([^\s"'\\,;]+)"#,
    );
    // Letters of ASCII alone: so many classes of all scripts are too large a pattern.
    let well_known = concat!(
        r"(\b)((?-u:(?:AKIA|ASIA)[A-Z0-9]{12,}|gh[oprsu]_\w{16,}|github_pat_\w{16,}",
        r"|gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent)-[\w-]{16,}|[rs]k_(?:live|test)_\w{12,}",
        r"|whsec_\w{16,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,}|AIza[\w-]{30,}|ya29\.[\w-]{16,}",
        r"|sk-(?:ant|proj|svcacct|admin|or)-[\w-]{12,}|sk-[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}",
        r"|do[opr]_v1_[a-f0-9]{16,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{20,}",
        r"|dckr_pat_[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}",
        r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?|S[ACNOU][A-Z2-7]{56}))",
    );
    let cookie = concat!(
        r#"(?i)(\b(?:set-)?cookie\\?["']?\s*[:=]\s*\\?["']?)"#,
        r#"([^\s;,"'\\=]+=[^\s;,"'\\]*(?:;\s*[^\s;,"'\\=]+=[^\s;,"'\\]*)*)"#,
    );
    let login = concat!(
        r#"(^|[\s"'=(,\[{<>`])([a-zA-Z0-9._%+~-]+:[^\s/?#"'<>\\`]+@)"#,
        r#"([a-zA-Z0-9\[][^\s"'<>\\`,;)]*)"#,
    );
    // Behind a `=` a value goes on over separators, up to what is the next name: `P@ss;w0rd`.
    let beyond = concat!(
        r#"([^\s"'\\,;&<>\[\]{}\)][^\s"'\\,;&<>\]\)}]*(?:[,;&][^\s"'\\,;&<>=\[\]{}\)]+)+)"#,
        r#"([\s"'\\,;&<>\[\]{}\)]|\z)"#,
    );
    let signed = concat!(
        r"(?i)([?&;](?:sig|x-(?:amz|goog)-(?:signature|credential))=)",
        r#"([^\s"'\\,;&<>\]\)}]+)"#,
    );
    vec![
        (keys.to_owned(), Rule::Always),
        // A login in an address, up to the last `@` of what may be one.
        (r#"([a-z][a-z0-9+.-]*://)([^\s/?#"'<>\\]+@)"#.to_owned(), Rule::Always),
        (login.to_owned(), Rule::Login),
        (header.to_owned(), Rule::Always),
        (cookie.to_owned(), Rule::Always),
        (r"(?i)(\b(?:bearer|basic)\s+)([a-z0-9._~+/=-]+)".to_owned(), Rule::ByLooks),
        (signed.to_owned(), Rule::Always),
        (format!(r"{name}(?:{SURE}|{OFTEN})\s*=\s*){beyond}"), Rule::Always),
        (format!(r"{name}{SURE}{IS}){VALUE}"), Rule::Unsaid),
        (format!(r"{name}{OFTEN}{IS}){VALUE}"), Rule::ByLooks),
        (well_known.to_owned(), Rule::Always),
    ]
}

/// A login at the end of a text that was cut before its `@`.
static CUT_LOGIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(://)([^\s/?#"'<>\\@]*:[^\s/?#"'<>\\]*)\z"#).ok());

/// The text without what looks like a secret; `was_cut` where it once went on.
pub(super) fn redacted(text: &str, was_cut: bool) -> Cow<'_, str> {
    let mut kept = Cow::Borrowed(text);
    for Kind { pattern, rule } in KINDS.iter() {
        kept = replaced(kept, pattern, *rule, was_cut);
    }
    match &*CUT_LOGIN {
        Some(pattern) if was_cut => replaced(kept, pattern, Rule::Always, was_cut),
        Some(_) | None => kept,
    }
}

/// A sign of life whose note has nothing that looks like a secret.
pub(crate) fn redacted_beat(beat: Heartbeat) -> Heartbeat {
    if beat.note.is_empty() {
        return beat;
    }
    // Whoever cut it says so by its last character.
    let (note, was_cut) = match beat.note.strip_suffix(CUT) {
        Some(note) => (note, true),
        None => (&*beat.note, false),
    };
    let mut kept = redacted(note, was_cut).into_owned();
    if was_cut {
        kept.push_str(CUT);
    }
    Heartbeat::new(beat.attempt, beat.percent, &kept)
}

fn replaced<'t>(text: Cow<'t, str>, pattern: &Regex, rule: Rule, was_cut: bool) -> Cow<'t, str> {
    if !pattern.is_match(&text) {
        return text;
    }
    // How long a word is that was cut, nobody knows.
    let cut_at = if was_cut { text.len() } else { usize::MAX };
    let hide = |found: &Captures<'_>| {
        let part = |at| found.get(at).map_or("", |part| part.as_str());
        let (before, secret, rest) = (part(1), part(2), part(3));
        let is_cut = found.get(0).is_some_and(|whole| whole.end() == cut_at);
        let is_given = before.ends_with('=');
        let is_one = match rule {
            Rule::Always => true,
            Rule::Unsaid => is_cut || !is_said(secret),
            Rule::ByLooks if is_given => is_cut || !is_said(secret),
            Rule::ByLooks => is_cut || is_secret(before, secret),
            Rule::Login => is_login(secret, rest),
            Rule::Pair => !secret.bytes().all(|byte| byte == b':' || byte.is_ascii_digit()),
            Rule::Pass if is_given => is_cut || !(is_said(secret) || is_small(secret)),
            Rule::Pass => is_cut || is_secret(before, secret),
        };
        if !is_one {
            return part(0).to_owned();
        }
        // What ends a login or a key belongs to what is around it.
        let after = if secret.ends_with('@') { "@" } else { "" };
        let quote = quote_of(before, secret);
        format!("{before}{quote}{HIDDEN}{quote}{after}{rest}")
    };
    Cow::Owned(pattern.replace_all(&text, hide).into_owned())
}

/// The quotes that stay around what is hidden: those of the value, else those of its name, so that
/// what was JSON still is.
fn quote_of<'t>(before: &'t str, secret: &'t str) -> &'t str {
    const QUOTES: [&str; 3] = ["\\\"", "\"", "'"];

    if let Some(own) = QUOTES.into_iter().find(|quote| secret.starts_with(quote)) {
        return own;
    }
    let Some(name) = before.trim_end().strip_suffix(':') else { return "" };
    QUOTES.into_iter().find(|quote| name.trim_end().ends_with(quote)).unwrap_or("")
}

/// Is it a word of a sentence?
fn is_said(value: &str) -> bool {
    let word = value.trim_matches(['"', '\'', '\\', '.', '!', ',', ';', ':', ')', '`']);
    SAID.split(' ').any(|said| said.eq_ignore_ascii_case(word))
}

/// Is it a login, in front of this host?
fn is_login(login: &str, host: &str) -> bool {
    let (user, rest) = login.split_once(':').unwrap_or_default();
    let is_of = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(user));
    // Numbers are no hosts: `ratio 3:4@5 pm`.
    let is_number = host.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let name = rest.trim_end_matches('@');
    let is_name = is_plain(name) && is_plain(host) && host != "localhost";
    let is_image = host.starts_with("sha256:");
    let is_word = is_of(&BEFORE_ADDRESS) || is_name && is_of(&BEFORE_NAME);
    !(is_number || is_word || is_image)
}

/// Is it a count rather than a password: `pass=12 fail=0`?
fn is_small(value: &str) -> bool {
    value.len() <= 3 && value.bytes().all(|byte| byte.is_ascii_digit())
}

/// Does it look like one, where words of a sentence may stand in its place?
fn is_secret(before: &str, value: &str) -> bool {
    if is_said(value) {
        return false;
    }
    let is_quoted = value.starts_with(['"', '\'', '\\']);
    let is_many = value.starts_with(['[', '{']);
    let is_mixed = value.len() >= WORD_MIN && value.bytes().any(|byte| byte.is_ascii_digit());
    let is_long = is_mixed || value.len() >= WORD_LONG;
    is_quoted || if is_many { !quote_of(before, "").is_empty() } else { is_long }
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
