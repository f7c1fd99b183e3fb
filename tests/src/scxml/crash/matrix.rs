//! [`Matrix`]: a document's runs with a crash, held against the one without.

use super::super::{Document, Verdict};
use super::{Crash, Story, Trial};

/// Which crashes a document gets.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Frames after which each a crash is made; of a document that has more, as many are chosen.
    pub frames_max: u64,
    /// Is each frame also crashed at before its effects, or one only?
    pub all_effects: bool,
    /// What the choice is made by.
    pub seed: u64,
}

/// What was done to a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Frames of the run without a crash.
    pub frames: u64,
    /// Crashes.
    pub crashes: u64,
    /// Decisions of the run without a crash.
    pub decisions: usize,
}

/// How often a crash is tried that is not met.
const TRIES: usize = 10;

impl Matrix {
    /// Runs a document without a crash, then with each.
    ///
    /// In one partition everything has an order, so the journal is the same but for what
    /// [`Decisions`](super::Decisions) leaves out. Of two partitions neither waits for the other:
    /// an instance hears two others in any order, and only the end is the same. Documents of one
    /// workflow see no difference and are spared that.
    ///
    /// # Errors
    /// The first crash that made a difference, or that it does not pass without one.
    pub fn judge(&self, document: &Document, children: &[Document]) -> Result<Report, String> {
        let story = Story::of(document, children)?;
        let mut report = self.crash(&story, 1)?;
        if story.definitions.len() > 1 {
            let spread = self.crash(&story, 2).map_err(|why| format!("two partitions: {why}"))?;
            report.crashes += spread.crashes;
        }
        Ok(report)
    }

    fn crash(&self, story: &Story, partitions: u16) -> Result<Report, String> {
        let quiet = Trial::run(story, partitions, None)?;
        if let Verdict::Failed(reason) = story.verdict(&quiet.ending) {
            return Err(format!("without a crash: {reason}"));
        }
        let mut crashes = 0;
        for crash in self.crashes(quiet.frames) {
            let told = |why: String| format!("{crash:?}: {why}");
            let mut trial = Trial::run(story, partitions, Some(crash)).map_err(told)?;
            // What waits while a frame is stored makes the next one, so there may be one less.
            let is_met = |trial: &Trial| trial.was_cut == crash.cuts(quiet.frames);
            let mut tries = 1;
            while partitions == 1 && !is_met(&trial) && tries < TRIES {
                trial = Trial::run(story, partitions, Some(crash)).map_err(told)?;
                tries += 1;
            }
            let met = u64::from(partitions > 1 || is_met(&trial));
            if trial.ending != quiet.ending {
                return Err(told(format!("{:?} became {:?}", quiet.ending, trial.ending)));
            }
            let difference = trial.decisions.differ(&quiet.decisions);
            if let Some(difference) = difference.filter(|_| partitions == 1) {
                return Err(told(difference));
            }
            crashes += met;
        }
        if crashes == 0 {
            return Err("no crash was met".to_owned());
        }
        Ok(Report { frames: quiet.frames, crashes, decisions: quiet.decisions.count() })
    }

    /// The crashes of a document of so many frames.
    fn crashes(&self, frames: u64) -> Vec<Crash> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut after: Vec<u64> = (0..=frames).collect();
        while after.len() as u64 > self.frames_max + 1 {
            after.remove(random.usize(..after.len()));
        }
        let mut before: Vec<u64> = after.iter().copied().filter(|frame| *frame > 0).collect();
        if !self.all_effects {
            before = vec![random.u64(1..=frames.max(1))];
        }
        let after = after.into_iter().map(Crash::AfterFrame);
        after.chain(before.into_iter().map(Crash::BeforeEffects)).collect()
    }
}
