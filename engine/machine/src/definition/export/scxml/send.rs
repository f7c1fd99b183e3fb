//! `send` and `timer`: events to itself or to others, at once or later.

use super::actions::Locals;
use super::document::{Export, words};
use super::element::Element;
use super::values::is_location;
use crate::definition::duration;
use crate::definition::expr::Template;
use crate::definition::parse::Node;
use crate::value::Value;

impl Export<'_> {
    pub(super) fn send(
        &self,
        node: &Node,
        with: Option<&Node>,
        locals: &Locals,
    ) -> Option<Vec<Element>> {
        if node.scalar().is_some() {
            let send = self.event(Element::new("send"), node, locals)?;
            let with = with.map(|with| self.payload(with, locals));
            return Some(vec![send.holding(optional(with)?.unwrap_or_default())]);
        }
        let mut send = self.event(Element::new("send"), node.get("event")?, locals)?;
        for (key, value) in node.entries()? {
            send = match &*key.text {
                "event" => send,
                "with" => send.holding(self.payload(value, locals)?),
                "after" => self.delay(send, value, locals)?,
                "id" => send.with("id", plain(&self.template(value, locals)?)?),
                "id_to" if is_location(&words(value)) => send.with("idlocation", words(value)),
                "to" => self.to(send, value, locals)?,
                "replace" if words(value) != "true" => send,
                _ => return None,
            };
        }
        Some(vec![send])
    }

    /// A timer is a `send` with its id as data.
    pub(super) fn timer(&self, node: &Node, locals: &Locals) -> Option<Vec<Element>> {
        let id = node.get("id")?;
        if node.get("replace").is_some_and(|replace| words(replace) == "true") {
            return None;
        }
        let send = match node.get("event") {
            Some(event) => self.event(Element::new("send"), event, locals)?,
            None => Element::new("send").with("event", "timer.expired"),
        };
        let written = plain(&self.template(id, locals)?)?;
        let data = super::values::literal(&Value::from(words(id)));
        let param = Element::new("param").with("name", "timerId").with("expr", data);
        let send = self.delay(send.with("id", written), node.get("after")?, locals)?;
        Some(vec![send.holding([param])])
    }

    fn event(&self, send: Element, node: &Node, locals: &Locals) -> Option<Element> {
        let template = self.template(node, locals)?;
        Some(match plain(&template) {
            Some(event) => send.with("event", event),
            None => send.with("eventexpr", self.whole(&template)?),
        })
    }

    fn delay(&self, send: Element, node: &Node, locals: &Locals) -> Option<Element> {
        let template = self.template(node, locals)?;
        Some(match plain(&template) {
            Some(written) => {
                let ms = duration::parse(&written).ok()?;
                send.with("delay", format!("{ms}ms"))
            }
            None => send.with("delayexpr", self.whole(&template)?),
        })
    }

    fn to(&self, send: Element, node: &Node, locals: &Locals) -> Option<Element> {
        if let Some(instance) = node.get("instance") {
            let template = self.template(instance, locals)?;
            return Some(send.with("target", format!("#_scxml_{}", plain(&template)?)));
        }
        let template = self.template(node, locals)?;
        let Some(written) = plain(&template) else {
            // Who sent an event is an address on both sides; others would have to be translated.
            let address = self.whole(&template).filter(|it| it == "event.origin")?;
            return Some(send.with("targetexpr", address));
        };
        Some(match written.strip_prefix("invoke.") {
            Some(child) => send.with("target", format!("#_{child}")),
            None if written == "parent" => send.with("target", "#_parent"),
            None => send.with("target", format!("#_scxml_{written}")),
        })
    }
}

/// The text of a template without expressions, where XML keeps it as it is.
pub(super) fn plain(template: &Template) -> Option<String> {
    let text = template.as_const().and_then(Value::as_str)?;
    (!text.is_empty() && text.trim() == text).then(|| text.to_owned())
}

/// What is not there is no failure.
#[expect(clippy::option_option, reason = "absent and impossible are two things here")]
fn optional<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}
