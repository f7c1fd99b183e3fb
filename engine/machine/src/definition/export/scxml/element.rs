//! Element: a piece of XML in the making.

/// An element with attributes, and with children or text.
#[derive(Clone, Debug)]
pub(super) struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Self>,
    text: Option<String>,
}

impl Element {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new(), text: None }
    }

    /// An element of our own namespace that holds a piece of a definition as JSON.
    pub(super) fn carrying(name: &'static str, json: &str) -> Self {
        // JSON may hold what no XML may.
        let json = json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        Self { text: Some(json), ..Self::new(name) }
    }

    /// The same with an attribute.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// The same with an attribute before those it has.
    pub(super) fn with_first(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.insert(0, (name, value.into()));
        self
    }

    /// The same with an attribute, if there is a value.
    pub(super) fn with_some(self, name: &'static str, value: Option<String>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// The same with a text.
    pub(super) fn saying(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The same with children behind those it has.
    pub(super) fn holding(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    pub(super) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    pub(super) fn push_first(&mut self, child: Self) {
        self.children.insert(0, child);
    }

    /// Is it a state that may hold what states hold?
    pub(super) fn is_real_state(&self) -> bool {
        matches!(self.name, "state" | "parallel")
    }

    /// Is it one value of what goes along?
    pub(super) fn is_param(&self) -> bool {
        self.name == "param"
    }

    /// Does it hold a piece of a definition as it is written?
    pub(super) fn carries(&self) -> bool {
        self.name.starts_with("gearshift:") || self.children.iter().any(Self::carries)
    }

    /// Is every letter in it one that XML can say?
    pub(super) fn is_legal(&self) -> bool {
        self.attributes.iter().all(|(_, value)| is_legal(value))
            && self.text.as_deref().is_none_or(is_legal)
            && self.children.iter().all(Self::is_legal)
    }

    /// The element on lines of its own.
    pub(super) fn write(&self, level: usize, out: &mut String) {
        let lead = "  ".repeat(level);
        out.push_str(&format!("{lead}<{}", self.name));
        for (name, value) in &self.attributes {
            out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        if let Some(text) = &self.text {
            out.push_str(&format!(">{}</{}>\n", inner(text), self.name));
            return;
        }
        if self.children.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push_str(">\n");
        for child in &self.children {
            child.write(level + 1, out);
        }
        out.push_str(&format!("{lead}</{}>\n", self.name));
    }
}

fn is_legal(text: &str) -> bool {
    let legal =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..) && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().all(legal)
}

/// A value between double quotes; readers of XML take line ends for spaces unless they are numbers.
fn escaped(text: &str) -> String {
    inner(text).replace('"', "&quot;")
}

/// Text between two tags.
fn inner(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            '\t' => out.push_str("&#9;"),
            _ => out.push(letter),
        }
    }
    out
}
