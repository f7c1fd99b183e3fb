//! How a problem looks in a terminal: rustc's shape, drawn by annotate-snippets.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::problem::{Problem, Severity};

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
        let mut report = match self.span {
            Some(span) => {
                let range = span.start..span.end.max(span.start);
                let snippet = Snippet::source(source)
                    .path(self.origin.as_str())
                    .annotation(AnnotationKind::Primary.span(range).label(self.message.as_str()))
                    .annotations(self.also.iter().map(|(also, label)| {
                        AnnotationKind::Context.span(also.start..also.end).label(label.as_str())
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
