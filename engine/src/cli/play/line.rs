//! Lines of `play`: what is typed becomes an order.

use gearshift_machine::definition::model::check_event_name;
use gearshift_machine::machine::{Clocks, Command};
use serde_json::{Map, Value};

use crate::cli::data::member;
use crate::cli::stage::Kind;
use crate::cli::words;

/// What `help` prints.
pub(super) const HELP: &str =
    "  EVENT [k=v … | {json}]         an event; the first one starts an instance
  send EVENT [k=v … | {json}]    the same, for events that are called like an order, or
                                 that no definition here knows
  start [WORKFLOW] [KEY] [k=v … | {json}]
                                 begin a life without an event
  decide CHOICE [k=v …]          decide the open approval; by=NAME says who
  reply OPERATION [k=v …]        answer an open call
  fail OPERATION KIND [MESSAGE]  let it fail: retryable, permanent, plugin_not_found,
                                 invalid_reply, outcome_unknown
  advance 24h                    let time pass; what falls due happens
  cancel, kill, retry, skip      an operator's order
  pause [keep], resume           hold it, with its timers unless they keep running; let it go on
  rollback [STEP]                take back what was done, down to the step
  checkpoint NAME                save a point
  show, vars                     where it is; its variables
  instances                      all that began, children too; `*` is the one in hand
  use KEY | NUMBER               take another one in hand
  new                            leave this instance: the next event may start another
  help, quit";

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// Nothing, or a comment.
    Empty,
    /// An event.
    Event {
        /// Its name.
        name: String,
        /// Its payload.
        data: Value,
        /// `send` says that it is one: a bare word may be a mistyped order.
        sure: bool,
    },
    /// Begin a life.
    Start {
        /// At most two: the workflow, the correlation key, `workflow/key`.
        words: Vec<String>,
        /// The input.
        data: Value,
    },
    /// Decide an approval.
    Decide {
        /// The choice.
        choice: String,
        /// Who decides.
        by: Option<String>,
        /// Further fields.
        data: Value,
    },
    /// Answer a call.
    Reply {
        /// The operation.
        operation: String,
        /// The output.
        data: Value,
    },
    /// Let a call fail.
    Fail {
        /// The operation.
        operation: String,
        /// How.
        kind: Kind,
        /// What it says.
        message: String,
    },
    /// Let time pass, in milliseconds.
    Advance(u64),
    /// An operator's order.
    Order(Command),
    /// Where it is.
    Show,
    /// Its variables.
    Vars,
    /// All instances.
    Instances,
    /// Take another instance in hand.
    Use(String),
    /// Leave the instance.
    New,
    /// What can be typed.
    Help,
    /// End.
    Quit,
}

/// Reads a line.
pub(super) fn read(text: &str) -> Result<Line, String> {
    let text = text.trim();
    let (verb, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let rest = rest.trim();
    if verb.is_empty() || verb.starts_with('#') {
        return Ok(Line::Empty);
    }
    match verb {
        "send" => event(rest, true),
        "start" => start(rest),
        "decide" => decide(rest),
        "reply" => {
            let (operation, data) = split(rest);
            let operation = needed(operation, "an operation: `reply plugin.operation k=v`")?;
            Ok(Line::Reply { operation, data: object(data)? })
        }
        "fail" => fail(rest),
        "advance" => {
            let passed = words::duration(rest)?.as_millis();
            u64::try_from(passed).map(Line::Advance).map_err(|_| format!("`{rest}` is too long"))
        }
        "cancel" => alone(rest, Line::Order(Command::Cancel)),
        "kill" => alone(rest, Line::Order(Command::Kill)),
        "retry" => alone(rest, Line::Order(Command::Retry)),
        "skip" => alone(rest, Line::Order(Command::Skip)),
        "pause" => match rest {
            "keep" => Ok(Line::Order(Command::Pause { clocks: Clocks::Keep })),
            _ => alone(rest, Line::Order(Command::Pause { clocks: Clocks::Freeze })),
        },
        "resume" => alone(rest, Line::Order(Command::Resume)),
        "rollback" => {
            let (step, more) = split(rest);
            let from = (!step.is_empty()).then(|| step.into());
            alone(more, Line::Order(Command::RollBack { from }))
        }
        "checkpoint" => {
            let (name, more) = split(rest);
            let name = needed(name, "a name: `checkpoint NAME`")?;
            alone(more, Line::Order(Command::Checkpoint { name: name.into() }))
        }
        "show" => alone(rest, Line::Show),
        "vars" => alone(rest, Line::Vars),
        "instances" | "ls" => alone(rest, Line::Instances),
        "use" => alone_word(rest).map(Line::Use),
        "new" => alone(rest, Line::New),
        "help" | "?" => alone(rest, Line::Help),
        "quit" | "exit" => alone(rest, Line::Quit),
        _ => event(text, false),
    }
}

/// Words that are orders.
const ORDERS: [&str; 21] = [
    "send",
    "start",
    "decide",
    "reply",
    "fail",
    "advance",
    "cancel",
    "kill",
    "retry",
    "skip",
    "pause",
    "resume",
    "rollback",
    "checkpoint",
    "show",
    "vars",
    "instances",
    "use",
    "new",
    "help",
    "quit",
];

/// The order that a mistyped one may mean, or the one of `events`; in words to follow.
pub(super) fn meant<'a>(word: &str, events: impl IntoIterator<Item = &'a str>) -> String {
    let plain = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let exact = ORDERS.into_iter().find(|order| *order == plain);
    match exact.or_else(|| words::nearest(plain, events.into_iter().chain(ORDERS))) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => "; `help` tells what can be typed".to_owned(),
    }
}

fn alone_word(rest: &str) -> Result<String, String> {
    let (first, more) = split(rest);
    let first = needed(first, "an instance: `use KEY`; `instances` lists them")?;
    alone(more, first)
}

fn alone<T>(rest: &str, line: T) -> Result<T, String> {
    if rest.is_empty() { Ok(line) } else { Err(format!("nothing is due here: `{rest}`")) }
}

fn needed(word: &str, what: &str) -> Result<String, String> {
    if word.is_empty() { Err(format!("this needs {what}")) } else { Ok(word.to_owned()) }
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim())
}

fn event(text: &str, sure: bool) -> Result<Line, String> {
    let (name, data) = split(text);
    let name = needed(name, "the name of an event")?;
    if check_event_name(&name).is_err() {
        return Err(format!("`{name}` is neither an order nor an event{}", meant(&name, [])));
    }
    let data = object(data);
    let data = data.map_err(|reason| match sure {
        true => reason,
        false => format!("`{name}`: {reason}{}", meant(&name, [])),
    })?;
    Ok(Line::Event { name, data, sure })
}

fn start(text: &str) -> Result<Line, String> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let (first, more) = split(rest);
        if first.is_empty() || first.contains(['=', '"', '\'']) || first.starts_with('{') {
            break;
        }
        words.push(first.to_owned());
        rest = more;
    }
    if let Some(more) = words.get(2) {
        return Err(format!("`start WORKFLOW KEY` takes two words, and `{more}` is one more"));
    }
    Ok(Line::Start { words, data: object(rest)? })
}

fn decide(text: &str) -> Result<Line, String> {
    let (choice, data) = split(text);
    let choice = needed(choice, "a choice: `decide approve by=ann`")?;
    let mut data = object(data)?;
    let by = data.as_object_mut().and_then(|members| members.remove("by"));
    let by = by.map(|by| by.as_str().map_or_else(|| by.to_string(), str::to_owned));
    Ok(Line::Decide { choice, by, data })
}

fn fail(text: &str) -> Result<Line, String> {
    let (operation, rest) = split(text);
    let (kind, message) = split(rest);
    let operation = needed(operation, "an operation: `fail plugin.operation permanent`")?;
    let kind = match kind {
        "" | "permanent" => Kind::Permanent,
        "retryable" => Kind::Retryable,
        "plugin_not_found" => Kind::PluginNotFound,
        "invalid_reply" => Kind::InvalidReply,
        "outcome_unknown" => Kind::OutcomeUnknown,
        other => return Err(format!("`{other}` is no kind of failure; `help` lists them")),
    };
    Ok(Line::Fail { operation, kind, message: message.to_owned() })
}

/// `{json}` or members: `title="Q3 report" total=12`.
fn object(text: &str) -> Result<Value, String> {
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"));
    }
    let mut members = Map::new();
    for word in quoted_words(text)? {
        let (name, value) = member(&word)?;
        members.insert(name, value);
    }
    Ok(Value::Object(members))
}

/// Words, where quotes keep spaces together and vanish.
fn quoted_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut inside) = (None, false);
    for letter in text.chars() {
        match (letter, quote) {
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                inside = true;
            }
            (letter, None) if letter.is_whitespace() => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            (letter, _) => {
                word.push(letter);
                inside = true;
            }
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    if inside {
        words.push(word);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_word_is_an_event_with_members_or_json() {
        let event =
            |name: &str, data: Value, sure: bool| Line::Event { name: name.to_owned(), data, sure };
        let read = |text: &str| read(text).unwrap();
        let data = json!({"title": "Q3 report", "total": 12});
        assert_eq!(read(r#"doc.sent title="Q3 report" total=12"#), event("doc.sent", data, false));
        assert_eq!(
            read(r#"doc.sent {"a": [1, 2]}"#),
            event("doc.sent", json!({"a": [1, 2]}), false)
        );
        assert_eq!(read("send start"), event("start", json!({}), true));
        assert_eq!(read("  # a comment"), Line::Empty);
    }

    #[test]
    fn a_mistyped_order_is_no_event() {
        for (text, order) in
            [(":vars", "vars"), (":setp", "help"), ("use", "use"), ("vars!", "vars")]
        {
            let told = read(text).unwrap_err();
            assert!(told.contains(&format!("`{order}")), "{text}: {told}");
        }
        assert_eq!(meant("advnace", []), "; did you mean `advance`?");
        assert_eq!(read("use 2"), Ok(Line::Use("2".to_owned())));
    }

    #[test]
    fn orders_say_what_is_missing() {
        assert_eq!(read("advance 1h 30m"), Ok(Line::Advance(5_400_000)));
        let decided = Line::Decide {
            choice: "approve".to_owned(),
            by: Some("ann".to_owned()),
            data: json!({"note": "ok"}),
        };
        assert_eq!(read("decide approve by=ann note=ok"), Ok(decided));
        let keep = Command::Pause { clocks: Clocks::Keep };
        assert_eq!(read("pause keep"), Ok(Line::Order(keep)));
        let back = Command::RollBack { from: Some("charge".into()) };
        assert_eq!(read("rollback charge"), Ok(Line::Order(back)));
        assert!(read("pause all").is_err());
        assert!(read("checkpoint").is_err());
        for text in ["decide", "reply", "advance", "advance 5", "x=1", "fail a.b odd", "show x"] {
            assert!(read(text).is_err(), "{text}");
        }
        let refused = "`e`: a quote is not closed; `help` tells what can be typed".to_owned();
        assert_eq!(read("e title='a"), Err(refused));
    }
}
