//! Bookkeepers of two major versions in every language, and what became of orders and entries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gearshift_bus::{Bus, NatsOptions};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::load::{signal, until_there_are};
use crate::world::{LOOK_AGAIN, PATIENCE, World, command_of, examples, gearshift, python};

/// Languages of bookkeepers, and whether one answers what it has at SIGTERM, and ends with 0.
pub(crate) const WRITTEN_IN: [(&str, bool); 4] =
    [("rust", true), ("python", true), ("typescript", true), ("bare-python", false)];

/// Major versions that are served beside each other.
pub(crate) const MAJORS: [u32; 2] = [1, 2];

/// What a bookkeeper enters for a call, and answers.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) call: String,
    pub(crate) account: String,
    pub(crate) amount: u64,
    pub(crate) by: String,
    pub(crate) version: String,
}

/// An order as it ended.
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) major: String,
    pub(crate) input: Value,
    pub(crate) entries: Vec<Entry>,
    /// Attempts of calls that its history tells; one that was held back is there twice.
    pub(crate) attempts: usize,
    /// Entries of its history that tell of a fault: no answer, a failure, a call held back.
    pub(crate) faults: usize,
    /// Its id and its history, for who looks why something is wrong.
    pub(crate) told: String,
}

/// An engine, and who books.
pub(crate) struct Office {
    pub(crate) world: World,
    pub(crate) bus: Bus,
}

/// A bookkeeper at work.
pub(crate) struct Bookkeeper {
    language: usize,
    major: u32,
    minor: u32,
    process: Child,
}

impl Office {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("entries")).unwrap();
        let definitions = MAJORS.map(|major| definition(folder.path(), major));
        let world = World::serving(folder, definitions.to_vec()).await;
        let bus = Bus::connect(&NatsOptions::new(world.server.url())).await.unwrap();
        Self { world, bus }
    }

    /// Starts a bookkeeper.
    pub(crate) fn hire(&self, language: usize, major: u32, minor: u32) -> Bookkeeper {
        let name = WRITTEN_IN[language].0;
        let mut command = match name {
            "rust" => Command::new(env!("CARGO_BIN_EXE_bookkeeper")),
            "typescript" => self.world.node("bookkeeper.ts"),
            script => python(&examples().join(script).join("bookkeeper.py")),
        };
        command.env("BOOKKEEPER_VERSION", format!("{major}.{minor}.0"));
        command.env("BOOKKEEPER_FOLDER", self.entries_folder());
        Bookkeeper { language, major, minor, process: self.world.spawn(command) }
    }

    pub(crate) async fn until_there_are(&self, count: usize) {
        until_there_are(&self.bus, "bookkeeper", count).await;
    }

    fn entries_folder(&self) -> PathBuf {
        self.world.folder.path().join("entries")
    }

    /// All entries by their call.
    pub(crate) fn entries(&self) -> BTreeMap<String, Entry> {
        let files = std::fs::read_dir(self.entries_folder()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        // A draft is what a bookkeeper was about to enter when it was killed.
        let named = paths.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
        let read = named.map(|path| {
            let entry: Entry = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str(), Some(entry.call.as_str()));
            (entry.call.clone(), entry)
        });
        read.collect()
    }

    /// Waits until so many orders are done, and looks at all of them.
    pub(crate) async fn orders(&self, count: usize) -> Vec<Order> {
        let end = Instant::now() + PATIENCE;
        let ids = loop {
            let all = self.asked(&["ls", "--all", "-o", "jsonl"], "").await;
            let (done, open): (Vec<_>, Vec<_>) =
                lines(&all).partition(|one| one["status"] == "done");
            if done.len() == count && open.is_empty() {
                break done.iter().map(|one| format!("{}\n", text(&one["id"]))).collect::<String>();
            }
            let counts = (done.len(), open.len());
            assert!(
                Instant::now() < end,
                "(done, open) of {count}: {counts:?}, {:#?}",
                open.first()
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        let details = self.asked(&["show", "-", "-o", "jsonl"], &ids).await;
        let histories = self.asked(&["history", "-", "-o", "json"], &ids).await;
        let histories: Vec<Vec<Value>> = serde_json::from_str(&histories).unwrap();
        let orders = lines(&details).zip(histories).map(|(one, history)| order(one, &history));
        let orders: Vec<Order> = orders.collect();
        assert_eq!(orders.len(), count);
        orders
    }

    async fn asked(&self, words: &[&str], input: &str) -> String {
        let file = self.world.folder.path().join("ids.txt");
        std::fs::write(&file, input).unwrap();
        let mut command = command_of(gearshift());
        command.args(["--server", self.world.server.url()]).args(words).kill_on_drop(true);
        command.stdin(Stdio::from(std::fs::File::open(&file).unwrap()));
        let done = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        assert!(done.status.success(), "{words:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Bookkeeper {
    pub(crate) async fn signal(&self, name: &str) {
        signal(&self.process, name).await;
    }

    /// Kills it and starts another one of the same version.
    pub(crate) async fn kill(&mut self, office: &Office) {
        self.process.kill().await.unwrap();
        *self = office.hire(self.language, self.major, self.minor);
    }

    /// Starts one of the next minor version, and ends this one when `all` are there.
    pub(crate) async fn upgrade(&mut self, office: &Office, all: usize) {
        let next = office.hire(self.language, self.major, self.minor + 1);
        office.until_there_are(all).await;
        self.signal("TERM").await;
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
        let (name, drains) = WRITTEN_IN[self.language];
        assert_eq!(ended.success(), drains, "{name}: {ended}");
        *self = next;
    }
}

/// The definition of orders that bookkeepers of this major version book.
fn definition(folder: &Path, major: u32) -> PathBuf {
    let written = include_str!("booking.workflow.yaml");
    let text = written.replace("booking_1", &format!("booking_{major}"));
    let text = text.replace("booked_1", &format!("booked_{major}"));
    let file = folder.join(format!("booking_{major}.workflow.yaml"));
    std::fs::write(&file, text.replace("^1", &format!("^{major}"))).unwrap();
    file
}

fn order(mut one: Value, history: &[Value]) -> Order {
    let effects = || history.iter().filter_map(|entry| entry["effects"].as_array()).flatten();
    let count = |kind: &str| effects().filter(|effect| text(effect).starts_with(kind)).count();
    let notes = history.iter().filter_map(|entry| entry["note"].as_str());
    let workflow = text(&one["workflow"]);
    Order {
        id: text(&one["id"]),
        major: workflow.trim_start_matches("booking_").to_owned(),
        input: one["input"].take(),
        entries: serde_json::from_value(one["output"]["entries"].take()).unwrap(),
        attempts: count("call "),
        faults: notes.filter(|note| note.contains("attempt ")).count(),
        told: format!("{}: {history:#?}", one["id"]),
    }
}

fn lines(text: &str) -> impl Iterator<Item = Value> + use<'_> {
    text.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
