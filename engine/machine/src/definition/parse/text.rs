//! The text as a whole: encoding, size, format.

use super::tree::{Flaw, Node};
use super::{json, yaml};
use crate::definition::codes;
use crate::definition::load::Format;
use crate::definition::problem::{Problem, Span};

/// The largest text, in bytes (01 §10).
pub(crate) const TEXT_MAX: usize = 512 * 1_024;

/// What the reader made of a text: all its documents, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// The trees, in document order; empty documents are left out.
    pub(crate) roots: Vec<Node>,
    /// Everything wrong; a tree is complete up to the first fatal flaw.
    pub(crate) flaws: Vec<Flaw>,
}

/// Bytes → text (row D8).
///
/// # Errors
/// `encoding` with the offset of the first byte that is not plain UTF-8.
pub fn decode<'a>(bytes: &'a [u8], origin: &str) -> Result<&'a str, Vec<Problem>> {
    let problem = |message: String| vec![Problem::new(codes::ENCODING, origin, message)];
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return Err(problem("text is UTF-16 (byte order mark at byte 0)".to_owned()));
        }
        [0, first, ..] | [first, 0, ..] if *first != 0 => {
            let at = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
            return Err(problem(format!("text looks like UTF-16 (zero at byte {at})")));
        }
        _ => {}
    }
    std::str::from_utf8(bytes).map_err(|error| {
        problem(format!("text is not UTF-8: invalid sequence at byte {}", error.valid_up_to()))
    })
}

/// Text → trees.
pub(crate) fn parse(text: &str, format: Format) -> Documents {
    let mut documents = Documents::default();
    if text.len() > TEXT_MAX {
        let message = format!("text of {} bytes exceeds the limit of {TEXT_MAX} bytes", text.len());
        documents.flaws.push(Flaw::new(codes::TOO_LARGE, Span::default(), message));
        return documents;
    }
    if text.starts_with('\u{feff}') {
        let span = Span::new(0, '\u{feff}'.len_utf8());
        let flaw = Flaw::new(codes::ENCODING, span, "byte order mark at byte 0");
        documents.flaws.push(flaw.help("save the file as UTF-8 without a byte order mark"));
        return documents;
    }
    if let Some(at) = text.find('\0') {
        let message = format!("NUL at byte {at}");
        documents.flaws.push(Flaw::new(codes::ENCODING, Span::new(at, at + 1), message));
        return documents;
    }
    let result = match format {
        Format::Yaml => yaml::read(text, &mut documents),
        Format::Json => json::read(text, &mut documents),
    };
    if let Err(flaw) = result {
        documents.flaws.push(flaw);
    } else if documents.roots.is_empty() {
        let flaw = Flaw::new(codes::EMPTY_DEFINITION, Span::default(), "nothing is written here");
        documents.flaws.push(flaw.help("a definition begins with `workflow: <name>`"));
    }
    documents
}
