//! The keys of `route:`.

use super::keys::Shape::{Count, Data, Expression, List, Map, OneOf, Table, Text};
use super::keys::{Field, key};

pub(super) const ROUTE: &[Field] = &[
    key("rules", OneOf(&[Map(&Table("rule")), List(&Table("rule"))]), "of which one decides"),
    key("default", OneOf(&[Text, Table("otherwise")]), "what is decided where no rule matches"),
];

pub(super) const RULE: &[Field] = &[
    key("name", Text, "its name, where the rules are a list"),
    key("when", Expression, "does it match?"),
    key("priority", Count, "greater is asked first"),
    key("to", Data, "the decision"),
    key("reason", Text, "why, for people"),
    key("with", Data, "what goes on with the decision"),
];

pub(super) const OTHERWISE: &[Field] = &[
    key("to", Data, "the decision"),
    key("reason", Text, "why, for people"),
    key("with", Data, "what goes on with the decision"),
];
