//! How lives end: who ended them and why is told wherever an instance is looked at, also behind a
//! crash; and results of calls that are kept are forgotten when a person says so.

use gearshift_client::protocol::command::{ClearCache, Decide, Start};
use gearshift_client::protocol::query::Instances;
use gearshift_client::protocol::view::{EndView, InstanceSummary, StepStatus};
use gearshift_client::protocol::{NoticeKind, Status};
use gearshift_client::{Client, WatchFilter};
use gearshift_tests::world::{Answer, PATIENCE, Recorded, World, eventually_async};
use serde_json::json;

use crate::flows::each;

/// What was done can be taken back, but where the input says so that fails; then somebody is asked.
const JOB: &str = "
workflow: job
version: 1
steps:
  book: { call: recorded.work, with: book, undo: { call: recorded.work, with: '${ input.undo }' } }
  ask: { needs: [book], approval: { title: Go on } }
";

/// It fails as a whole.
const FAILS: &str = "
workflow: fails
version: 1
on_error: fail
steps: { pay: { call: recorded.work, with: refused } }
";

/// What the plugin says for an input is good for an hour.
const CACHED: &str = "
workflow: cached
version: 1
steps:
  look: { call: recorded.work, with: '${ input.id }', cache: { key: '${ input.id }', ttl: 1h } }
  see: { call: recorded.work, with: { see: '${ input.id }' }, cache: 1h }
";

fn plugin() -> Recorded {
    Recorded::new(|seen| match seen.input.as_str() {
        Some("refused") => Answer::Permanent("no money".to_owned()),
        _ => Answer::Output(json!({})),
    })
}

fn start(world: &World, workflow: &str, key: &str, input: serde_json::Value) {
    let (workflow, key) = (workflow.to_owned(), Some(key.to_owned()));
    let order = Start { workflow, key, input, ..Start::default() };
    world.run(world.client().start(&order)).unwrap();
}

fn until(world: &World, key: &str, status: Status) {
    world.until(key, status.as_str(), |seen| (seen.summary.status == status).then_some(()));
}

/// Waits until somebody is asked.
fn asks(world: &World, key: &str) {
    world.until(key, "somebody is asked", |seen| seen.approvals.first().map(drop));
}

/// Those that a filter finds, by key.
fn found(world: &World, filter: &str) -> Vec<InstanceSummary> {
    let filter = Some(filter.to_owned());
    let ask = Instances { filter, ..Instances::default() };
    let mut items = world.run(world.client().instances(&ask)).unwrap().items;
    items.sort_by(|one, other| one.key.cmp(&other.key));
    items
}

/// The same from `show`, `ls` and `why`.
fn end(world: &World, key: &str) -> EndView {
    let shown = world.instance(key).summary.end.unwrap();
    let listed = found(world, &format!("key == '{key}'")).remove(0).end.unwrap();
    assert_eq!(shown, listed);
    let why = world.run(world.client().why(key)).unwrap();
    assert_eq!(why.lines, std::slice::from_ref(&shown.words));
    shown
}

#[test]
fn an_end_says_what_failed_or_who_ended_it_and_why() {
    each(JOB, |world| {
        let running = world.run(plugin().serve(&world.bus()));
        world.deploy(FAILS);
        let client = world.client();
        start(world, "fails", "f", json!({}));
        until(world, "f", Status::Failed);
        for key in ["k", "c", "s"] {
            start(world, "job", key, json!({ "undo": if key == "s" { "refused" } else { "" } }));
            asks(world, key);
        }
        let key = Some("k".to_owned());
        let filter = WatchFilter { workflow: Some("job".to_owned()), key };
        let mut watch = world.run(client.watch(filter)).unwrap();
        world.run(client.kill("k", "too late")).unwrap();
        let cancelled = async {
            loop {
                let notice = watch.next().await.unwrap().unwrap();
                if notice.kind == NoticeKind::Cancelled {
                    return notice.data;
                }
            }
        };
        let told = world.run(async { tokio::time::timeout(PATIENCE, cancelled).await }).unwrap();
        assert_eq!(
            (&told["by"], &told["reason"], &told["killed"]),
            (&json!("ann"), &json!("too late"), &json!(true))
        );
        world.run(client.cancel("c", "no room")).unwrap();
        until(world, "c", Status::Cancelled);
        // The undo fails, and a person goes on without it.
        world.run(client.cancel("s", "")).unwrap();
        until(world, "s", Status::Stuck);
        world.run(client.skip("s", "done by phone")).unwrap();
        until(world, "s", Status::Cancelled);
        let look = |world: &World| {
            let failed = end(world, "f");
            assert_eq!(failed.words, "failed: step `pay`: permanent 422: no money");
            let parts = [&failed.step, &failed.kind, &failed.code].map(|part| part.as_deref());
            assert_eq!(parts, [Some("pay"), Some("permanent"), Some("422")]);
            let killed = end(world, "k");
            assert_eq!((&*killed.how, &*killed.words), ("killed", "killed by ann: too late"));
            let cancelled = end(world, "c");
            assert_eq!(cancelled.words, "cancelled by ann: no room");
            let skipped = end(world, "s");
            let left = "step `book` was not taken back: `recorded.work` was skipped by ann: done \
                        by phone";
            assert_eq!(skipped.words, format!("cancelled by ann: {left}"));
            assert_eq!(world.instance("s").summary.left_out, [left]);
            let keys = |filter: &str| {
                found(world, filter).into_iter().map(|one| one.key).collect::<Vec<_>>()
            };
            assert_eq!(keys("end.how == 'killed' && end.by == 'ann'"), ["k"]);
            assert_eq!(keys("end.step == 'pay' && end.code == '422'"), ["f"]);
            assert_eq!(keys("size(left_out) > 0"), ["s"]);
            assert_eq!(keys("left_out.exists(it, it.contains('by phone'))"), ["s"]);
        };
        look(world);
        // The plugin has the bus, whose folder only one process may use.
        drop((running, watch, client));
        world.restart();
        look(world);
    });
}

#[test]
fn tx_a_transaction_tells_how_members_ended_and_which_undo_was_skipped() {
    each(JOB, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        world.run(client.begin_transaction("t", None, "")).unwrap();
        let order = Start {
            workflow: "job".to_owned(),
            key: Some("a".to_owned()),
            input: json!({ "undo": "refused" }),
            transaction: Some("t".to_owned()),
            ..Start::default()
        };
        world.run(client.start(&order)).unwrap();
        asks(world, "a");
        world.run(client.roll_back_transaction("t", "wrong day")).unwrap();
        until(world, "a", Status::Stuck);
        world.run(client.skip("a", "")).unwrap();
        world.wait_for("transaction/t", "rolled_back");
        until(world, "a", Status::Failed);
        let member = world.instance("transaction/t").scope.unwrap().members.remove(0);
        assert_eq!(member.status, Some(Status::Failed));
        let end = member.end.unwrap();
        assert!(
            end.starts_with("failed: transaction `t` was rolled back: by ann: wrong day; step"),
            "{end}"
        );
        assert_eq!(member.left_out.len(), 1, "{:?}", member.left_out);
        assert!(member.left_out[0].contains("book"), "{:?}", member.left_out);
    });
}

#[test]
fn tx_a_member_that_had_ended_says_that_and_why_it_is_taken_back() {
    each(JOB, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let client = world.client();
        world.run(client.begin_transaction("t", None, "")).unwrap();
        let order = Start {
            workflow: "job".to_owned(),
            key: Some("a".to_owned()),
            input: json!({ "undo": "" }),
            transaction: Some("t".to_owned()),
            ..Start::default()
        };
        world.run(client.start(&order)).unwrap();
        asks(world, "a");
        let choice = Decide { instance: "a".into(), choice: "approve".into(), ..Decide::default() };
        world.run(client.decide(&choice)).unwrap();
        until(world, "a", Status::Done);
        world.run(client.roll_back_transaction("t", "wrong day")).unwrap();
        world.wait_for("transaction/t", "rolled_back");
        let back = |seen: &InstanceSummary| {
            let member = seen.transaction.clone().unwrap();
            (member.standing, member.reason)
        };
        let told = ("rolled_back".to_owned(), Some("by ann: wrong day".to_owned()));
        world.until("a", "it heard", |seen| (back(&seen.summary) == told).then_some(()));
        assert_eq!(back(&found(world, "key == 'a'")[0]), told);
        let why = world.run(world.client().why("a")).unwrap();
        let line = "belonged to transaction `t`, which is rolled back: by ann: wrong day";
        assert_eq!(why.lines, [line]);
        assert_eq!(why.try_this, ["gearshift transaction show t"]);
        let last = world.history("a").pop().unwrap();
        assert_eq!(
            last.note.as_deref(),
            Some("transaction `t` was rolled back: by ann: wrong day")
        );
    });
}

#[test]
fn a_kill_during_a_rollback_says_what_is_not_taken_back() {
    each(JOB, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        start(world, "job", "k", json!({ "undo": "refused" }));
        asks(world, "k");
        world.run(world.client().cancel("k", "")).unwrap();
        until(world, "k", Status::Stuck);
        world.run(world.client().kill("k", "enough")).unwrap();
        let left = "step `book` was not taken back: `recorded.work` failed";
        assert_eq!(end(world, "k").words, format!("killed by ann: enough; {left}"));
        assert_eq!(world.instance("k").summary.left_out, [left]);
        assert_eq!(found(world, "size(left_out) > 0").len(), 1);
    });
}

/// Of each step so many.
type Counts = Vec<(String, u64)>;

/// Runs it with this input; which steps were answered from the cache.
fn cached(world: &World, key: &str, id: &str) -> Vec<String> {
    start(world, "cached", key, json!({ "id": id }));
    until(world, key, Status::Done);
    let steps = world.instance(key).steps.steps;
    assert!(steps.iter().all(|step| step.status == StepStatus::Completed), "{steps:?}");
    steps.into_iter().filter(|step| step.cached).map(|step| step.id).collect()
}

/// Results by step; of the workflow `cached`.
async fn clear(client: &Client, step: Option<&str>, key: Option<&str>, dry_run: bool) -> Counts {
    let order = ClearCache {
        workflow: Some("cached".to_owned()),
        step: step.map(str::to_owned),
        key: key.map(|key| json!(key)),
        dry_run,
        ..ClearCache::default()
    };
    let reply = client.clear_cache(&order).await.unwrap();
    assert_eq!(reply.dry_run, dry_run);
    reply.results.into_iter().map(|one| (one.step, one.count)).collect()
}

/// Waits until so many results are kept: they are on their way when the instance has its answer.
fn kept(world: &World, look: u64, see: u64) {
    let all = [("look".to_owned(), look), ("see".to_owned(), see)];
    let client = world.client();
    let count = async || (clear(&client, None, None, true).await == all).then_some(());
    world.run(eventually_async("all are kept", count));
}

#[test]
fn decision_34_kept_results_are_counted_and_forgotten_by_workflow_step_and_key() {
    each(CACHED, |world| {
        let _running = world.run(plugin().serve(&world.bus()));
        let both = ["look", "see"];
        let client = world.client();
        let forget = |step, key| world.run(clear(&client, step, key, false));
        let looked = |count| vec![("look".to_owned(), count)];
        for (key, id) in [("1", "a"), ("2", "b")] {
            assert!(cached(world, key, id).is_empty());
        }
        assert_eq!(cached(world, "3", "a"), both);
        kept(world, 2, 2);
        assert_eq!(cached(world, "4", "b"), both, "it only counted");
        // Where the definition has no key, the input is the key: another one.
        assert!(forget(Some("see"), Some("a")).is_empty());
        assert_eq!(forget(Some("look"), Some("a")), looked(1));
        assert_eq!(cached(world, "5", "b"), both);
        assert_eq!(cached(world, "6", "a"), ["see"]);
        assert_eq!(forget(Some("see"), None), [("see".to_owned(), 2)]);
        assert_eq!(cached(world, "7", "b"), ["look"]);
        kept(world, 2, 1);
        let everything = ClearCache::default();
        let reply = world.run(world.client().clear_cache(&everything)).unwrap();
        assert_eq!(reply.count(), 3, "{reply:?}");
        assert!(cached(world, "8", "a").is_empty());
        let nowhere = ClearCache { step: Some("look".to_owned()), ..ClearCache::default() };
        let refused = world.run(world.client().clear_cache(&nowhere)).unwrap_err();
        assert_eq!(refused.exit_code(), 2, "{refused}");
    });
}
