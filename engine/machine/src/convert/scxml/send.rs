//! `send`: what is sent, to whom, and when.

use roxmltree::Node;

use super::super::yaml::Yaml;
use super::document::Document;
use super::expression::Site;
use super::source::{attribute, text};
use crate::definition::duration;

/// The processor of events that ours are: the names SCXML has for it.
const PROCESSORS: [&str; 3] =
    ["scxml", "http://www.w3.org/TR/scxml", "http://www.w3.org/TR/scxml/#SCXMLEventProcessor"];

/// To whom an event goes.
enum Target {
    /// The instance itself, as an event from outside.
    Own,
    /// The instance itself, at once.
    Internal,
    /// As `to:` says it.
    To(Yaml),
    /// An expression that gives an address of SCXML.
    Computed(String),
}

impl Document<'_> {
    pub(super) fn send(&self, node: Node<'_, '_>) -> Option<Yaml> {
        let literal = attribute(node, "eventexpr").is_none();
        let event = if literal {
            self.event_name(node).map(Yaml::text)
        } else {
            self.template(node, "eventexpr")
        };
        self.processor(node);
        let with = self.payload(node);
        let target = self.target(node)?;
        let after = self.delay(node);
        let id = text(node, "id").map(|id| Yaml::text(id.replace("${", "$${")));
        let id_to = self.location(node, "idlocation").map(Yaml::Text);
        let event = event?;
        let raise = || Yaml::map([("raise", Some(event.clone())), ("with", with.clone())]);
        let send = |to: Option<Yaml>| {
            let send = Yaml::map([
                ("event", Some(event.clone())),
                ("to", to),
                ("with", with.clone()),
                ("after", after.clone()),
                ("id", id.clone()),
                ("id_to", id_to.clone()),
            ]);
            Yaml::map([("send", Some(send))])
        };
        match target {
            Target::Own => Some(send(None)),
            Target::To(to) => Some(send(Some(to))),
            Target::Internal => {
                if after.is_some() || !literal {
                    let message = "`#_internal` takes neither a delay nor a computed event";
                    self.source.refuse(node, message);
                }
                Some(raise())
            }
            Target::Computed(address) => {
                let to = Yaml::Text(format!("${{ {} }}", address_of(&address)));
                if !literal || after.is_some() || is_ours(&address) {
                    return Some(send(Some(to)));
                }
                let internal = Yaml::map([
                    ("when", Some(Yaml::Text(format!("({address}) == '#_internal'")))),
                    ("do", Some(Yaml::List(vec![raise()]))),
                ]);
                let other = Yaml::map([("do", Some(Yaml::List(vec![send(Some(to))])))]);
                Some(Yaml::map([("if", Some(Yaml::List(vec![internal, other])))]))
            }
        }
    }

    /// Which processor an event goes through: there is only one.
    fn processor(&self, node: Node<'_, '_>) {
        let Some(kind) = attribute(node, "type") else { return };
        if !PROCESSORS.contains(&kind.value().trim()) {
            let message = format!("the processor `{}` has no equivalent", kind.value());
            self.source.refuse_value(&kind, message);
        }
    }

    fn target(&self, node: Node<'_, '_>) -> Option<Target> {
        let computed = match attribute(node, "targetexpr") {
            Some(_) => Some(self.expression(node, "targetexpr", Site::Value)?),
            None => None,
        };
        if attribute(node, "typeexpr").is_some() {
            let kind = self.expression(node, "typeexpr", Site::Value)?;
            let known: Vec<String> = PROCESSORS.iter().map(|it| format!("'{it}'")).collect();
            let address = match (&computed, self.literal_target(node)?) {
                (Some(address), _) => address_of(address),
                (None, Target::Own) => "instance".to_owned(),
                (None, Target::To(Yaml::Text(to))) => format!("'{to}'"),
                (None, Target::To(_) | Target::Internal | Target::Computed(_)) => {
                    self.source.refuse(node, "`typeexpr` with this target has no equivalent");
                    return None;
                }
            };
            // No address is empty: another processor is an error, as SCXML wants it.
            let to = format!("${{ ({kind}) in [{}] ? {address} : '' }}", known.join(", "));
            return Some(Target::To(Yaml::Text(to)));
        }
        match computed {
            Some(address) => Some(Target::Computed(address)),
            None => self.literal_target(node),
        }
    }

    fn literal_target(&self, node: Node<'_, '_>) -> Option<Target> {
        let Some(written) = text(node, "target") else { return Some(Target::Own) };
        if let Some(session) = written.strip_prefix("#_scxml_") {
            let to = Yaml::map([("instance", Some(Yaml::text(session)))]);
            return Some(Target::To(to));
        }
        match written {
            "#_internal" => Some(Target::Internal),
            "#_parent" => Some(Target::To(Yaml::text("parent"))),
            _ => match written.strip_prefix("#_") {
                Some(id) => Some(Target::To(Yaml::Text(format!("invoke.{id}")))),
                None => {
                    let message = format!("target `{written}` has no equivalent");
                    match attribute(node, "target") {
                        Some(attribute) => self.source.refuse_value(&attribute, message),
                        None => self.source.refuse(node, message),
                    }
                    None
                }
            },
        }
    }

    /// `after:`; none where the event is sent at once.
    fn delay(&self, node: Node<'_, '_>) -> Option<Yaml> {
        if attribute(node, "delayexpr").is_some() {
            return self.template(node, "delayexpr");
        }
        let attribute = attribute(node, "delay")?;
        let written = attribute.value().trim();
        let number = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        if number.parse::<f64>().is_ok_and(|number| number == 0.0) {
            return None;
        }
        if let Err(message) = duration::parse(written) {
            self.source.refuse_value(&attribute, message);
        }
        Some(Yaml::text(written))
    }
}

/// Does an expression give an address of ours: who sent an event, or what [`address_of`] made?
fn is_ours(expression: &str) -> bool {
    expression == "event.origin" || expression.contains(".startsWith('#_scxml_') ? ")
}

/// The address of ours that an address of SCXML means, when it is known.
fn address_of(expression: &str) -> String {
    if is_ours(expression) {
        return expression.to_owned();
    }
    let given = format!("({expression})");
    format!(
        "{given} == '#_parent' ? 'parent' \
         : {given}.startsWith('#_scxml_') ? {given}.substring(8) \
         : {given}.startsWith('#_') ? 'invoke.' + {given}.substring(2) : {given}"
    )
}
