//! Variables: whoever starts a document of SCXML may give those at its top a value, and no others.

use super::element::Element;
use super::values::{expression, literal};
use crate::definition::model::{Definition, VarDecl};

/// The variables at the top, and those of a state, each as `datamodel`.
///
/// The order of all of them is kept, so what stands before one that may be given is given, too.
pub(super) fn variables(definition: &Definition) -> (Option<Element>, Option<Element>) {
    let last = definition.vars.iter().rposition(|var| given(var).is_some());
    let (top, inner) = definition.vars.split_at(last.map_or(0, |last| last + 1));
    (model(top), model(inner))
}

fn model(vars: &[VarDecl]) -> Option<Element> {
    let data = vars.iter().map(|var| {
        let written = match (given(var), var.initial.as_const()) {
            (Some(written), _) => written,
            (None, Some(value)) => literal(value),
            (None, None) => expression(&var.initial),
        };
        Element::new("data").with("id", &*var.name).with("expr", written)
    });
    (!vars.is_empty()).then(|| Element::new("datamodel").holding(data.collect::<Vec<_>>()))
}

/// What a variable begins with where nobody gives it a value: `x` of `input.?name.orValue(x)`.
fn given(var: &VarDecl) -> Option<String> {
    let text = expression(&var.initial);
    let begin = format!("input.?{}.orValue(", var.name);
    let written = text.strip_prefix(&begin)?.strip_suffix(')')?;
    let mut depth = 0_i32;
    for letter in written.chars() {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        // The bracket of `orValue` closes before the end: it is part of something else.
        if depth < 0 {
            return None;
        }
    }
    Some(written.to_owned())
}
