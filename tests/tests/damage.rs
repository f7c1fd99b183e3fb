//! One flipped bit in a file of a single server: refused with a reason, or all is there.
//!
//! Never silence: whatever was acknowledged is either found again, or its absence is told.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use async_nats::jetstream;
use gearshift_client::protocol::Verdict;
use gearshift_client::{Client, Error};
use gearshift_tests::world::{Backend, World, eventually_async};
use serde_json::json;

const FLOW: &str = "
workflow: kept
version: 1
correlate: data.key
events:
  kept.started: { start: true }
  kept.noted: {}
vars: { seen: [] }
initial: open
states:
  open: { on: { kept.noted: { do: { set: { seen: 'vars.seen + [data.op]' } } } } }
";

/// Instances in all; each has noted once before the damage.
const INSTANCES: usize = 24;

/// When a plain client publishes after the server came back damaged.
#[derive(Clone, Copy, Debug)]
enum Publish {
    /// Before an engine has looked: the stream may be filled again beyond what was read.
    First,
    /// After the engine has looked.
    Later,
}

/// What was found after a restart.
#[derive(Debug, Default)]
struct Found {
    /// Instances with everything they acknowledged.
    intact: usize,
    /// What was told instead, by whom.
    told: Vec<String>,
    /// Acknowledged, gone, and nobody says so.
    silent: Vec<String>,
}

/// A world that is copied before each flip, so that every flip meets the same bytes.
struct Copied {
    world: World,
    copy: PathBuf,
}

impl Copied {
    /// Starts instances, lets `more` happen, and keeps a copy of everything.
    fn new(more: impl FnOnce(&World)) -> Self {
        let mut world = World::new(Backend::Nats);
        world.deploy(FLOW);
        for number in 0..INSTANCES {
            let key = format!("k{number}");
            let verdict = world.send("kept.started", None, &json!({ "key": key }));
            assert!(matches!(verdict.verdict, Verdict::Started { .. }), "{verdict:?}");
            let verdict = note(&world, number, "n1");
            assert!(verdict.is_ok(), "{verdict:?}");
        }
        more(&world);
        assert!(world.shutdown());
        let copy = world.path().join("copy");
        world.restart_server(|dir| {
            copy_all(&dir.join("jetstream"), &copy.join("jetstream"));
            copy_marks(dir, &copy);
        });
        Self { world, copy }
    }

    /// The message files of the stream `name`, in the copy, with their sizes.
    fn blocks(&self, name: &str) -> Vec<(PathBuf, u64)> {
        let folder = Path::new("jetstream/jetstream/$G/streams").join(name).join("msgs");
        let mut list = Vec::new();
        for entry in std::fs::read_dir(self.copy.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|end| end == "blk") {
                list.push((folder.join(entry.file_name()), entry.metadata().unwrap().len()));
            }
        }
        list.sort();
        list
    }

    /// Puts everything back as it was, flips one bit, starts server and engine, and looks.
    fn flipped(&mut self, file: &Path, bit: u64, look: impl FnOnce(&World) -> Found) -> Found {
        self.flipped_and(file, bit, |_| {}, look)
    }

    /// The same; `meanwhile` happens on the server's address before the engine starts.
    fn flipped_and(
        &mut self,
        file: &Path,
        bit: u64,
        meanwhile: impl FnOnce(&str),
        look: impl FnOnce(&World) -> Found,
    ) -> Found {
        self.world.crash();
        let copy = self.copy.clone();
        self.world.restart_server(|dir| {
            std::fs::remove_dir_all(dir.join("jetstream")).unwrap();
            copy_all(&copy.join("jetstream"), &dir.join("jetstream"));
            copy_marks(&copy, dir);
            flip(&dir.join(file), bit);
        });
        meanwhile(self.world.server_url());
        match self.world.try_start() {
            Ok(()) => look(&self.world),
            Err(error) => Found { told: vec![format!("the engine: {error}")], ..Found::default() },
        }
    }
}

/// High-water marks go with the stores: a copy of one without the other is not the same moment.
fn copy_marks(from: &Path, to: &Path) {
    let marks = |path: &Path| match path.file_name() {
        Some(name) if name == "server" => path.parent().unwrap().join("marks.json"),
        _ => path.join("marks.json"),
    };
    std::fs::copy(marks(from), marks(to)).unwrap();
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn flip(file: &Path, bit: u64) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = usize::try_from(bit / 8).unwrap();
    bytes[at] ^= 1 << (bit % 8);
    std::fs::write(file, bytes).unwrap();
}

/// Notes `op` on an instance; in words what came of it otherwise.
fn note(world: &World, number: usize, op: &str) -> Result<(), String> {
    let data = json!({ "key": format!("k{number}"), "op": op });
    let sent = world.run(world.client().send("kept.noted", &data));
    let reply = sent.map_err(|error| error.to_string())?;
    match reply.verdicts.first().map(|one| &one.verdict) {
        Some(Verdict::Transitioned { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn seen(world: &World, number: usize) -> Result<Vec<String>, Error> {
    let shown = world.run(world.client().instance(&format!("kept/k{number}")))?;
    let list = shown.vars["seen"].as_array().cloned().unwrap_or_default();
    Ok(list.iter().filter_map(|op| op.as_str().map(str::to_owned)).collect())
}

/// Everything that an engine says is wrong.
fn complaints(world: &World) -> Vec<String> {
    let health = world.handle().health();
    let partitions = health.iter().filter(|one| !one.serving).map(|one| {
        let reason = one.reason.clone().unwrap_or_default();
        assert!(!reason.is_empty(), "partition {} is refused without a reason", one.partition);
        format!("partition {}: {reason}", one.partition)
    });
    partitions.chain(world.run(said(world))).collect()
}

/// Looks for the notes `wanted` of each instance.
fn look(world: &World, wanted: &[&str]) -> Found {
    let mut found = Found { told: complaints(world), ..Found::default() };
    for number in 0..INSTANCES {
        match seen(world, number) {
            Ok(notes) if notes == wanted => found.intact += 1,
            // The engine has said that something is missing: it is not silent about it.
            Ok(notes) if !found.told.is_empty() => {
                found.told.push(format!("k{number} has {notes:?}"));
            }
            // One that names what is missing counts only where health tells it as well.
            Err(error) if error.exit_code() == 6 || !found.told.is_empty() => {
                found.told.push(format!("k{number}: {error}"));
            }
            Ok(notes) => found.silent.push(format!("k{number} has {notes:?}")),
            Err(error) => found.silent.push(format!("k{number}: {error}")),
        }
    }
    found
}

/// Flips bits all over the files of a stream.
fn spread(size: u64, count: u64) -> Vec<u64> {
    let bits = size * 8;
    let inner = (0..count).map(|part| (part * bits / count) + (part * 37) % 8);
    inner.chain([bits - 1]).filter(|bit| *bit < bits).collect()
}

#[test]
fn a_flipped_bit_in_a_journal_is_refused_with_a_reason_or_loses_nothing() {
    let mut copied = Copied::new(|_| {});
    let (mut refused, mut intact) = (0, 0);
    let (file, size) = copied.blocks("gearshift-log-journal-0").remove(0);
    for bit in spread(size, 5) {
        let found = copied.flipped(&file, bit, |world| look(world, &["n1"]));
        println!("journal, bit {bit} of {}: {:?}", size * 8, found);
        assert_eq!(found.silent, [""; 0], "bit {bit}: {found:#?}");
        let is_refused = found.intact < INSTANCES;
        assert!(!is_refused || !found.told.is_empty(), "bit {bit}: {found:#?}");
        *(if is_refused { &mut refused } else { &mut intact }) += 1;
    }
    println!("{refused} refused, {intact} intact");
    assert!(refused > 0, "no flip was noticed: was the right file damaged?");
}

#[test]
fn a_flipped_bit_in_the_inbox_is_told_or_loses_nothing() {
    let mut copied = Copied::new(|world| {
        publish_all(world.server_url(), "n2");
        arrived(world, &["n1", "n2"]);
    });
    let (file, size) = copied.blocks("gearshift-inbox-events").remove(0);
    let flips = spread(size, 5).into_iter();
    for (bit, publish) in flips.flat_map(|bit| [(bit, Publish::First), (bit, Publish::Later)]) {
        let first = |url: &str| match publish {
            Publish::First => publish_all(url, "n3"),
            Publish::Later => {}
        };
        let found = copied.flipped_and(&file, bit, first, |world| {
            world.run(eventually_async("the inbox was looked at", async || {
                let intake = world.handle().intake();
                intake.iter().any(|one| one.reason.is_some() || one.source > 0).then_some(())
            }));
            // What comes after the damage must not be taken for what was read before it.
            match publish {
                Publish::First => {}
                Publish::Later => publish_all(world.server_url(), "n3"),
            }
            arrived(world, &["n1", "n2", "n3"]);
            look(world, &["n1", "n2", "n3"])
        });
        println!("inbox, bit {bit} of {}, {publish:?}: {:?}", size * 8, found);
        assert!(found.silent.is_empty(), "bit {bit}, {publish:?}: {found:#?}");
    }
}

/// Waits until every instance has noted `wanted`, or the engine says what is wrong.
fn arrived(world: &World, wanted: &[&str]) {
    let client = world.client();
    world.run(eventually_async("the notes, or a reason", async || {
        let all = have_noted(&client, wanted).await;
        (all || !said(world).await.is_empty()).then_some(())
    }));
}

async fn have_noted(client: &Client, wanted: &[&str]) -> bool {
    for number in 0..INSTANCES {
        let shown = client.instance(&format!("kept/k{number}")).await;
        let has = shown.is_ok_and(|one| one.vars["seen"] == json!(wanted));
        if !has {
            return false;
        }
    }
    true
}

/// What the engine says that an operator should know.
async fn said(world: &World) -> Vec<String> {
    let health = world.client().health().await;
    let warnings = health.map(|health| health.warnings).unwrap_or_default();
    let intake = world.handle().intake().into_iter().filter_map(|one| one.reason);
    warnings.into_iter().chain(intake).collect()
}

#[test]
fn a_flipped_bit_in_the_definitions_is_told_or_loses_nothing() {
    let mut copied = Copied::new(|_| {});
    let (file, size) = copied.blocks("KV_gearshift-definitions").remove(0);
    for bit in spread(size, 6) {
        let found = copied.flipped(&file, bit, |world| {
            let mut found = look(world, &["n1"]);
            // What needs the definition must work, or say what is wrong.
            for number in 0..INSTANCES {
                match note(world, number, "n2") {
                    Ok(()) => {}
                    Err(error) if !found.told.is_empty() => found.told.push(error),
                    Err(error) => found.silent.push(format!("k{number}: {error}")),
                }
            }
            found
        });
        println!("definitions, bit {bit} of {}: {:?}", size * 8, found);
        assert!(found.silent.is_empty(), "bit {bit}: {found:#?}");
    }
}

/// Publishes a note for each instance as a plain client does, each acknowledged by the server.
fn publish_all(url: &str, op: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let context = jetstream::new(async_nats::connect(url).await.unwrap());
        for number in 0..INSTANCES {
            let data = json!({ "key": format!("k{number}"), "op": op }).to_string();
            let stored = context.publish("kept.noted", data.into()).await.unwrap().await.unwrap();
            assert!(stored.sequence > 0);
        }
    });
}
