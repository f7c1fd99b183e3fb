//! How far instances came, and what a key means of which a transaction is named.

use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::{Clocks, Fork, Start};
use gearshift_tests::world::{Answer, Recorded, World};
use serde_json::json;

use crate::flows::{each, problem};

/// The last of four steps fails; one is left out.
const JOB: &str = "
workflow: job
version: 1
mode: sequential
on_error: fail
steps:
  one: { call: recorded.work, with: one }
  never: { when: 'false', call: recorded.work, with: never }
  bad: { call: recorded.work, with: bad }
  cut: { call: recorded.work, with: cut }
";

/// The transaction is called as the instance is.
const SAGA: &str = "
workflow: saga
version: 1
correlate: data.key
events: { saga.goes_on: {} }
mode: sequential
steps:
  begin: { begin: { name: '${ key }' } }
  book: { call: recorded.work, with: book, undo: { call: recorded.work, with: undo } }
  stop: { wait: saga.goes_on }
  commit: { commit: '${ key }' }
";

fn start(world: &World, workflow: &str, key: &str) {
    let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
    let order = Start { workflow, key, input: json!({}), ..Start::default() };
    world.run(world.client().start(&order)).unwrap();
}

fn plugin() -> Recorded {
    Recorded::new(|seen| match seen.input.as_str() {
        Some("bad") => Answer::Permanent("no".to_owned()),
        _ => Answer::Output(json!({})),
    })
}

fn until(world: &World, key: &str, status: Status) {
    world.until(key, status.as_str(), |seen| (seen.summary.status == status).then_some(()));
}

#[test]
fn progress_counts_what_is_done_for_good() {
    each(JOB, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        start(world, "job", "j");
        until(world, "j", Status::Failed);
        let seen = world.instance("j");
        assert_eq!(seen.steps.progress, Some(0.5), "{:?}", seen.steps);
        assert_eq!((seen.steps.completed_steps, seen.steps.total_steps), (1, 4));
    });
}

#[test]
fn a_key_that_a_transaction_has_too_means_the_instance() {
    each(SAGA, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        start(world, "saga", "k-2026");
        world.until("saga/k-2026", "it waits", |seen| {
            (seen.steps.current_step == ["stop"]).then_some(())
        });
        // The key, and a part at its end.
        for id in ["k-2026", "2026"] {
            assert_eq!(world.instance(id).summary.id, "saga/k-2026");
        }
        assert_eq!(world.instance("transaction/k-2026").summary.id, "transaction/k-2026");
        world.run(client.pause("k-2026", Clocks::Freeze, "")).unwrap();
        world.run(client.resume("k-2026", "")).unwrap();
        let fork = |from: &str| Fork {
            instance: "k-2026".to_owned(),
            from: from.to_owned(),
            key: Some("k-2".to_owned()),
            reason: String::new(),
            dry_run: false,
        };
        let refused = world.run(client.fork(&fork("stop"))).unwrap_err();
        assert_eq!(problem(&refused).code, "GS4039", "{refused}");
        world.run(client.roll_back_transaction("k-2026", "")).unwrap();
        until(world, "k-2026", Status::Failed);
        // From before it, the fork begins a transaction of its own name.
        world.run(client.fork(&fork("begin"))).unwrap();
        world.until("saga/k-2", "it waits", |seen| {
            (seen.steps.current_step == ["stop"]).then_some(())
        });
        assert_eq!(world.instance("transaction/k-2").summary.status, Status::Running);
    });
}
