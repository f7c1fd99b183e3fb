//! [`Trial`]: one run of a document on files of its own.

use gearshift_bus::Stop;
use gearshift_engine::Clock;
use gearshift_machine::machine::Timestamp;

use super::super::Ending;
use super::life::Life;
use super::{Decisions, Story};

/// When virtual time begins: 2025-06-15T15:06:40Z.
const BEGINNING: Timestamp = Timestamp(1_750_000_000_000);

/// When the engine is dropped; frames are counted from 1, from the document's start on, over all
/// partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// What this frame asked for was under way, the next one is not stored; 0: before the first.
    AfterFrame(u64),
    /// This frame is durable, nothing of it left the engine.
    BeforeEffects(u64),
}

impl Crash {
    /// Does it come before the end of a document of so many frames?
    #[must_use]
    pub const fn cuts(self, frames: u64) -> bool {
        match self {
            Self::AfterFrame(frame) => frame < frames,
            Self::BeforeEffects(frame) => frame <= frames,
        }
    }

    const fn stop(self) -> (u64, Stop) {
        match self {
            Self::AfterFrame(frame) => (frame + 1, Stop::Before),
            Self::BeforeEffects(frame) => (frame, Stop::After),
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// How it ended.
    pub ending: Ending,
    /// What its journals say.
    pub decisions: Decisions,
    /// Frames of the first life.
    pub frames: u64,
    /// Did the first life end before the document did?
    pub was_cut: bool,
}

impl Trial {
    /// Runs `story` in so many partitions; where it is to crash, again from there to its end.
    ///
    /// # Errors
    /// What kept it from running at all.
    pub fn run(story: &Story, partitions: u16, crash: Option<Crash>) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let clock = Clock::at(BEGINNING);
        let first = Life::begin(folder.path(), partitions, &clock)?;
        first.deploy(story)?;
        let (at, stop) = crash.map_or((u64::MAX, Stop::Before), Crash::stop);
        first.breakpoint().stop_at(at, stop);
        let ended = first.run(story)?;
        let frames = first.breakpoint().seen();
        let was_cut = ended.is_none();
        if crash.is_none() {
            let ending = ended.ok_or("the engine stopped by itself")?;
            let decisions = first.decisions()?;
            first.crash();
            return Ok(Self { ending, decisions, frames, was_cut });
        }
        first.crash();
        let second = Life::begin(folder.path(), partitions, &clock)?;
        let ending = second.run(story)?.ok_or("the engine stopped by itself")?;
        let decisions = second.decisions()?;
        second.crash();
        Ok(Self { ending, decisions, frames, was_cut })
    }
}
