//! Reasons as people and programs read them: the names that the engine gives to its own events are
//! no words.

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
    // What failed and the engine's event of it have the same word.
    if text.contains(TWICE) { text.replace(TWICE, "failed: ") } else { text }
}

const TWICE: &str = "failed: failed: ";

/// A note without the reason of an order where the rollback that it began repeats it.
fn once(note: &str) -> &str {
    let Some((reason, behind)) = note.split_once("; rolling back: ") else { return note };
    let again = behind.strip_prefix("by hand: ").unwrap_or(behind);
    if again.starts_with(reason) { note.get(reason.len() + 2..).unwrap_or(note) } else { note }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
