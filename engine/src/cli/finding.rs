//! [`Finding`]: one thing that was looked at, how it is, and how to mend it.

use serde::Serialize;

use super::output::{Look, clean, folded};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It was not looked at.
    Skipped,
    /// It works, and may not when it matters.
    Warning,
    /// It does not work, or will lose something.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at, in one word.
    pub(super) check: &'static str,
    /// How it is.
    pub(super) level: Level,
    /// The same in words.
    pub(super) message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) help: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Ok, message: message.into(), help: None }
    }

    pub(super) fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level: Level::Skipped, message: message.into(), help: None }
    }

    pub(super) fn warning(
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (message, help) = (message.into(), Some(help.into()));
        Self { check, level: Level::Warning, message, help }
    }

    pub(super) fn problem(
        check: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (message, help) = (message.into(), Some(help.into()));
        Self { check, level: Level::Problem, message, help }
    }

    /// One line, and one below it with the help.
    pub(super) fn render(&self, look: Look) -> String {
        self.render_within(look, usize::MAX)
    }

    /// The same in lines of so many columns, as far as its words go.
    pub(super) fn render_within(&self, look: Look, columns: usize) -> String {
        const INDENT: &str = "               ";
        let (mark, style) = match self.level {
            Level::Ok => ("✓", look.green()),
            Level::Skipped => ("-", look.dim()),
            Level::Warning => ("!", look.yellow()),
            Level::Problem => ("✗", look.red()),
        };
        let message = folded(&clean(&self.message), columns, INDENT.len(), INDENT);
        let mut text = format!("{style}{mark}{style:#} {:<12} {message}", self.check);
        if let Some(help) = &self.help {
            let dim = look.dim();
            let help = folded(&clean(help), columns, INDENT.len() + 2, &format!("{INDENT}  "));
            text.push_str(&format!("\n{INDENT}{dim}→ {help}{dim:#}"));
        }
        text
    }
}

/// `2 problems, 1 warning`, or that all is well.
pub(super) fn summary(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|one| one.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let words = super::words::count;
    match (problems, warnings) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("no problem, {}", words(warnings, "warning")),
        (problems, 0) => words(problems, "problem"),
        (problems, warnings) => {
            format!("{}, {}", words(problems, "problem"), words(warnings, "warning"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_help_another() {
        let look = Look { color: false };
        let ok = Finding::ok("server", "nats-server 2.15.1");
        assert_eq!(ok.render(look), "✓ server       nats-server 2.15.1");
        let bad = Finding::problem("sync", "never\u{1b}", "always");
        assert_eq!(bad.render(look), "✗ sync         never\\u{1b}\n               → always");
        let long = Finding::problem("sync", "one two three four", "five six seven eight");
        let lines = ["✗ sync         one two three", "four", "→ five six", "  seven eight"];
        let lines = lines.join(&format!("\n{}", " ".repeat(15)));
        assert_eq!(long.render_within(look, 28), lines);
        let poor = Finding::warning("a", "b", "c");
        assert_eq!(summary(&[ok.clone(), bad.clone(), poor.clone()]), "1 problem, 1 warning");
        assert_eq!(summary(&[ok.clone(), poor.clone(), poor]), "no problem, 2 warnings");
        assert_eq!(summary(&[ok]), "all is well");
    }
}
