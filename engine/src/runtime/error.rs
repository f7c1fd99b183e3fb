//! Errors of the engine.

use gearshift_machine::definition::Problem;

/// The code and the name of [`Error::LogBehindMark`].
const LOG_BEHIND_MARK: (&str, &str) = ("GS6001", "log_behind_mark");
/// The same of [`Error::JournalCorrupt`].
const JOURNAL_CORRUPT: (&str, &str) = ("GS6002", "journal_corrupt");

/// Why the engine could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bus failed.
    #[error("bus: {0}")]
    Bus(#[from] gearshift_bus::Error),
    /// A definition has problems; all of them.
    #[error("definition has {}", problems(.0.len()))]
    Definition(Vec<Problem>),
    /// The same version was deployed with other content (row D23).
    #[error("`{name}@{version}` is deployed with other content ({existing}); this one is {new}")]
    VersionExists {
        /// The workflow.
        name: String,
        /// The version.
        version: u32,
        /// The deployed content hash.
        existing: String,
        /// The content hash of what was refused.
        new: String,
    },
    /// Instances live on the version that is to be taken away, or ended ones are still kept.
    #[error(
        "`{name}@{version}` is not taken away: {living} of its instances live, and {ended} that \
         ended are kept to be read"
    )]
    InUse {
        /// The workflow.
        name: String,
        /// The version.
        version: u32,
        /// How many live.
        living: u64,
        /// How many ended and are kept.
        ended: u64,
    },
    /// A subject that a definition names cannot be captured.
    #[error("cannot listen to the definition's subjects: {0}")]
    SubjectHeld(String),
    /// A stream that events are read from is not the one it was.
    #[error("{0}")]
    InboxChanged(String),
    /// No such workflow, or no such version of it.
    #[error("workflow `{name}` is not deployed")]
    UnknownWorkflow {
        /// As asked for.
        name: String,
    },
    /// The journal is shorter than the mark kept outside it (row E16).
    #[error(
        "journal of partition {partition} ends at {tail} but {mark} was confirmed before: \
         it was damaged, recreated or restored from an old copy"
    )]
    LogBehindMark {
        /// The partition.
        partition: u16,
        /// Where the journal ends.
        tail: u64,
        /// Where it ended at least.
        mark: u64,
    },
    /// The journal of a partition cannot be replayed (row E14).
    #[error("journal of partition {partition} is corrupt: {reason}")]
    JournalCorrupt {
        /// The partition.
        partition: u16,
        /// What was found, and where.
        reason: String,
    },
    /// The data directory, or the bus, belongs to engines with another number of partitions.
    #[error("{place} has {found} partitions, the configuration says {configured}")]
    Partitions {
        /// What has them: `data directory`, or `the cluster on this bus`.
        place: &'static str,
        /// What it was made with.
        found: u16,
        /// What the configuration asks for.
        configured: u16,
    },
    /// The engine is shutting down, or nobody serves a partition now.
    #[error("{0}")]
    Unavailable(String),
    /// A partition refuses to serve until a person repairs what is damaged; waiting is of no use.
    #[error("partition {partition} refuses: {reason}")]
    Refuses {
        /// The partition.
        partition: u16,
        /// Why, with its code in front where it has one.
        reason: String,
    },
    /// It may have been done or not: no answer came.
    #[error(
        "the outcome is unknown: partition {partition} gave no answer, because {reason}; an event \
         or a start that carries an id may be sent again under the same id, for anything else look \
         first"
    )]
    OutcomeUnknown {
        /// The partition.
        partition: u16,
        /// What happened.
        reason: String,
    },
    /// A queue is full; try again.
    #[error("partition {partition} has {limit} inputs waiting, which is the limit")]
    Saturated {
        /// The partition.
        partition: u16,
        /// The limit of waiting inputs.
        limit: usize,
    },
    /// It is decided and durable, but the asker cannot be told what it waits for beyond that.
    #[error("it is decided, but {0}")]
    Unheard(String),
    /// A file of the engine could not be read or written.
    #[error("{what} `{path}`: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// The same behind a decision, so that nobody is told that nothing was done.
    pub(crate) fn behind_a_decision(self) -> Self {
        if matches!(self, Self::Unheard(_)) {
            return self;
        }
        Self::Unheard(format!("how it goes on cannot be heard: {self}"))
    }

    /// The code and the name that people look up: `gearshift explain GS6001`.
    #[must_use]
    pub fn code(&self) -> (&'static str, &'static str) {
        match self {
            Self::Definition(_) => ("GS4022", "invalid"),
            Self::VersionExists { .. } => ("GS4010", "version_exists"),
            Self::InUse { .. } => ("GS4017", "in_use"),
            Self::UnknownWorkflow { .. } => ("GS4001", "unknown_workflow"),
            Self::SubjectHeld(_) => ("GS4023", "subject_held"),
            Self::InboxChanged(_) => ("GS6003", "inbox_changed"),
            Self::Saturated { .. } => ("GS5001", "busy"),
            Self::OutcomeUnknown { .. } | Self::Unheard(_) => ("GS5003", "timeout"),
            Self::LogBehindMark { .. } => LOG_BEHIND_MARK,
            Self::JournalCorrupt { .. } => JOURNAL_CORRUPT,
            Self::Refuses { reason, .. } => code_of(reason),
            Self::Unavailable(_) | Self::Bus(_) => ("GS5002", "unavailable"),
            Self::Partitions { .. } | Self::File { .. } => ("GS5000", "internal"),
        }
    }
}

/// The code that a refusal's reason begins with: refusals come from other engines as text.
fn code_of(reason: &str) -> (&'static str, &'static str) {
    let known = [LOG_BEHIND_MARK, JOURNAL_CORRUPT];
    let told = known.into_iter().find(|(code, _)| reason.starts_with(code));
    told.unwrap_or(("GS5002", "unavailable"))
}

/// `1 problem`, `2 problems`.
fn problems(count: usize) -> String {
    if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") }
}
