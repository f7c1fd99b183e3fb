//! Rust text by rows, with code, comments and literals told apart.

/// The rows of one file.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) rows: Vec<Row>,
}

/// One row, thrice: as written, its code alone, its comment alone; the rest is spaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) comment: String,
    /// Nothing but a piece of a literal, and punctuation around it.
    pub(crate) is_literal: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(crate) fn read(text: &str) -> Self {
        let letters = text.chars().collect::<Vec<_>>();
        let kinds = kinds(&letters);
        let mut rows = Vec::new();
        let mut row = Row::default();
        let mut has_literal = false;
        for (letter, kind) in letters.iter().zip(kinds) {
            if *letter == '\n' {
                rows.push(finish(std::mem::take(&mut row), has_literal));
                has_literal = false;
                continue;
            }
            has_literal |= kind == Kind::Literal;
            row.text.push(*letter);
            row.code.push(if kind == Kind::Code { *letter } else { ' ' });
            row.comment.push(if kind == Kind::Comment { *letter } else { ' ' });
        }
        if !row.text.is_empty() {
            rows.push(finish(row, has_literal));
        }
        Self { rows }
    }

    /// Rows with their numbers, from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &Row)> {
        self.rows.iter().enumerate().map(|(index, row)| (index + 1, row))
    }

    /// All code, a row per line.
    pub(crate) fn code(&self) -> String {
        let mut all = String::new();
        for row in &self.rows {
            all.push_str(&row.code);
            all.push('\n');
        }
        all
    }
}

fn finish(mut row: Row, has_literal: bool) -> Row {
    let is_bare = |letter: char| letter.is_whitespace() || letter.is_ascii_punctuation();
    row.is_literal = has_literal && row.code.chars().all(is_bare) && row.comment.trim().is_empty();
    row
}

/// What each letter belongs to.
fn kinds(letters: &[char]) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(letters.len());
    while kinds.len() < letters.len() {
        let at = kinds.len();
        let rest = &letters[at..];
        let (kind, length) = piece(rest, at.checked_sub(1).map(|before| letters[before]));
        kinds.resize((at + length).min(letters.len()), kind);
    }
    kinds
}

/// The piece that `rest` begins with: its kind and its length, at least 1.
fn piece(rest: &[char], before: Option<char>) -> (Kind, usize) {
    let in_word = before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    match rest {
        ['/', '/', ..] => (Kind::Comment, until_line_end(rest)),
        ['/', '*', ..] => (Kind::Comment, block(rest)),
        ['"', ..] => (Kind::Literal, quoted(rest)),
        ['r' | 'b' | 'c', ..] if !in_word => match raw(rest) {
            Some(length) => (Kind::Literal, length),
            None => (Kind::Code, 1),
        },
        ['\'', '\\', ..] => (Kind::Literal, quoted_letter(rest)),
        ['\'', _, '\'', ..] => (Kind::Literal, 3),
        _ => (Kind::Code, 1),
    }
}

fn until_line_end(rest: &[char]) -> usize {
    rest.iter().position(|letter| *letter == '\n').unwrap_or(rest.len())
}

fn block(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn quoted_letter(rest: &[char]) -> usize {
    let close = rest.iter().skip(3).position(|letter| *letter == '\'');
    close.map_or(rest.len(), |position| position + 4)
}

/// A raw, byte or C string, if one begins here.
fn raw(rest: &[char]) -> Option<usize> {
    let prefix = rest.iter().take_while(|letter| matches!(letter, 'r' | 'b' | 'c')).count();
    let marks = rest[prefix..].iter().take_while(|letter| **letter == '#').count();
    if rest.get(prefix + marks) != Some(&'"') || prefix > 2 {
        return None;
    }
    if !rest[..prefix].contains(&'r') {
        return (marks == 0).then(|| prefix + quoted(&rest[prefix..]));
    }
    let mut at = prefix + marks + 1;
    while at < rest.len() {
        let tail = rest.get(at + 1..at + 1 + marks);
        if rest[at] == '"' && tail.is_some_and(|tail| tail.iter().all(|letter| *letter == '#')) {
            return Some(at + 1 + marks);
        }
        at += 1;
    }
    Some(rest.len())
}

#[test]
fn code_comments_and_literals_are_told_apart() {
    let text = "let a = \"x // y\"; // z\n/* fn f() { */ b('{', '\\'', 'a) r#\"}\"#\n  \"only\",\n";
    let source = Source::read(text);
    let code = source.rows.iter().map(|row| row.code.trim()).collect::<Vec<_>>();
    assert_eq!(code[0], "let a =         ;");
    assert!(code[1].starts_with("b(   ,     , 'a)"), "{}", code[1]);
    assert!(!code[1].contains(['{', '}']));
    assert_eq!(source.rows[0].comment.trim(), "// z");
    assert!(source.rows[2].is_literal && !source.rows[0].is_literal);
}
