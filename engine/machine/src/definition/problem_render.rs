//! How a problem looks in a terminal: rustc's shape, drawn by annotate-snippets.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::problem::{Problem, Severity, Span};

/// Columns that a diagnostic may take; longer lines are cut around the caret.
const WIDTH: usize = 120;

impl Problem {
    /// The problem as text with the line it is about, a caret and advice; ends with a newline.
    ///
    /// `source` must be the text the problem was found in.
    #[must_use]
    pub fn render(&self, source: &str, color: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let code = self.code.to_string();
        let title = level.primary_title(self.title()).id(code);
        let mut report = match self.span.and_then(|span| fitting(source, span)) {
            Some(range) => {
                let snippet = Snippet::source(source)
                    .path(self.origin.as_str())
                    .annotation(AnnotationKind::Primary.span(range).label(self.message.as_str()))
                    .annotations(self.also.iter().filter_map(|(also, label)| {
                        let range = fitting(source, *also)?;
                        Some(AnnotationKind::Context.span(range).label(label.as_str()))
                    }));
                title.element(snippet)
            }
            None => Group::with_title(title)
                .element(Origin::path(self.origin.as_str()))
                .element(Level::NOTE.message(self.message.as_str())),
        };
        if let Some(help) = &self.help {
            report = report.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(WIDTH).decor_style(DecorStyle::Ascii);
        let mut text = renderer.render(&[report]);
        text.push('\n');
        text
    }
}

/// The bytes of `source` that a span covers, whole characters; none where it begins behind its end.
fn fitting(source: &str, span: Span) -> Option<Range<usize>> {
    if span.start > source.len() {
        return None;
    }
    let whole = |at: usize| (0..=at).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
    let start = whole(span.start);
    Some(start..whole(span.end.min(source.len())).max(start))
}

#[cfg(test)]
mod tests {
    use crate::definition::{Problem, Span, codes};

    #[test]
    fn a_span_that_does_not_fit_the_text_is_told_without_panic() {
        let text = "workflow: ä";
        let longer = "x".repeat(40);
        let at = |start, end| {
            let mut problem = Problem::new(codes::TYPE, "a.yaml", "too `odd`");
            problem = problem.at(&longer, Span::new(start, end));
            problem.also.push((Span::new(start, end), "also here".to_owned()));
            problem.render(text, false)
        };
        for (start, end) in [(0, 30), (11, 12), (11, 30), (12, 12), (13, 20), (30, 40), (5, 2)] {
            let told = at(start, end);
            assert!(told.contains("too `odd`"), "{start}..{end}: {told}");
            assert_eq!(told.contains('^'), start <= text.len(), "{start}..{end}: {told}");
        }
    }
}
