//! Reasons as people and programs read them: the names that the engine gives to its own events are
//! no words.

use gearshift_machine::definition::model::Definition;

/// An event as people call it: what the engine makes itself has no name that anybody wrote.
pub(crate) fn event(name: &str) -> &str {
    if name.starts_with("done.state.") || name.starts_with("done.invoke.") {
        "done"
    } else if name.starts_with("error.platform.invoke.") {
        "call failed"
    } else if name.starts_with("error.communication.invoke.") {
        "failed"
    } else if let Some(command) = name.strip_prefix("command ") {
        command
    } else {
        name
    }
}

/// A reason as people read it: without the names that the engine gives to its own events.
pub(crate) fn plain(reason: &str) -> String {
    let words = once(reason).split(' ').map(|word| {
        let (name, end) = word.strip_suffix(':').map_or((word, ""), |name| (name, ":"));
        format!("{}{end}", event(name))
    });
    let text = words.collect::<Vec<_>>().join(" ");
    // What failed and the engine's event of it have the same word, and so has a child's.
    TWICE.iter().fold(text, |told, twice| told.replace(twice, "failed: "))
}

/// The same, with the step whose call it was: the event's own name says it.
pub(crate) fn of_step(reason: &str, definition: &Definition) -> String {
    let words = plain(reason);
    let event = reason.split_once(": ").map_or(reason, |(event, _)| event);
    let Some((_, invoke_id)) = event.split_once(".invoke.") else { return words };
    let behind =
        invoke_id.match_indices('.').filter_map(|(at, dot)| invoke_id.get(at + dot.len()..));
    match behind.into_iter().find(|name| definition.step_named(name).is_some()) {
        // Whether a call was made at all, or its `when` or `foreach` failed, is in what follows.
        Some(step) if event.starts_with("error.") => {
            format!("step `{step}`: {}", words.replacen("call failed: ", "failed: ", 1))
        }
        Some(_) | None => words,
    }
}

const TWICE: [&str; 2] = ["failed: failed: ", "failed: call failed: "];

/// A note without the reason of an order where the rollback that it began repeats it.
fn once(note: &str) -> &str {
    let Some((reason, behind)) = note.split_once("; rolling back: ") else { return note };
    let again = behind.strip_prefix("by hand: ").unwrap_or(behind);
    if again.starts_with(reason) { note.get(reason.len() + 2..).unwrap_or(note) } else { note }
}

#[cfg(test)]
mod tests {
    use gearshift_machine::definition::{Format, load};

    use super::*;

    #[test]
    fn a_failure_of_a_step_names_it() {
        let text = "{ workflow: w, steps: { pay: { call: p.pay }, pay_all: { call: p.all } } }";
        let definition = load(text, "w.yaml", Format::Yaml).unwrap().definition;
        for (reason, told) in [
            ("error.communication.invoke.steps.pay: gone", "step `pay`: failed: gone"),
            ("error.platform.invoke.steps.pay_all: no", "step `pay_all`: failed: no"),
            ("error.platform.invoke.steps.pay: `when`: no", "step `pay`: failed: `when`: no"),
            ("error.platform.invoke.steps.0: no", "call failed: no"),
            ("no key: steps.invoke.steps.pay", "no key: steps.invoke.steps.pay"),
        ] {
            assert_eq!(of_step(reason, &definition), told);
        }
    }

    #[test]
    fn what_the_engine_makes_itself_has_plain_words() {
        let shown = ["done.state.a~1", "done.invoke.a~1.0", "error.platform.invoke.a.0", "go"];
        assert_eq!(shown.map(event), ["done", "done", "call failed", "go"]);
        assert_eq!(event("command skip"), "skip");
        assert_eq!(
            plain("too late; rolling back: by hand: too late"),
            "rolling back: by hand: too late"
        );
        assert_eq!(plain("late; rolling back: no room"), "late; rolling back: no room");
        assert_eq!(plain("failed: error.communication.invoke.a.0: gone"), "failed: gone");
        assert_eq!(
            plain("stuck: error.platform.invoke.a~1.0: `x` no"),
            "stuck: call failed: `x` no"
        );
        assert_eq!(
            plain("error.platform.invoke.a.0: error.platform.invoke.b.0: no"),
            "call failed: no"
        );
    }
}
