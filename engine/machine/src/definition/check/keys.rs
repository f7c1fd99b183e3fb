//! Every key of the format, once: unknown keys are found with these tables, and the JSON Schema is
//! made of them.

use super::{keys_plugins, keys_route, keys_schedule};

/// A key of a mapping.
pub(crate) struct Field {
    /// The key.
    pub(crate) name: &'static str,
    /// What stands behind it.
    pub(crate) shape: Shape,
    /// What it is for, in a few words.
    pub(crate) doc: &'static str,
}

/// What stands behind a key, for the schema.
pub(crate) enum Shape {
    /// Any text.
    Text,
    /// An expression.
    Expression,
    /// A duration.
    Duration,
    /// `true` or `false`.
    Bool,
    /// A whole number from 1.
    Count,
    /// Any data; texts may hold `${ … }`.
    Data,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A mapping described by the table of that name.
    Table(&'static str),
    /// A list.
    List(&'static Self),
    /// A mapping from names the author chooses.
    Map(&'static Self),
    /// One of these.
    OneOf(&'static [Self]),
    /// Nothing.
    Null,
    /// A shape with a name, because it contains itself.
    Named(&'static str),
}

use Shape::{
    Bool, Count, Data, Duration, Expression, List, Map, Named, Null, OneOf, Table, Text, Words,
};

pub(super) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field { name, shape, doc }
}

const NAMES: Shape = OneOf(&[Text, List(&Text)]);
const TRANSITIONS: Shape = Named("transitions");
const ACTIONS: Shape = Named("actions");
const STATES: Shape = Map(&OneOf(&[Table("state"), Null]));
const INITIAL: Shape = OneOf(&[Text, List(&Text), Table("initial")]);
const ON: Shape = OneOf(&[Map(&TRANSITIONS), List(&Table("trigger"))]);
const ALWAYS: Shape = TRANSITIONS;
const AFTER: Shape = Map(&TRANSITIONS);
const DEFER: Shape = OneOf(&[Text, List(&Text), Table("defer")]);
const STEPS: Shape = OneOf(&[Map(&Table("step")), List(&Table("step"))]);
const MODE: Shape = Words(&["sequential", "parallel", "conditional", "pipeline"]);
const ON_GRAPH_FAILURE: Shape = Words(&["abort", "rollback"]);
const CACHE: Shape = OneOf(&[Duration, Table("cache")]);
const UNHANDLED: Shape = Words(&["discard", "defer", "dead_letter", "reject"]);

const ROOT: &[Field] = &[
    key("workflow", Text, "the name of the workflow"),
    key("version", Count, "the version, from 1; a deployed version never changes"),
    key("derived_from", Count, "of a version with further steps: the one it comes from"),
    key("title", Text, "what people call it"),
    key("correlate", Expression, "the key of the instance an event belongs to"),
    key(
        "events",
        OneOf(&[Map(&OneOf(&[Table("event"), Null])), List(&Text)]),
        "the events that are captured from the bus",
    ),
    key("schedules", Map(&Table("schedule")), "when it starts by itself"),
    key("plugins", Map(&Table("plugin")), "what it asks of the plugins it calls"),
    key("vars", Map(&Data), "the variables and their first values"),
    key("initial", INITIAL, "the state entered first; the first one by default"),
    key("states", STATES, "the states"),
    key("on", ON, "transitions of every state, by event"),
    key("always", ALWAYS, "transitions without event"),
    key("after", AFTER, "transitions after a time"),
    key("defer", DEFER, "events kept for later"),
    key("unhandled", UNHANDLED, "what becomes of an event that nobody takes"),
    key("on_error", Words(&["suspend", "ignore", "fail"]), "what an unhandled error does"),
    key("limits", Table("limits"), "lower limits than the engine's"),
    key("actions", Map(&ACTIONS), "actions with names"),
    key("steps", STEPS, "a workflow of steps alone: what runs, and what each waits for"),
    key("mode", MODE, "the order of the steps; that of their needs by default"),
    key("on_failure", ON_GRAPH_FAILURE, "what a step that failed for good does to the steps"),
    key("timeout", Duration, "the time of all steps together"),
    key("max_parallel", Count, "how many steps run at once"),
    key("finally", ACTIONS, "actions when the steps are over, however they ended"),
    key("output", Data, "the result of the steps; that of the last one by default"),
];

const STATE: &[Field] = &[
    key("entry", ACTIONS, "actions when the state is entered"),
    key("exit", ACTIONS, "actions when the state is left"),
    key("on", ON, "transitions by event"),
    key("always", ALWAYS, "transitions without event, taken as soon as their guard is true"),
    key("after", AFTER, "transitions after a time in the state"),
    key("done", TRANSITIONS, "where to go when the children, or the calls, are done"),
    key("failed", TRANSITIONS, "where to go when a call failed for good"),
    key("defer", DEFER, "events kept until another state takes them"),
    key("unhandled", UNHANDLED, "what becomes of an event that nobody takes"),
    key("approval", OneOf(&[Table("approval"), Bool, Null]), "a person decides"),
    key(
        "invoke",
        OneOf(&[Table("invoke"), List(&Table("invoke"))]),
        "calls and child workflows with an id",
    ),
    key("initial", INITIAL, "the child entered by default; the first one if absent"),
    key("states", STATES, "children, of which one is active"),
    key("parallel", STATES, "regions, which are all active"),
    key("final", Bool, "does entering it end the parent?"),
    key("output", Data, "the result of a final state, or of the steps"),
    key("history", Words(&["shallow", "deep"]), "stands for what was active before"),
    key("default", TRANSITIONS, "where a history state leads the first time"),
    key("run", OneOf(&[Text, Table("run")]), "a workflow that runs as a child; done when it is"),
    key("steps", STEPS, "what runs while the state is active, and what each waits for"),
    key("mode", MODE, "the order of the steps; that of their needs by default"),
    key("on_failure", ON_GRAPH_FAILURE, "what a step that failed for good does to the steps"),
    key("timeout", Duration, "the time of all steps together"),
    key("max_parallel", Count, "how many steps run at once"),
    key("finally", ACTIONS, "actions when the steps are over, however they ended"),
];

const STEP: &[Field] = &[
    key("id", Text, "its name, where the steps are a list"),
    key("title", Text, "what people call it"),
    key("metadata", Data, "kept as it is, for people and tools"),
    key("call", Text, "plugin.operation"),
    key("run", OneOf(&[Text, Table("run")]), "a workflow that runs as a child"),
    key("publish", Text, "a subject"),
    key("wait", OneOf(&[Text, List(&Text), Table("wait")]), "the events it waits for"),
    key("route", Table("route"), "rules that decide something"),
    key("approval", OneOf(&[Table("approval"), Bool, Null]), "a person decides"),
    key("checkpoint", Text, "a point to fork from"),
    key("begin", Data, "a transaction that it begins and joins, by name"),
    key("commit", Data, "a transaction whose work stays, by name"),
    key("rollback", Data, "a transaction whose work is taken back, by name"),
    key("set", Map(&Expression), "variables and their new values; beside a call what to keep"),
    key("with", Data, "the input, or the payload"),
    key("needs", OneOf(&[Text, List(&Text), Table("needs")]), "the steps it waits for"),
    key("when", Expression, "is it needed at all?"),
    key("timeout", Duration, "the time of one attempt"),
    key("deadline", Duration, "the time of all attempts and items together"),
    key("retry", Table("retry"), "how often a call is tried"),
    key("optional", Bool, "is its failure only a warning?"),
    key("critical", Bool, "the opposite of optional"),
    key(
        "on_failure",
        Words(&["abort", "skip", "retry", "fallback"]),
        "what its failure does, when no attempt is left",
    ),
    key("fallback", OneOf(&[Text, Table("step")]), "the step that runs when this one failed"),
    key("undo", OneOf(&[Text, Table("undo")]), "the call that takes it back"),
    key("foreach", Table("foreach"), "the same for each item of a list"),
    key("cache", CACHE, "how long the call's result answers the same call again"),
];

const NEEDS: &[Field] = &[
    key("all", NAMES, "all of these are over"),
    key("any", NAMES, "one of these succeeded"),
    key("n_of", Count, "so many of `of` succeeded"),
    key("of", NAMES, "the steps that `n_of` counts"),
];

const WAIT: &[Field] = &[
    key("event", NAMES, "the events"),
    key("when", Expression, "only one for which this is true"),
];

const UNDO: &[Field] = &[
    key("call", Text, "plugin.operation"),
    key("with", Data, "the input; what the call was given and gave if absent"),
    key("timeout", Duration, "the time of one attempt"),
    key("retry", Table("retry"), "how often it is tried"),
];

const CACHE_TABLE: &[Field] = &[
    key("ttl", Duration, "how long"),
    key("key", Data, "what makes two calls the same; the whole input by default"),
];

const FOREACH: &[Field] = &[
    key("in", Expression, "the list"),
    key("as", Text, "the name of the item; item by default"),
    key("index", Text, "the name of its index"),
    key("max_parallel", Count, "how many items at once; 32 by default"),
    key("collect", Words(&["first_error", "all", "partial"]), "what failing items do"),
    key(
        "aggregate",
        OneOf(&[
            Words(&["list", "merge", "union", "intersect", "statistical"]),
            Table("aggregate"),
        ]),
        "what becomes of the results; a list by default",
    ),
];

const AGGREGATE: &[Field] =
    &[key("statistical", Text, "the member of each result that is a number")];

const TRANSITION: &[Field] = &[
    key("name", Text, "a name for history and pictures"),
    key("when", Expression, "the guard"),
    key("do", ACTIONS, "actions on the way"),
    key("to", NAMES, "the target; none stays where it is"),
    key("internal", Bool, "does it stay inside its compound state?"),
    key("failed", TRANSITIONS, "where to go when a call on the way failed for good"),
];

const TRIGGER: &[Field] = &[
    key("event", NAMES, "the events it waits for"),
    key("name", Text, "a name for history and pictures"),
    key("when", Expression, "the guard"),
    key("do", ACTIONS, "actions on the way"),
    key("to", NAMES, "the target; none stays where it is"),
    key("internal", Bool, "does it stay inside its compound state?"),
    key("failed", TRANSITIONS, "where to go when a call on the way failed for good"),
];

const ARROW: &[Field] = &[key("to", NAMES, "the target"), key("do", ACTIONS, "actions on the way")];

const EVENT: &[Field] = &[
    key("start", Bool, "does it start an instance when none has its key?"),
    key("buffer", Duration, "how long it waits for its instance"),
    key("dead_letter", Bool, "does it become a dead letter when no instance has its key?"),
    key("subject", Text, "where it is captured; `{token}` stands for any token"),
    key("correlate", Expression, "the key of the instance it belongs to"),
];

const DEFER_TABLE: &[Field] =
    &[key("events", NAMES, "the events"), key("ttl", Duration, "how long they are kept")];

const LIMITS: &[Field] = &[
    key("microsteps", Count, "microsteps of one event"),
    key("internal_events", Count, "internal events queued by one event"),
    key("actions", Count, "actions and loop iterations of one event"),
    key("effects", Count, "effects of one event"),
    key("outputs", Count, "bytes of all outputs of steps together"),
    key("vars", Count, "bytes of all variables"),
];

const APPROVAL: &[Field] = &[
    key("title", Data, "what the task list shows"),
    key("assign", Data, "the person asked"),
    key("choices", List(&Text), "the choices; approve and reject by default"),
    key("event", Text, "the event a decision becomes; user.action by default"),
    key("roles", NAMES, "who may decide"),
    key("not", OneOf(&[Words(&["initiator"]), List(&Words(&["initiator"]))]), "who may not"),
    key("need", Count, "how many persons must agree"),
];

const INVOKE: &[Field] = &[
    key("id", Text, "its events are done.invoke.<id> and error.….invoke.<id>"),
    key("call", Text, "plugin.operation"),
    key("with", Data, "the input; the event's data if absent"),
    key("timeout", Duration, "the time of one attempt"),
    key("retry", Table("retry"), "how often it is tried"),
    key("set", Map(&Expression), "what to keep of the output"),
    key("undo", OneOf(&[Text, Table("undo")]), "the call that takes it back"),
    key("workflow", Text, "a workflow that runs as a child: name, or name@version"),
    key("forward", Bool, "does the child get a copy of every event?"),
    key("id_to", Text, "the variable that receives the id"),
];

const RUN: &[Field] = &[
    key("workflow", Text, "name, or name@version"),
    key("with", Data, "the child's input; the event's data if absent"),
    key("set", Map(&Expression), "what to keep of the child's output"),
    key("forward", Bool, "does the child get a copy of every event?"),
];

const RECIPIENT: &[Field] = &[key("instance", Text, "workflow/key")];

const ACTION: &[Field] = &[
    key("call", Text, "plugin.operation"),
    key("publish", Text, "a subject"),
    key("set", Map(&Expression), "variables and their new values"),
    key("raise", Text, "an internal event"),
    key("log", OneOf(&[Table("log"), Text]), "a line in the history"),
    key("timer", Table("timer"), "an event after a time"),
    key("send", OneOf(&[Table("send"), Text]), "an event to itself or to another instance"),
    key("cancel", Text, "the id of a timer"),
    key("if", OneOf(&[Table("branch"), List(&Table("branch"))]), "the first branch that is true"),
    key("each", Table("each"), "the same for each item of a list"),
    key("route", Table("route"), "rules that decide something"),
    key("checkpoint", Text, "a point to fork from"),
    key("with", Data, "the input, or the payload"),
    key("timeout", Duration, "the time of one attempt of a call"),
    key("retry", Table("retry"), "how often a call is tried"),
    key("undo", OneOf(&[Text, Table("undo")]), "the call that takes a call back"),
    key("cache", CACHE, "how long the call's result answers the same call again"),
];

const RETRY_KIND: Shape =
    Words(&["retryable", "timeout", "plugin_not_found", "invalid_reply", "permanent"]);

const RETRY: &[Field] = &[
    key("attempts", Count, "attempts in all, the first included"),
    key("max", Count, "attempts after the first"),
    key("backoff", Text, "the wait between them: 5s, or 2s..1m to double it"),
    key("delay", Duration, "the wait between them, always the same"),
    key("jitter", Bool, "shorten each wait by up to a half?"),
    key(
        "on",
        OneOf(&[RETRY_KIND, List(&RETRY_KIND)]),
        "the kinds of failures that are tried again",
    ),
];

const LOG: &[Field] = &[key("label", Text, "what it is about"), key("value", Data, "what to show")];

const SEND: &[Field] = &[
    key("event", Text, "the event"),
    key("with", Data, "its payload"),
    key("after", Duration, "how much later"),
    key("id", Text, "the name that cancel knows it by"),
    key("id_to", Text, "the variable that receives the id"),
    key("replace", Bool, "re-arm instead of adding another?"),
    key(
        "to",
        OneOf(&[Text, Table("recipient")]),
        "parent, invoke.<id> or { instance: workflow/key }; the instance itself if absent",
    ),
];

const TIMER: &[Field] = &[
    key("id", Text, "the name that cancel knows it by"),
    key("after", Duration, "how much later"),
    key("event", Text, "the event; timer.expired by default"),
    key("replace", Bool, "re-arm instead of adding another?"),
];

const BRANCH: &[Field] =
    &[key("when", Expression, "the guard; absent in the last branch"), key("do", ACTIONS, "then")];

const EACH: &[Field] = &[
    key("in", Expression, "the list"),
    key("as", Text, "the name of the item; item by default"),
    key("index", Text, "the name of its index"),
    key("do", ACTIONS, "what to do with each"),
];

/// All tables, by name; `root` is the definition itself.
pub(crate) const TABLES: &[(&str, &[Field])] = &[
    ("root", ROOT),
    ("state", STATE),
    ("step", STEP),
    ("needs", NEEDS),
    ("wait", WAIT),
    ("undo", UNDO),
    ("cache", CACHE_TABLE),
    ("foreach", FOREACH),
    ("aggregate", AGGREGATE),
    ("transition", TRANSITION),
    ("trigger", TRIGGER),
    ("initial", ARROW),
    ("event", EVENT),
    ("schedule", keys_schedule::SCHEDULE),
    ("plugin", keys_plugins::PLUGIN),
    ("breaker", keys_plugins::BREAKER),
    ("defer", DEFER_TABLE),
    ("limits", LIMITS),
    ("approval", APPROVAL),
    ("invoke", INVOKE),
    ("run", RUN),
    ("recipient", RECIPIENT),
    ("action", ACTION),
    ("route", keys_route::ROUTE),
    ("rule", keys_route::RULE),
    ("otherwise", keys_route::OTHERWISE),
    ("retry", RETRY),
    ("log", LOG),
    ("send", SEND),
    ("timer", TIMER),
    ("branch", BRANCH),
    ("each", EACH),
];

/// The table `name`; empty where there is none.
pub(crate) fn table(name: &str) -> &'static [Field] {
    TABLES.iter().find(|(known, _)| *known == name).map_or(&[], |(_, fields)| *fields)
}
