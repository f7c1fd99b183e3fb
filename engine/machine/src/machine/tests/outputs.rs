//! How much steps may give (decision 0026).

use super::check::{self, World};
use crate::machine::{CallOutcome, Delta, Input, StepStatus};

const BOUNDED: &str = "
workflow: t
limits: { outputs: 200 }
steps:
  one: { call: p.one, undo: p.unone }
  two: { needs: [one], call: p.two, undo: p.untwo }
  three: { needs: [two], call: p.three }
";

/// A reply of so many bytes.
fn reply(operation: &str, bytes: usize) -> String {
    format!("reply {operation} {{t: {}}}", "x".repeat(bytes))
}

#[test]
fn a_step_that_gives_too_much_fails_and_what_it_did_can_be_taken_back() {
    let mut world = World::new(check::definition(BOUNDED));
    let (one, two) = (reply("p.one", 90), reply("p.two", 150));
    for line in ["start", &one, &two] {
        world.run(line);
    }
    let told = world.out.lines().last().unwrap_or_default().to_owned();
    assert!(told.contains("outputs of steps of "), "{told}");
    assert!(told.contains("bytes exceed the limit of 200 bytes"), "{told}");
    let instance = world.instance.clone().unwrap();
    let progress = instance.progress.as_deref().unwrap();
    let state = progress.graphs[0].steps.get(1).unwrap();
    assert_eq!(state.status, StepStatus::Failed);
    assert_eq!(&*state.error.as_ref().unwrap().code, "outputs_too_large");
    assert_eq!(progress.undo.len(), 2, "nothing of what was done is forgotten");
    // Asked again it may give less.
    let less = reply("p.two", 10);
    for line in ["command retry", &less] {
        world.run(line);
    }
    let told = world.out.lines().last().unwrap_or_default();
    assert_eq!(told, "5 reply p.two -> call p.three | steps");
}

#[test]
fn what_a_step_gives_again_counts_once_and_items_count_too() {
    let text = "
workflow: t
limits: { outputs: 300 }
on_error: fail
steps:
  each: { call: p.each, foreach: { in: \"[1, 2, 3, 4]\", as: one, max_parallel: 1 } }
";
    let mut world = World::new(check::definition(text));
    world.run("start");
    for _ in 0..3 {
        world.run(&reply("p.each", 60));
    }
    assert!(!world.out.contains("failed"), "{}", world.out);
    // The fourth fits, but not what all of them give together, beside them.
    world.run(&reply("p.each", 10));
    assert!(world.out.ends_with("steps failed\n"), "{}", world.out);
}

/// `many` steps of which each needs the one before, but for ten that run at once at the end.
fn many(count: usize) -> World {
    let mut text = String::from("workflow: t\nsteps:\n  s0: { call: p.s0 }\n");
    for at in 1..count {
        let before = at - 1;
        text.push_str(&format!("  s{at}: {{ needs: [s{before}], call: p.s{at} }}\n"));
    }
    World::new(check::definition(&text))
}

#[test]
fn a_decision_about_one_of_many_steps_writes_what_changed_and_no_more() {
    let sizes = |count: usize| {
        let mut world = many(count);
        world.run("start");
        let mut sizes = Vec::new();
        for _ in 0..40 {
            let old = world.instance.clone();
            let call = world.calls.last().unwrap().clone();
            let outcome = CallOutcome::Success(crate::value::Value::from("given"));
            world.tell(&Input::CallReply { call: call.call, attempt: 1, outcome });
            let mut out = crate::machine::Out::default();
            Delta::write(old.as_ref(), world.instance.as_ref().unwrap(), &mut out);
            sizes.push(out.bytes.len());
        }
        sizes
    };
    let (few, more) = (sizes(50), sizes(500));
    // Numbers of steps above 127 take a byte more.
    assert!(few.iter().zip(&more).all(|(few, more)| *more <= few + 8), "{few:?}\n{more:?}");
}
