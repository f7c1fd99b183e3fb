//! Variables: whoever starts a document of SCXML may give those at its top a value, and no others.

use super::document::Export;
use super::element::Element;
use super::values::expression;
use crate::definition::expr::Template;
use crate::definition::model::VarDecl;
use crate::definition::parse::canonical;

/// The variables at the top, and those of a state, each as `datamodel`.
///
/// The order of all of them is kept; what stands before one that may be given stands at the top
/// too, and is marked.
pub(super) fn variables(export: &Export<'_>) -> (Option<Element>, Option<Element>) {
    let vars = &export.definition.vars;
    let last = vars.iter().rposition(|var| given(var).is_some());
    let (top, inner) = vars.split_at(last.map_or(0, |last| last + 1));
    (model(export, top), model(export, inner))
}

fn model(export: &Export<'_>, vars: &[VarDecl]) -> Option<Element> {
    let data = vars.iter().map(|var| data(export, var));
    (!vars.is_empty()).then(|| Element::new("datamodel").holding(data.collect::<Vec<_>>()))
}

fn data(export: &Export<'_>, var: &VarDecl) -> Element {
    let element = Element::new("data").with("id", &*var.name);
    if let Some(written) = given(var) {
        return element.with("expr", written);
    }
    let element = element.with("gearshift:given", "never");
    let native = match &var.initial {
        Template::Const(value) => Some(element.clone().saying(value.to_json())),
        other @ (Template::Expr(_) | Template::Text(_) | Template::List(_) | Template::Map(_)) => {
            export.said(element.clone(), other, &[])
        }
    };
    native.filter(Element::is_legal).unwrap_or_else(|| {
        let written = export.root.get("vars").and_then(|vars| vars.get(&var.name));
        element.with("gearshift:data", written.map(canonical).unwrap_or_default())
    })
}

/// What a variable begins with where nobody gives it a value: `x` of `input.?name.orValue(x)`.
fn given(var: &VarDecl) -> Option<String> {
    let Template::Expr(_) = &var.initial else { return None };
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
