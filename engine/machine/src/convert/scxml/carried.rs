//! What our own export writes into a document because SCXML has no word for it.

use roxmltree::Node;

use super::super::rewrite::written;
use super::super::yaml::Yaml;
use super::document::Document;
use super::source::{inner_text, name, named, own_attribute, own_name, text};
use super::states::Keys;
use crate::definition::{Format, duration, parsed};

/// What a transition of a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It waits for events.
    On,
    /// It waits for nothing.
    Always,
    /// It waits for a timer of its state.
    After,
    /// It is behind `done` or `failed`.
    Result,
}

/// The role of a transition. A mark holds only as long as the event is the one it was written for.
pub(super) fn role(transition: Node<'_, '_>) -> Role {
    let Some(event) = text(transition, "event") else { return Role::Always };
    let state = transition.parent().and_then(|state| text(state, "id")).unwrap_or_default();
    let marked = |key: &str| own_attribute(transition, "key") == Some(key);
    let timer = format!("after.{state}.");
    if own_attribute(transition, "after").is_some() && event.starts_with(&timer) {
        return Role::After;
    }
    let done = marked("done") && event == format!("done.state.{state}");
    let failed = marked("failed")
        && event == format!("error.communication.invoke.{state} error.platform.invoke.{state}");
    if done || failed { Role::Result } else { Role::On }
}

/// The events of a transition where some are meant exactly.
pub(super) fn exact<'d>(
    transition: Node<'d, '_>,
    event: &str,
) -> Option<impl Iterator<Item = &'d str>> {
    let written = own_attribute(transition, "event")?;
    let plain = written.split_whitespace().map(|it| it.strip_prefix('=').unwrap_or(it));
    plain.eq(event.split_whitespace()).then(|| written.split_whitespace())
}

impl Document<'_> {
    /// A piece of a definition, which stands in the document as JSON.
    pub(super) fn piece(&self, node: Node<'_, '_>, json: &str) -> Option<Yaml> {
        match parsed(json, self.source.origin, Format::Json) {
            Ok(piece) => Some(written(&piece)),
            Err(problems) => {
                let why = problems.first().map(|it| it.message.clone()).unwrap_or_default();
                self.source.refuse(node, format!("the text is not JSON: {why}"));
                None
            }
        }
    }

    /// The keys with those that an element carries; these say more than what SCXML could.
    pub(super) fn with_carried(&self, node: Node<'_, '_>, mut keys: Keys) -> Keys {
        for child in node.children().filter(|child| own_name(*child) == Some("key")) {
            let Some(key) = child.attribute("name") else {
                self.source.missing(child, "`key` has no `name`");
                continue;
            };
            let Some(value) = self.piece(child, &inner_text(child)) else { continue };
            match keys.iter_mut().find(|(known, _)| known == key) {
                Some((_, known)) => *known = value,
                None => keys.push((key.to_owned(), value)),
            }
        }
        keys
    }

    /// `done:` or `failed:` of a state.
    pub(super) fn results(&self, node: Node<'_, '_>, key: &str) -> Option<Yaml> {
        let ours = named(node, "transition")
            .filter(|it| role(*it) == Role::Result && own_attribute(*it, "key") == Some(key));
        let list: Vec<Yaml> = ours.map(|it| self.transition(it, None)).collect();
        (!list.is_empty()).then_some(Yaml::List(list))
    }

    /// `after:` of a state: its transitions by how long they wait.
    pub(super) fn after(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let mut timers: Vec<(String, Vec<Yaml>)> = Vec::new();
        for transition in named(node, "transition").filter(|it| role(*it) == Role::After) {
            let delay = self.delay_of(node, transition)?;
            let edge = self.transition(transition, None);
            match timers.last_mut().filter(|(known, _)| *known == delay) {
                Some((_, edges)) => edges.push(edge),
                None => timers.push((delay, vec![edge])),
            }
        }
        let timers = timers.into_iter().map(|(delay, edges)| (delay, Yaml::List(edges)));
        let timers: Keys = timers.collect();
        (!timers.is_empty()).then_some(Yaml::Map(timers))
    }

    /// How long a timer runs: as it was written, unless its `send` says something else by now.
    fn delay_of(&self, state: Node<'_, '_>, transition: Node<'_, '_>) -> Option<String> {
        let written = own_attribute(transition, "after").unwrap_or_default();
        let event = text(transition, "event");
        let mut sends = named(state, "onentry").flat_map(|block| named(block, "send"));
        let Some(send) = sends.find(|send| text(*send, "event") == event) else {
            self.source.missing(transition, "nobody sends the event of this timer");
            return None;
        };
        let now = text(send, "delay").map(str::to_owned);
        let same = |now: &String| duration::parse(now).ok() == duration::parse(written).ok();
        Some(now.filter(|now| !same(now)).unwrap_or_else(|| written.to_owned()))
    }
}

/// Puts keys into the order of the document where it counts: that of what starts calls and
/// children numbers them.
pub(super) fn order_of_starts(state: Node<'_, '_>, keys: &mut Keys) {
    let order: Vec<&str> = state.children().filter_map(key_of).collect();
    for group in [["entry", "invoke", "run"].as_slice(), &["done", "failed"]] {
        let inside = |key: &str| group.contains(&key);
        let mut sorted: Keys = keys.iter().filter(|(key, _)| inside(key)).cloned().collect();
        sorted.sort_by_key(|(key, _)| order.iter().position(|known| known == key));
        let slots = keys.iter_mut().filter(|(key, _)| inside(key));
        for (slot, next) in slots.zip(sorted) {
            *slot = next;
        }
    }
}

/// The key that an element of a state belongs to.
fn key_of<'d>(child: Node<'d, '_>) -> Option<&'d str> {
    match (name(child), own_name(child)) {
        (Some("onentry"), _) => {
            let mut own = child.children().filter(Node::is_element);
            let timer = own.all(|it| own_attribute(it, "part").is_some());
            (!timer).then_some("entry")
        }
        (Some("invoke"), _) => own_attribute(child, "key").or(Some("invoke")),
        (Some("transition"), _) => own_attribute(child, "key"),
        (None, Some("invoke")) => Some("invoke"),
        (None, Some("key")) => child.attribute("name"),
        _ => None,
    }
}

/// The keys of a definition in the order people write them in.
pub(super) fn in_order(mut keys: Keys) -> Keys {
    const ORDER: [&str; 16] = [
        "workflow",
        "version",
        "title",
        "correlate",
        "events",
        "schedules",
        "on_error",
        "unhandled",
        "defer",
        "limits",
        "vars",
        "initial",
        "states",
        "on",
        "always",
        "after",
    ];
    keys.sort_by_key(|(key, _)| ORDER.iter().position(|it| it == key).unwrap_or(ORDER.len()));
    keys
}
