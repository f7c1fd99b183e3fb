//! `after`: a delayed event that entering the state sends and leaving it cancels.

use super::document::Export;
use super::element::Element;
use super::transitions::edges;
use super::values::expression;
use crate::definition::expr::Template;
use crate::definition::model::{Definition, Delay, Descriptor, StateKind, Trigger};
use crate::definition::parse::Node;
use crate::machine::StateId;

impl Export<'_> {
    /// What arms and cancels the timers of a state, and their transitions.
    ///
    /// The event of a timer is offered to its transition only. There it is an event like others:
    /// where somebody else would take it, `after` stands in the document as it is written.
    pub(super) fn after(&mut self, state: &str, node: &Node) -> (Vec<Element>, Vec<Element>) {
        let Some(id) = self.definition.state_named(state) else { return Default::default() };
        let native = if taken(self.definition, id) { None } else { self.native(state, id, node) };
        native.unwrap_or_else(|| (vec![self.key("after", node)], Vec::new()))
    }

    fn native(
        &mut self,
        state: &str,
        id: StateId,
        node: &Node,
    ) -> Option<(Vec<Element>, Vec<Element>)> {
        let before = self.carried.clone();
        let (mut timers, mut transitions) = (Vec::new(), Vec::new());
        let list = node.entries().unwrap_or_default();
        let list = list.iter().flat_map(|(key, value)| edges(value).map(move |edge| (key, edge)));
        let delays = self.definition.state(id).after.iter().map(|after| &after.delay);
        for (at, ((key, edge), delay)) in list.zip(delays).enumerate() {
            let event = format!("after.{state}.{at}");
            let send = Element::new("send").with("event", &*event).with("id", &*event);
            let send = match delay {
                Delay::Fixed(ms) => send.with("delay", format!("{ms}ms")),
                Delay::Computed(Template::Expr(expr)) => {
                    send.with("delayexpr", expr.source().trim())
                }
                Delay::Computed(text) => send.with("delayexpr", expression(text)),
            };
            let cancel = Element::new("cancel").with("sendid", &*event);
            let part = |element: Element| element.with("gearshift:part", "after");
            timers.push(Element::new("onentry").holding([part(send)]));
            timers.push(Element::new("onexit").holding([part(cancel)]));
            let transition = self.edge(edge).with_first("event", event);
            transitions.push(transition.with("gearshift:after", &*key.text));
        }
        if timers.iter().chain(&transitions).all(Element::is_legal) {
            return Some((timers, transitions));
        }
        self.carried = before;
        None
    }
}

/// Would a `*` somewhere take the event of a timer of this state?
fn taken(definition: &Definition, id: StateId) -> bool {
    let guarded = definition
        .state(id)
        .after
        .iter()
        .any(|after| definition.transition(after.transition).guard.is_some());
    definition.transitions.iter().any(|transition| {
        let Trigger::Events(list) = &transition.trigger else { return false };
        list.contains(&Descriptor::Any) && {
            let source = transition.source;
            let around = source == id || definition.is_descendant(id, source);
            // Timers come first in their own state, and inner states before those around.
            if around { guarded } else { together(definition, source, id) }
        }
    })
}

/// May both states be active at once, where the first one is not around the second?
fn together(definition: &Definition, one: StateId, other: StateId) -> bool {
    if definition.is_descendant(one, other) {
        return true;
    }
    let common = definition.ancestors(one).find(|up| definition.is_descendant(other, *up));
    common.is_some_and(|up| definition.state(up).kind == StateKind::Parallel)
}
