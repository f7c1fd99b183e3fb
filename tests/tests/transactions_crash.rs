//! Engines are killed in the middle of a transaction's commit and of its rollback: afterwards all
//! members have ended as the transaction's word says. One that is killed in the middle of an undo
//! is away for longer than the undo may take, and it is made.
//!
//! `GEARSHIFT_LONG=1` kills more often, `GEARSHIFT_TEST_SEED=N` repeats a schedule.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use gearshift_client::Client;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::view::StepStatus;
use gearshift_tests::checker::{Called, read_lines};
use gearshift_tests::nats;
use gearshift_tests::world::{Dev, Launch, eventually, eventually_async};
use serde_json::json;

/// Members of each transaction; those of odd number have ended before it does.
const MEMBERS: usize = 6;
/// Calls that each of them makes.
const CALLS: usize = 3;
/// Rollbacks more, where no kill met one under way.
const MORE: u32 = 10;
/// The longest that a commit may be under way before the kill, in milliseconds.
const COMMIT_MS_MAX: u64 = 15;
/// What `brief.workflow.yaml` gives its undo, and a little more.
const UNDO: Duration = Duration::from_millis(1_200);

#[tokio::test(flavor = "multi_thread")]
async fn tx_members_end_as_the_word_says_whatever_a_kill_9_meets() {
    survive(None, 8, 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tx_members_end_as_the_word_says_whatever_a_kill_9_meets_on_nats() {
    let folder = tempfile::tempdir().unwrap();
    let server = nats::Cluster::start(folder.path(), nats::Nodes::One).await.unwrap();
    // Each life waits for the lease of the one before, so there are fewer.
    survive(Some(server.urls()), 2, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_an_undo_is_made_although_its_deadline_passed_after_a_kill_9() {
    be_away(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h6_an_undo_is_made_although_its_deadline_passed_after_a_kill_9_on_nats() {
    let folder = tempfile::tempdir().unwrap();
    let server = nats::Cluster::start(folder.path(), nats::Nodes::One).await.unwrap();
    be_away(Some(server.urls())).await;
}

/// Two engines in a row are killed while an undo without `retry` is under way, and are away for
/// longer than the second that it may take.
async fn be_away(nats: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "definitions/control", nats);
    let gate = folder.path().join("gate");
    let mut engine = alive(&launch).await;
    let client = engine.client();
    let start = Start {
        workflow: "brief".to_owned(),
        key: Some("a".to_owned()),
        input: json!({ "gate": gate }),
        ..Start::default()
    };
    eventually_async("it is started", async || client.start(&start).await.ok()).await;
    eventually_async("its call is done", async || {
        let seen = client.instance("brief/a").await.ok()?;
        (seen.steps.current_step == ["waits"]).then_some(())
    })
    .await;
    client.rollback("a", None, "the customer called").await.unwrap();
    let undone = || {
        let calls = read_lines::<Called>(&folder.path().join("calls.jsonl")).unwrap_or_default();
        calls.into_iter().filter(|it| it.operation == "recorder.take_back").collect::<Vec<_>>()
    };
    for asked in 1..=2 {
        eventually("the undo is under way", || (undone().len() >= asked).then_some(())).await;
        engine.kill().await.unwrap();
        let killed = tokio::time::Instant::now();
        let over = || (killed.elapsed() > UNDO).then_some(());
        eventually("its deadline has passed", over).await;
        if asked == 2 {
            std::fs::write(&gate, "").unwrap();
        }
        engine = alive(&launch).await;
    }
    let client = engine.client();
    let seen = eventually_async("it waits for a person", async || {
        let seen = client.instance("brief/a").await.ok()?;
        (seen.summary.status == Status::Stuck).then_some(seen)
    })
    .await;
    let reason = seen.summary.stuck_reason.clone().unwrap_or_default();
    assert!(reason.contains("the customer called"), "{seen:#?}");
    assert_eq!(seen.steps.steps[0].status, StepStatus::Undone);
    let undone = undone();
    assert!(undone.iter().all(|call| call.call_id == undone[0].call_id), "{undone:#?}");
    let attempts: Vec<_> = undone.iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

fn launch(folder: &Path, definitions: &str, nats: Option<String>) -> Launch {
    Launch {
        program: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
        definitions: Path::new(env!("CARGO_MANIFEST_DIR")).join(definitions),
        data: folder.join("data"),
        folder: folder.to_owned(),
        variables: vec![("GEARSHIFT_TEST_CALLS", folder.join("calls.jsonl"))],
        nats,
    }
}

async fn alive(launch: &Launch) -> Dev {
    let mut engine = launch.spawn().unwrap();
    let ready = engine.ready().await;
    let log = || std::fs::read_to_string(launch.folder.join("stderr.log"));
    ready.unwrap_or_else(|error| panic!("{error}:\n{:?}", log()));
    engine
}

/// Rounds of a commit and of a rollback, in the short version and in the long one.
async fn survive(nats: Option<String>, short: u32, long: u32) {
    let is_long = std::env::var_os("GEARSHIFT_LONG").is_some();
    let seed = std::env::var("GEARSHIFT_TEST_SEED").ok();
    let seed = seed.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let launch = launch(folder.path(), "definitions/transactions", nats);
    let mut round = Round { launch, rng: Rng::with_seed(seed), number: 0, cut: 0 };
    let mut engine = alive(&round.launch).await;
    let rounds = if is_long { long } else { short };
    // Where no kill came in time, some more rollbacks are tried.
    while round.number < rounds || (round.cut == 0 && round.number < rounds + MORE) {
        let commits = round.number < rounds && round.number.is_multiple_of(2);
        engine = round.play(engine, commits).await;
        round.number += 1;
    }
    assert!(round.cut > 0, "no kill met a rollback under way");
    println!("{} rollbacks were cut", round.cut);
    assert!(engine.terminate().await.unwrap().success());
}

/// One transaction after the other.
struct Round {
    launch: Launch,
    rng: Rng,
    number: u32,
    /// Rollbacks that a kill met when some, and not all, was taken back.
    cut: u32,
}

impl Round {
    fn name(&self) -> String {
        format!("t-{}", self.number)
    }

    fn member(&self, at: usize) -> String {
        format!("crash_member/m-{}-{at}", self.number)
    }

    /// Begins a transaction, kills the engine while it ends, and looks at what is left.
    async fn play(&mut self, engine: Dev, commits: bool) -> Dev {
        self.begin(&engine.client()).await;
        let order = end(engine.client(), self.name(), commits);
        let (some, under_way) =
            (self.rng.usize(1..MEMBERS * CALLS / 2), self.rng.u64(..COMMIT_MS_MAX));
        let kill = async {
            if commits {
                tokio::time::sleep(Duration::from_millis(under_way)).await;
            } else {
                let enough = || (self.taken_back().len() >= some).then_some(());
                eventually("enough is taken back", enough).await;
            }
            engine.kill().await.unwrap();
        };
        let (was_told, ()) = tokio::join!(order, kill);
        let taken_back = self.taken_back().len();
        self.cut += u32::from(0 < taken_back && taken_back < MEMBERS * CALLS);
        let engine = alive(&self.launch).await;
        let client = engine.client();
        let id = format!("transaction/{}", self.name());
        // Nothing was done before the order was durable: then it is given again.
        let state = eventually_async("the transaction is there", async || {
            client.instance(&id).await.ok()?.summary.active.first().cloned()
        })
        .await;
        assert!(state != "open" || !was_told, "what was acknowledged is forgotten");
        if state == "open" {
            assert!(end(client.clone(), self.name(), commits).await);
        }
        self.check(&client, if commits { "committed" } else { "rolled_back" }).await;
        engine
    }

    /// All members do what they have to do.
    async fn begin(&self, client: &Client) {
        // After a kill on NATS partitions have no owner for a while.
        eventually_async("it begins", async || {
            client.begin_transaction(&self.name(), None, "").await.ok()
        })
        .await;
        for at in 0..MEMBERS {
            let id = self.member(at);
            let start = Start {
                workflow: "crash_member".to_owned(),
                key: id.split_once('/').map(|(_, key)| key.to_owned()),
                input: json!({ "waits": at % 2 == 0 }),
                transaction: Some(self.name()),
                ..Start::default()
            };
            eventually_async("a member is started", async || client.start(&start).await.ok()).await;
        }
        for at in 0..MEMBERS {
            eventually_async("a member has done its calls", async || {
                let seen = client.instance(&self.member(at)).await.ok()?;
                let is_done = at % 2 == 0 || seen.summary.status == Status::Done;
                (is_done && seen.steps.completed_steps >= 3).then_some(())
            })
            .await;
        }
        let id = format!("transaction/{}", self.name());
        eventually_async("the transaction knows of all", async || {
            let scope = client.instance(&id).await.ok()?.scope?;
            (scope.calls == u64::try_from(MEMBERS * CALLS).unwrap()).then_some(())
        })
        .await;
    }

    /// Calls of this round, in the order in which the plugin wrote them down.
    fn calls(&self) -> Vec<Called> {
        let path = self.launch.folder.join("calls.jsonl");
        let all = read_lines::<Called>(&path).unwrap_or_default();
        let ours = format!("crash_member/m-{}-", self.number);
        all.into_iter().filter(|call| call.instance.starts_with(&ours)).collect()
    }

    /// Receipts of what was taken back, each once.
    fn taken_back(&self) -> BTreeSet<String> {
        let calls = self.calls();
        let backs = calls.into_iter().filter(|call| call.operation == "recorder.take_back");
        backs.map(|call| call.about).collect()
    }

    /// All members hear the word, and did what it says.
    async fn check(&self, client: &Client, word: &str) {
        let id = format!("transaction/{}", self.name());
        eventually_async("the transaction is over", async || {
            let seen = client.instance(&id).await.ok()?;
            (seen.summary.active == [word] && seen.summary.status == Status::Done).then_some(())
        })
        .await;
        for at in 0..MEMBERS {
            let seen = eventually_async("a member hears the word", async || {
                let seen = client.instance(&self.member(at)).await.ok()?;
                let heard = seen.summary.transaction.as_ref().is_some_and(|it| it.standing == word);
                (heard && (word == "committed" || seen.summary.status.is_ended())).then_some(seen)
            })
            .await;
            let expected = match (word, at % 2) {
                (_, 1) => Status::Done,
                ("committed", _) => Status::Running,
                _ => Status::Failed,
            };
            assert_eq!(seen.summary.status, expected, "{} {word}", seen.summary.id);
            let calls = seen.steps.steps.iter().filter(|step| step.id != "released");
            let step = if word == "committed" { StepStatus::Completed } else { StepStatus::Undone };
            assert!(calls.clone().all(|it| it.status == step), "{:?}", seen.steps);
        }
        if word == "committed" {
            assert_eq!(self.taken_back(), BTreeSet::new(), "what is committed stays");
        } else {
            self.check_order();
        }
    }

    /// All that was done is taken back, within each member the newest first.
    fn check_order(&self) {
        let mut done = BTreeMap::<String, Vec<String>>::new();
        let mut back = BTreeMap::<String, Vec<String>>::new();
        for call in self.calls() {
            let (list, receipt) = match call.operation.as_str() {
                "recorder.act" => (done.entry(call.instance).or_default(), call.call_id),
                _ => (back.entry(call.instance).or_default(), call.about),
            };
            // A call that is made again after a kill has the id that it had.
            if !list.contains(&receipt) {
                list.push(receipt);
            }
        }
        assert_eq!(done.len(), MEMBERS);
        for (instance, receipts) in &mut done {
            receipts.reverse();
            assert_eq!(receipts.len(), CALLS, "{instance}");
            assert_eq!(back.get(instance), Some(&*receipts), "{instance}");
        }
    }
}

/// Commits or rolls back; true where the engine has said that it does.
async fn end(client: Client, name: String, commits: bool) -> bool {
    match commits {
        true => client.commit_transaction(&name, "").await.is_ok(),
        false => client.roll_back_transaction(&name, "").await.is_ok(),
    }
}
