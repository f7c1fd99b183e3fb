//! What people and programs read: text, tables, JSON, JSON lines or nothing, on stdout.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style as TableStyle};

use super::failure::Failure;
use crate::runtime::LogFormat;

/// How data is written (05 §1, row 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON document per line and item.
    Jsonl,
    /// Nothing; the exit code says it.
    None,
}

/// When to color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// At a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Logs {
    /// For people at a terminal, as JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON document per line.
    Json,
}

impl From<Logs> for LogFormat {
    fn from(logs: Logs) -> Self {
        match logs {
            Logs::Auto => Self::Auto,
            Logs::Text => Self::Text,
            Logs::Json => Self::Json,
        }
    }
}

/// Colors of one stream, or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// May the stream be colored?
    pub(super) color: bool,
}

impl Look {
    fn new(choice: Color, is_terminal: bool) -> Self {
        let color = match choice {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                is_terminal && !refused && !dumb
            }
        };
        Self { color }
    }

    /// What goes to stderr.
    pub(super) fn stderr(choice: Color) -> Self {
        Self::new(choice, std::io::stderr().is_terminal())
    }

    /// Errors.
    pub(super) fn red(self) -> Style {
        self.style(AnsiColor::Red.on_default().bold())
    }

    /// What may go wrong.
    pub(super) fn yellow(self) -> Style {
        self.style(AnsiColor::Yellow.on_default())
    }

    /// What went well.
    pub(super) fn green(self) -> Style {
        self.style(AnsiColor::Green.on_default())
    }

    /// What is beside the point.
    pub(super) fn dim(self) -> Style {
        self.style(Style::new().dimmed())
    }

    fn style(self, style: Style) -> Style {
        if self.color { style } else { Style::new() }
    }
}

/// Where data goes, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// The form.
    pub(super) format: Format,
    /// Colors of stdout.
    pub(super) look: Look,
    /// Does a person look at stdout?
    pub(super) is_terminal: bool,
}

impl Output {
    pub(super) fn new(format: Format, color: Color) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let look = match format {
            Format::Text => Look::new(color, is_terminal),
            Format::Json | Format::Jsonl | Format::None => Look { color: false },
        };
        Self { format, look, is_terminal }
    }

    /// Is text for people wanted?
    pub(super) fn is_text(self) -> bool {
        self.format == Format::Text
    }

    /// One line for people; nothing in the other forms. The line is out when this returns.
    pub(super) fn line(self, text: impl AsRef<str>) -> Result<(), Failure> {
        if !self.is_text() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }

    /// Text as it is, in every form but `none`.
    pub(super) fn raw(self, text: &str) -> Result<(), Failure> {
        if self.format == Format::None {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    /// One JSON document; nothing in text form. A person gets it indented.
    pub(super) fn json<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        let mut text = match self.format {
            Format::Text | Format::None => return Ok(()),
            Format::Json if self.is_terminal => serde_json::to_vec_pretty(value),
            Format::Json | Format::Jsonl => serde_json::to_vec(value),
        }
        .map_err(|error| Failure::new(super::failure::BUG, format!("not JSON: {error}")))?;
        text.push(b'\n');
        let mut out = std::io::stdout().lock();
        out.write_all(&text)?;
        Ok(out.flush()?)
    }

    /// The same, for what is told beside one document: that is written alone.
    pub(super) const fn without_documents(self) -> Self {
        match self.format {
            Format::Json | Format::Jsonl => Self { format: Format::None, ..self },
            Format::Text | Format::None => self,
        }
    }

    /// An array or lines of JSON; nothing for people, who were told in words.
    pub(super) fn list<T: Serialize>(self, items: &[T]) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(&items),
            Format::Jsonl => items.iter().try_for_each(|item| self.json(item)),
            Format::Text | Format::None => Ok(()),
        }
    }

    /// A list: a table for people, an array or lines of JSON for programs.
    pub(super) fn items<T: Serialize>(
        self,
        items: &[T],
        table: &Table<'_, T>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::None => Ok(()),
            Format::Json => self.json(&items),
            Format::Jsonl => items.iter().try_for_each(|item| self.json(item)),
            Format::Text if items.is_empty() => Ok(()),
            Format::Text => self.line(table.render(items)),
        }
    }
}

/// How a list becomes a table: headings, and the cells of one item.
pub(super) struct Table<'a, T> {
    /// One heading per column.
    pub(super) headings: &'a [&'a str],
    /// One cell per column.
    pub(super) cells: fn(&T) -> Vec<String>,
}

impl<T> Table<'_, T> {
    /// Plain columns, two spaces apart: the same at a terminal and in a pipe.
    pub(super) fn render(&self, items: &[T]) -> String {
        let mut rows = Builder::default();
        rows.push_record(self.headings.iter().copied());
        for item in items {
            rows.push_record((self.cells)(item).iter().map(|cell| one_line(cell).into_owned()));
        }
        let mut table = rows.build();
        table.with(TableStyle::empty()).with(Padding::new(0, 2, 0, 0));
        let text = table.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

impl<T> Table<'_, T> {
    /// The same; where a line is longer than that many columns, the first two cells of each row are
    /// in a line of their own, above the others.
    pub(super) fn render_within(&self, items: &[T], columns: usize) -> String {
        let whole = self.render(items);
        if whole.lines().all(|line| line.chars().count() <= columns) {
            return whole;
        }
        let mut rows = vec![self.headings.iter().map(|&text| text.to_owned()).collect()];
        rows.extend(items.iter().map(self.cells));
        let (mut heads, mut rest) = (Vec::new(), Builder::default());
        for mut row in rows {
            let others: Vec<String> = row.split_off(row.len().min(2));
            heads.push(row.iter().map(|cell| one_line(cell)).collect::<Vec<_>>().join(" "));
            rest.push_record(others.iter().map(|cell| one_line(cell).into_owned()));
        }
        let mut rest = rest.build();
        rest.with(TableStyle::empty()).with(Padding::new(0, 2, 0, 0));
        let rest = rest.to_string();
        let lines = heads.iter().zip(rest.lines());
        let lines = lines.map(|(head, rest)| format!("{head}\n  {}", rest.trim_end()));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Words in lines of so many columns where that goes; those behind the first begin with `indent`.
/// Columns that the first line has beside the text are `before`.
pub(super) fn folded(text: &str, columns: usize, before: usize, indent: &str) -> String {
    let (mut folded, mut at) = (String::with_capacity(text.len()), before);
    for (place, word) in text.split(' ').enumerate() {
        let long = word.chars().count();
        if place > 0 && at + 1 + long > columns {
            folded.push('\n');
            folded.push_str(indent);
            at = indent.chars().count();
        } else if place > 0 {
            folded.push(' ');
            at += 1;
        }
        folded.push_str(word);
        at += long;
    }
    folded
}

/// Text from outside without what would steer a terminal (row H17).
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if steers(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// The same in one line: what people wrote in several, as a reason, does not break those around it.
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks =
        |letter: char| matches!(letter, '\n' | '\r' | '\t' | '\u{85}' | '\u{2028}' | '\u{2029}');
    if !text.contains(breaks) {
        return clean(text);
    }
    // What the line begins with is its indent.
    let mut parts = text.split(breaks);
    let mut line = parts.next().unwrap_or_default().trim_end().to_owned();
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    Cow::Owned(clean(&line).into_owned())
}

/// Writes a line to stderr; nobody reading it is no failure.
pub(super) fn tell(text: &str) {
    let mut out = std::io::stderr().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_plain_columns_without_trailing_space() {
        let table = Table::<(&str, &str)> {
            headings: &["ID", "STATE"],
            cells: |item| vec![item.0.to_owned(), item.1.to_owned()],
        };
        let text = table.render(&[("doc-43", "under_review"), ("d\u{1b}[2J", "x")]);
        assert_eq!(text, "ID          STATE\ndoc-43      under_review\nd\\u{1b}[2J  x");
    }

    #[test]
    fn what_was_written_in_several_lines_is_told_in_one() {
        let told = ["  a\r\n\n b", "\u{2028}a\tb\n", "a \u{1b}[2J", "plain  words"].map(one_line);
        assert_eq!(told, ["  a b", "a b", "a \\u{1b}[2J", "plain  words"]);
    }

    #[test]
    fn a_table_that_is_too_wide_has_two_lines_for_each_row() {
        let table = Table::<(&str, &str)> {
            headings: &["PLUGIN", "VERSION", "STATE", "CALLS"],
            cells: |item| [item.0, "1.2.0", item.1, "7"].map(str::to_owned).to_vec(),
        };
        let items = [("a", "active"), ("a-long-name", "on")];
        assert_eq!(table.render_within(&items, 40), table.render(&items));
        let narrow = "PLUGIN VERSION\n  STATE   CALLS\na 1.2.0\n  active  7\na-long-name 1.2.0\n  \
                      on      7";
        assert_eq!(table.render_within(&items, 30), narrow);
    }

    #[test]
    fn what_is_too_long_goes_on_below() {
        assert_eq!(folded("one two three four", 12, 3, "  "), "one two\n  three four");
        assert_eq!(folded("averylongword is", 5, 0, "."), "averylongword\n.is");
        assert_eq!(folded("a  b", 80, 0, ""), "a  b");
    }

    #[test]
    fn color_follows_the_flag_and_the_terminal() {
        assert!(Look::new(Color::Always, false).color);
        assert!(!Look::new(Color::Never, true).color);
        assert!(!Look::new(Color::Auto, false).color);
        assert!(!Output::new(Format::Json, Color::Always).look.color);
    }
}
