//! What is recorded during a run, and how it is read back.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Error, Write};
use std::path::Path;

use gearshift_protocol::view::{DeadLetter, HistoryEntry, InstanceDetail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::journal::Message;

/// One line of a client's own history: an attempt begins, or ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Which client wrote it.
    pub client: u32,
    /// The operation's id, unique in the run: the event id, and `data.op`.
    pub op: String,
    /// Which try of the operation, from 1.
    pub attempt: u32,
    /// What happened.
    pub phase: Phase,
    /// Microseconds since the run began, on the monotonic clock.
    pub at_us: u64,
    /// Milliseconds since 1970, on the wall clock.
    #[serde(default)]
    pub wall_ms: i64,
}

/// What happened to an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// It is about to be sent.
    Invoke(Invocation),
    /// The engine acknowledged it.
    Ok {
        /// The verdict as a word.
        verdict: String,
    },
    /// The engine refused it for certain.
    Fail {
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// What was seen.
        reason: String,
    },
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// The sort of request.
    pub kind: Kind,
    /// `workflow/key`.
    pub instance: String,
    /// The choice, of decisions only.
    pub choice: Option<String>,
}

/// The sort of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The event that starts an approval.
    Submit,
    /// An event in between, answered by a verdict.
    Note,
    /// An event in between, published one way: acknowledged once it is stored.
    Published,
    /// A decision, as event.
    Event,
    /// A decision, as operator's command.
    Decide,
    /// An event nobody accepts.
    Nonsense,
    /// The event that starts a timer.
    Timer,
    /// The event that starts a job.
    Job,
    /// The event that a job waits for.
    Release,
}

/// One call as the plugin saw it, written before it answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The engine process that it ran in.
    pub life: u32,
    /// The idempotency key.
    pub call_id: String,
    /// Counted from 1.
    pub attempt: u32,
    /// What was called.
    pub operation: String,
    /// `workflow/key`.
    pub instance: String,
    /// Of an act the step and its item; of what takes one back the id of its call; else empty.
    #[serde(default)]
    pub about: String,
    /// Microseconds since 1970: the order of calls that plugins of several processes saw.
    #[serde(default)]
    pub at_us: u64,
}

/// What a run was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The seed of everything random.
    pub seed: u64,
    /// What the timers' definition says, in milliseconds.
    pub timer_delay_ms: i64,
    /// Times the engine was killed.
    pub kills: u32,
    /// Attempts that the definitions allow.
    pub attempts_max: u32,
    /// How late a timer may fire, in milliseconds; absent where only kills are to blame.
    pub timer_late_ms_max: Option<i64>,
    /// Whether plugins live in processes of their own, and so longer than engines.
    pub separate_plugins: bool,
    /// How often each kind of fault must have happened.
    pub faults_each: usize,
    /// Whether raw journals must have been recorded.
    pub raw: bool,
    /// The wall clock's time of the last fault's end, in milliseconds since 1970.
    pub healed_ms: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            timer_delay_ms: 700,
            kills: 0,
            attempts_max: 5,
            timer_late_ms_max: None,
            separate_plugins: false,
            faults_each: 0,
            raw: false,
            healed_ms: None,
        }
    }
}

/// A fault that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The kind, as a word.
    pub kind: String,
    /// What it hit.
    pub what: String,
    /// The wall clock's time of its beginning, in milliseconds since 1970.
    pub began_ms: i64,
    /// The wall clock's time of its end.
    pub ended_ms: i64,
}

/// A process that ended although nobody told it to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Which.
    pub name: String,
    /// How.
    pub status: String,
}

/// Everything that the checker judges.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it was made with.
    pub settings: Settings,
    /// All clients' lines, each client's in order.
    pub lines: Vec<Line>,
    /// All calls in order.
    pub calls: Vec<Called>,
    /// All instances at the end.
    pub instances: Vec<InstanceDetail>,
    /// Their histories, in the same order.
    pub histories: Vec<Vec<HistoryEntry>>,
    /// All dead letters at the end.
    pub dead_letters: Vec<DeadLetter>,
    /// The raw journals, by partition; none where they were not recorded.
    pub journals: Vec<Vec<Message>>,
    /// The faults that were made.
    pub faults: Vec<Made>,
    /// Processes that ended by themselves.
    pub exits: Vec<Exited>,
}

/// One operation, put together from its lines.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// What was asked.
    pub asked: Invocation,
    /// Attempts that were acknowledged, with their verdicts.
    pub ok: Vec<String>,
    /// Attempts that were refused for certain.
    pub failed: usize,
    /// Attempts of unknown outcome, those without an end included.
    pub unknown: usize,
}

impl Run {
    /// Reads what is in a run's folder.
    ///
    /// # Errors
    /// A file is missing, or a line is not what it should be.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let (mut lines, mut calls) = (Vec::new(), Vec::new());
        let mut names = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        names.sort();
        for path in names {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("client-") {
                lines.extend(read_lines::<Line>(&path)?);
            } else if name.starts_with("calls") {
                calls.extend(read_lines::<Called>(&path)?);
            }
        }
        // Of one file in the order of its lines.
        calls.sort_by_key(|call| call.at_us);
        let mut journals = Vec::new();
        while let Some(messages) = if_there(&folder.join(journal_file(journals.len())))? {
            journals.push(messages);
        }
        let settings = std::fs::read(folder.join("settings.json"))?;
        Ok(Self {
            settings: serde_json::from_slice(&settings)?,
            lines,
            calls,
            instances: read_lines(&folder.join("instances.jsonl"))?,
            histories: read_lines(&folder.join("histories.jsonl"))?,
            dead_letters: read_lines(&folder.join("dead-letters.jsonl"))?,
            journals,
            faults: if_there(&folder.join("faults.jsonl"))?.unwrap_or_default(),
            exits: if_there(&folder.join("exits.jsonl"))?.unwrap_or_default(),
        })
    }

    /// The operations by id.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<&str, Operation> {
        let mut list = BTreeMap::<&str, Operation>::new();
        for line in &self.lines {
            if let Phase::Invoke(asked) = &line.phase {
                let entry = list.entry(&line.op).or_insert_with(|| Operation {
                    id: line.op.clone(),
                    asked: asked.clone(),
                    ok: Vec::new(),
                    failed: 0,
                    unknown: 0,
                });
                // Until its end is read, nobody knows how it ended.
                entry.unknown += 1;
            } else if let Some(operation) = list.get_mut(line.op.as_str()) {
                operation.end(&line.phase);
            }
        }
        list
    }
}

impl Operation {
    fn end(&mut self, phase: &Phase) {
        match phase {
            Phase::Ok { verdict } => self.ok.push(verdict.clone()),
            Phase::Fail { .. } => self.failed += 1,
            Phase::Invoke(_) | Phase::Unknown { .. } => return,
        }
        self.unknown = self.unknown.saturating_sub(1);
    }
}

/// Where the raw journal of a partition is in a run's folder.
pub(crate) fn journal_file(partition: usize) -> String {
    format!("journal-{partition}.jsonl")
}

/// [`read_lines`] of a file that need not exist.
fn if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<Vec<T>>, Error> {
    if path.exists() { read_lines(path).map(Some) } else { Ok(None) }
}

/// Reads lines of JSON; a last line that a kill cut short is left out.
///
/// # Errors
/// The file cannot be read, or a whole line is not a `T`.
pub fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_str(line)
                .map_err(|error| Error::other(format!("{}: {error} in `{line}`", path.display())))
        })
        .collect()
}

/// Appends one line and makes it durable, so that a kill after it cannot take it back.
///
/// # Errors
/// Those of the file.
pub fn append<T: Serialize>(file: &mut File, line: &T) -> Result<(), Error> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    file.write_all(&bytes)?;
    file.sync_data()
}

/// Opens a file of lines for [`append`]; a line is one write at the end, which a kill does not cut.
pub(crate) fn open_lines(path: &Path) -> Result<File, Error> {
    OpenOptions::new().create(true).append(true).open(path)
}
