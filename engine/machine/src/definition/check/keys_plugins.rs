//! The keys of `plugins:`.

use super::keys::Shape::{Count, Duration, List, OneOf, Table, Text, Words};
use super::keys::{Field, Shape, key};

const CRITERION: Shape = Words(&["performance", "reliability"]);

pub(super) const PLUGIN: &[Field] = &[
    key(
        "breaker",
        OneOf(&[Words(&["off"]), Table("breaker")]),
        "when its calls are held because the last ones failed; 5 failures, 30 s by default",
    ),
    key(
        "balance",
        Words(&["group", "random", "round_robin", "least_in_flight", "weighted", "resource"]),
        "which instance gets a call; group by default: whichever the bus picks",
    ),
    key("prefer", OneOf(&[CRITERION, List(&CRITERION)]), "what counts beside the priority"),
    key("concurrency", Count, "calls of one engine under way at once"),
    key("rate", Text, "calls that one engine sends, such as 100/s or 5/m"),
    key("per", Text, "both limits hold for each value of it, such as ${ input.customer }"),
];

pub(super) const BREAKER: &[Field] = &[
    key("threshold", Count, "failures in a row that open it; 5 by default"),
    key("reset", Duration, "how long it stays open before one call is tried; 30s by default"),
    key("open", Words(&["wait", "fail"]), "what calls do while it is open; wait by default"),
];
