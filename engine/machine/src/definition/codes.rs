//! One table of code, name and explanation for everything Gearshift reports.
//!
//! `GS00xx` is about the text, `GS01xx` about the definition, `GS02xx` are warnings, `GS03xx` about
//! expressions; `GS3xxx` to `GS6xxx` are reported at run time by the engine.

mod definition;
mod expressions;
mod lints;
mod plugins;
mod runtime;
mod schedules;
mod text;

pub use definition::*;
pub use expressions::*;
pub use lints::*;
pub use plugins::*;
pub use runtime::*;
pub use schedules::*;
pub use text::*;

use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

use super::problem::Severity;

/// A stable code: `GS` and four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GS{:04}", self.0)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What one code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code.
    pub code: Code,
    /// Its name in programs, `unknown_state`.
    pub name: &'static str,
    /// One line: the heading of a diagnostic.
    pub title: &'static str,
    /// What it means, why it is refused, what to do.
    pub text: &'static str,
}

/// Constants and table of one family.
macro_rules! codes {
    (
        $table:ident;
        $($constant:ident $code:literal $name:literal $title:literal $text:literal)*
    ) => {
        $(#[doc = concat!("`", $name, "`: ", $title, ".")]
        pub const $constant: super::Code = super::Code($code);)*

        pub(super) const $table: &[super::Explanation] = &[$(super::Explanation {
            code: $constant,
            name: $name,
            title: $title,
            text: $text,
        }),*];
    };
}
use codes;

static ALL: LazyLock<Vec<Explanation>> = LazyLock::new(|| {
    let families = [TEXT, DEFINITION, LINTS, PLUGINS, SCHEDULES, EXPRESSIONS, RUNTIME];
    let mut all = families.concat();
    all.sort_by_key(|explanation| explanation.code);
    all
});

/// Every code, in order.
#[must_use]
pub fn all() -> &'static [Explanation] {
    &ALL
}

/// The explanation of a code (`GS0104`, `gs0104`, `104`) or of a name (`unknown_state`).
#[must_use]
pub fn explain(code: &str) -> Option<Explanation> {
    let code = code.trim();
    if let Some(found) = all().iter().find(|explanation| explanation.name == code) {
        return Some(*found);
    }
    let digits = code.strip_prefix("GS").or_else(|| code.strip_prefix("gs")).unwrap_or(code);
    find(Code(digits.parse().ok()?)).copied()
}

fn find(code: Code) -> Option<&'static Explanation> {
    let at = all().binary_search_by_key(&code, |explanation| explanation.code).ok()?;
    all().get(at)
}

/// The name of `code`.
#[must_use]
pub fn name(code: Code) -> &'static str {
    find(code).map_or("unknown", |explanation| explanation.name)
}

/// The title of `code`.
#[must_use]
pub fn title(code: Code) -> &'static str {
    find(code).map_or("unknown problem", |explanation| explanation.title)
}

/// Errors refuse a definition, warnings (`GS02xx` and the `on` key) do not.
#[must_use]
pub const fn severity(code: Code) -> Severity {
    if code.0 == ON_KEY.0 || (code.0 >= 200 && code.0 < 300) {
        Severity::Warning
    } else {
        Severity::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_explained() {
        for pair in all().windows(2) {
            if let [left, right] = pair {
                assert!(left.code < right.code, "{} is used twice", left.code);
            }
        }
        for explanation in all() {
            let same = all().iter().filter(|other| other.name == explanation.name).count();
            assert_eq!(same, 1, "{} is used twice", explanation.name);
            let sentences = explanation.text.matches(['.', '?']).count();
            assert!(sentences >= 2, "{} has no explanation", explanation.code);
            assert!(!explanation.title.ends_with('.'), "{}", explanation.title);
        }
    }

    #[test]
    fn a_code_is_found_by_code_and_by_name() {
        let by_code = explain("GS0104").map(|explanation| explanation.name);
        assert_eq!(by_code, Some("unknown_state"));
        assert_eq!(explain("unknown_state"), explain("gs0104"));
        assert_eq!(explain("GS0000"), None);
        assert_eq!(explain("nonsense"), None);
    }
}
