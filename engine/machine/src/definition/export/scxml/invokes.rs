//! Children, and the calls beside them.

use super::document::{Export, words};
use super::element::Element;
use super::values::{as_event_data, expression, is_location, mentions};
use crate::definition::expr::Template;
use crate::definition::parse::{Kind, Node, canonical};
use crate::value::Value;

impl Export<'_> {
    /// `invoke:` of a state.
    pub(super) fn invokes(&mut self, node: &Node) -> Vec<Element> {
        let list: &[Node] = match &node.kind {
            Kind::List(items) => items,
            Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(node),
        };
        let mut elements = Vec::new();
        for invoke in list {
            elements.push(self.child(invoke).unwrap_or_else(|| {
                let kind = if invoke.get("call").is_some() { "call" } else { "invoke" };
                self.carried.insert(kind.to_owned());
                Element::carrying("gearshift:invoke", &canonical(invoke))
            }));
        }
        elements
    }

    /// `run:` of a state.
    pub(super) fn run(&mut self, node: &Node) -> Element {
        let native = match &node.kind {
            Kind::Scalar(_) => self.workflow(node).map(|it| it.with("gearshift:with", "event")),
            Kind::Map(_) | Kind::List(_) => self.child(node),
        };
        native
            .map(|element| element.with("gearshift:key", "run"))
            .unwrap_or_else(|| self.key("run", node))
    }

    /// Which workflow a child runs; the version of one has no place there.
    fn workflow(&self, node: &Node) -> Option<Element> {
        let element = Element::new("invoke").with("type", "scxml");
        match self.template(node, &[])? {
            Template::Const(value) => {
                let name = value.as_str().filter(|name| !name.contains('@'))?;
                Some(element.with("src", format!("{name}.scxml")))
            }
            Template::Expr(expr) => Some(element.with("srcexpr", expr.source().trim())),
            Template::Text(_) | Template::List(_) | Template::Map(_) => None,
        }
    }

    /// A child natively, if that says all of it.
    fn child(&self, node: &Node) -> Option<Element> {
        let mut element = self.workflow(node.get("workflow")?)?;
        let mut finalize = None;
        for (key, value) in node.entries().unwrap_or_default() {
            element = match &*key.text {
                "workflow" => element,
                "id" => element.with("id", words(value)),
                "id_to" => {
                    let path = words(value);
                    if !is_location(&path) {
                        return None;
                    }
                    element.with("idlocation", path)
                }
                "forward" if words(value) == "true" => element.with("autoforward", "true"),
                "forward" => element,
                "with" => element.holding(self.params(value)?),
                "set" => {
                    finalize = Some(Self::finalize(value)?);
                    element
                }
                _ => return None,
            };
        }
        if node.get("with").is_none() {
            // There a child gets what it is given; here the data of the event in hand, then.
            element = element.with("gearshift:with", "event");
        }
        Some(element.holding(finalize)).filter(Element::is_legal)
    }

    /// What a child is given: the whole of it is not one value there.
    fn params(&self, node: &Node) -> Option<Vec<Element>> {
        match self.template(node, &[])? {
            Template::Map(_) => {}
            Template::Const(Value::Map(map)) if map.iter().next().is_none() => {
                return Some(Vec::new());
            }
            Template::Const(Value::Map(_)) => {}
            Template::Const(_) | Template::Expr(_) | Template::Text(_) | Template::List(_) => {
                return None;
            }
        }
        let payload = self.payload(node, &[])?;
        payload.iter().all(Element::is_param).then_some(payload)
    }

    fn finalize(node: &Node) -> Option<Element> {
        let mut finalize = Element::new("finalize");
        for (path, value) in node.entries()? {
            if !is_location(&path.text) {
                return None;
            }
            let value = words(value);
            // There what a child says is the event's data, and nothing else is called so.
            if mentions(&value, "data") || mentions(&value, "event") {
                return None;
            }
            let value = as_event_data(value.trim());
            finalize.push(Element::new("assign").with("location", &*path.text).with("expr", value));
        }
        Some(finalize)
    }

    /// The expression in a template, if it says all of the template.
    pub(super) fn whole(&self, template: &Template) -> Option<String> {
        let exact = matches!(template, Template::Expr(_));
        exact.then(|| expression(template))
    }
}
