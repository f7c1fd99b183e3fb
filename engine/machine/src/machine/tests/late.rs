//! Time that is over by a person's hand (row E4).

use super::check::{World, definition};
use crate::machine::TimerKind;

#[test]
fn e4_a_deadline_that_a_person_fired_or_moved_says_so() {
    let text = "
workflow: t
timeout: 2h
steps:
  a: { call: p.a, timeout: 3h, deadline: 1h }
";
    let at = |lines: &[&str], which: &str, order: &str, then: &[&str]| {
        let mut world = World::new(definition(text));
        lines.iter().for_each(|line| world.run(line));
        let timers = world.instance.as_ref().unwrap().timers.iter();
        let named = |kind: &TimerKind| match kind {
            TimerKind::Steps { step: Some(_), .. } => which == "step",
            TimerKind::Steps { step: None, .. } => which == "all",
            TimerKind::CallDeadline { .. } => which == "call",
            TimerKind::After { .. }
            | TimerKind::Send { .. }
            | TimerKind::SendTo { .. }
            | TimerKind::CallRetry { .. }
            | TimerKind::DeferredExpiry { .. }
            | TimerKind::MoreSteps { .. }
            | TimerKind::Retention => false,
        };
        let id = timers.clone().find(|timer| named(&timer.kind)).unwrap().id;
        world.run(&format!("command {}", order.replace("ID", &id.to_string())));
        then.iter().for_each(|line| world.run(line));
        world.out.lines().last().unwrap_or_default().to_owned()
    };
    let began = ["start", "advance 12s"];
    let fired = at(&began, "step", "fire ID", &[]);
    assert!(fired.contains("step `a` was ended after 12s of 1h: `ops` fired its timer"), "{fired}");
    let fired = at(&began, "all", "fire ID", &[]);
    let told = "the steps together were ended after 12s of 2h";
    assert!(fired.contains(told), "{fired}");
    let moved = at(&began, "step", "move ID -1800000", &["advance 1h"]);
    assert!(moved.contains("step `a` was ended after 30m of 1h: its timer was moved"), "{moved}");
    let later = at(&began, "step", "move ID 1800000", &["advance 90m"]);
    assert!(later.contains("step `a` took longer than 1h"), "{later}");
    let call = at(&began, "call", "fire ID", &[]);
    assert!(call.contains("no answer within 3h; `ops` fired its timer"), "{call}");
}
