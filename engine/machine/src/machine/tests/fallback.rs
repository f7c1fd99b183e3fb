//! A fallback's result is that of its step, for `set` and for what is taken back.

use super::check::{World, check, definition};
use crate::machine::{Instance, StepStatus};

const PAID: &str = "
workflow: t
vars: { rate: 1, paid: 0 }
steps:
  pay:
    call: p.card
    set: { paid: vars.rate * output.n }
    fallback: { call: p.bill, undo: p.void }
  ship: { needs: [pay], call: p.ship, with: { paid: \"${ vars.paid }\" } }
";

#[test]
fn the_set_of_a_step_keeps_what_its_fallback_gave() {
    check(
        PAID,
        &["start", "fail p.card permanent no", "reply p.bill {n: 7}", "vars", "reply p.ship"],
        "
        1 start -> call p.card | steps
        2 reply p.card -> call p.bill | steps
        3 reply p.bill -> call p.ship | steps
        {\"paid\":7,\"rate\":1}
        4 reply p.ship -> - | done done
    ",
    );
    let text = "
workflow: t
vars: { told: no, way: null }
steps:
  tell:
    publish: a.b
    with: { x: \"${ 1 / 0 }\" }
    set: { told: \"'yes'\" }
    fallback: { call: p.mail }
  choose:
    route: { rules: [{ when: \"false\", to: a }] }
    set: { way: output.to }
    fallback: { call: p.ask }
  wait: { needs: [tell, choose], call: p.wait }
";
    let lines = ["start", "reply p.mail {n: 1}", "reply p.ask {to: b}", "vars"];
    check(
        text,
        &lines,
        "
        1 start -> call p.mail, call p.ask | steps
        2 reply p.mail -> - | steps
        3 reply p.ask -> call p.wait | steps
        {\"told\":\"yes\",\"way\":\"b\"}
    ",
    );
}

#[test]
fn what_a_fallback_gave_and_cannot_be_kept_is_kept_by_retry_and_nothing_is_asked_again() {
    let text = PAID.replace("rate: 1", "rate: null");
    let told = "error.platform.invoke.steps.pay: `mul` does not take (null, int)";
    let start = ["start", "fail p.card permanent no", "reply p.bill {n: 7}"];
    let stuck = format!(
        "
        1 start -> call p.card | steps
        2 reply p.card -> call p.bill | steps
        3 reply p.bill -> - | steps stuck ({told})"
    );
    check(
        &text,
        &[&start[..], &["command set {rate: 2}", "command retry", "vars", "reply p.ship"]].concat(),
        &format!(
            "{stuck}
        4 command set -> - | steps stuck ({told})
        5 command retry -> call p.ship | steps
        {{\"paid\":14,\"rate\":2}}
        6 reply p.ship -> - | done done
    "
        ),
    );
    check(
        &text,
        &[&start[..], &["command skip", "reply p.ship"]].concat(),
        &format!(
            "{stuck}
        4 command skip -> call p.ship | steps
        5 reply p.ship -> - | done done
    "
        ),
    );
}

fn statuses(world: &World) -> Vec<StepStatus> {
    let instance: &Instance = world.instance.as_ref().unwrap();
    let run = &instance.progress.as_deref().unwrap().graphs[0];
    run.steps.iter().map(|state| state.status).collect()
}

#[test]
fn h5_a_rollback_down_to_a_step_takes_back_its_fallback_and_the_step_is_undone() {
    for from in ["pay", "pay_fallback"] {
        let mut world = World::new(definition(PAID));
        let lines = ["start", "fail p.card permanent no", "reply p.bill {n: 7}"];
        lines.iter().for_each(|line| world.run(line));
        world.run(&format!("command rollback {from}"));
        let began = "-> cancel p.ship, call p.void | steps compensating\n";
        assert!(world.out.ends_with(began), "{}", world.out);
        world.run("reply p.void");
        use StepStatus::{Pending, Undone};
        assert_eq!(statuses(&world), [Undone, Undone, Pending], "{from}");
        world.run("command retry");
        assert!(world.out.ends_with("command retry -> call p.card | steps\n"), "{}", world.out);
    }
}

#[test]
fn h5_the_fallback_of_a_step_that_needs_the_one_named_is_taken_back_with_it() {
    let text = "
workflow: t
steps:
  first: { call: p.first, undo: p.un_first }
  named: { needs: [first], call: p.named }
  last: { needs: [named], call: p.last, fallback: { call: p.other, undo: p.un_other } }
  end: { needs: [last], call: p.end }
";
    let mut world = World::new(definition(text));
    let lines = [
        "start",
        "reply p.first",
        "reply p.named",
        "fail p.last permanent no",
        "reply p.other",
        "command rollback named",
        "reply p.un_other",
    ];
    lines.iter().for_each(|line| world.run(line));
    let end = "reply p.un_other -> - | steps stuck (rolled back by hand)\n";
    assert!(world.out.ends_with(end), "{}", world.out);
}
