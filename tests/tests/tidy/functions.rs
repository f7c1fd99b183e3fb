//! Functions: where they begin and how many rows they take.

use crate::source::Source;

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// The row of `fn`, from 1.
    pub(crate) line: usize,
    /// From `fn` to the closing brace.
    pub(crate) rows: usize,
}

/// All functions of a file, nested ones as well.
pub(crate) fn functions(source: &Source) -> Vec<Function> {
    let code = source.code();
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = at == 0 || !is_name(bytes[at - 1]);
        let name = code[at + 3..].split(|letter: char| !is_name_letter(letter)).next();
        let Some(name) = name.filter(|name| is_word && !name.is_empty()) else { continue };
        let Some(open) = body(bytes, at) else { continue };
        let close = closing(bytes, open);
        let row = |place: usize| code[..place].matches('\n').count() + 1;
        let line = row(at);
        found.push(Function { name: name.to_owned(), line, rows: row(close) - line + 1 });
    }
    found
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The brace that opens the body; none where a `;` ends the declaration.
fn body(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return None,
            b'{' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    None
}

fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

#[test]
fn functions_are_measured_from_fn_to_brace() {
    let text = "trait T { fn no(&self) -> [u8; 4]; }\nfn a(f: fn(u8)) -> u8\nwhere\n{\n  \
                if x { y } \"}\"\n}\nimpl X { const fn b() { fn c() {} } }\n";
    let found = functions(&Source::read(text));
    let told = found.iter().map(|one| (one.name.as_str(), one.line, one.rows)).collect::<Vec<_>>();
    assert_eq!(told, [("a", 2, 5), ("b", 7, 1), ("c", 7, 1)]);
}
