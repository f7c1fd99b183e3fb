//! Random step graphs for the tests of the codecs.

use super::random::Random;
use crate::machine::{
    CacheKey, Checkpoint, Chunks, Clocks, Committed, ContentHash, End, Ending, FanState,
    FatalError, ItemState, Paused, Phase, Pin, Progress, Role, Rollback, RunningGraph, StepError,
    StepState, StepStatus, Then, Undoable, Unkept, Vote,
};

impl Random {
    pub(super) fn cache_key(&mut self) -> CacheKey {
        let mut hash = [0; 32];
        hash.fill_with(|| u8::try_from(self.below(256)).unwrap_or(0));
        CacheKey { hash: ContentHash(hash), fresh: self.chance() }
    }

    pub(super) fn role(&mut self) -> Role {
        match self.below(4) {
            0 => Role::State,
            1 => Role::Step { graph: self.int(), step: self.small(), item: self.maybe(Self::int) },
            2 => Role::Undo { undo: self.int() },
            _ => Role::Finally { graph: self.int() },
        }
    }

    pub(super) fn progress(&mut self) -> Box<Progress> {
        Box::new(Progress {
            graphs: self.list(Self::graph),
            undo: self.list(Self::undoable).into_iter().collect(),
            rollback: self.maybe(Self::rollback),
            paused: self.maybe(Self::paused),
            checkpoints: self.list(Self::checkpoint),
            saves: if self.below(8) == 0 { self.list(Self::text) } else { Vec::new() },
            within: if self.below(8) == 0 { self.list(Self::text) } else { Vec::new() },
            left_out: if self.below(8) == 0 { self.list(Self::text) } else { Vec::new() },
            adrift: if self.below(8) == 0 { self.list(Self::sequence) } else { Vec::new() },
            end: if self.below(8) == 0 { self.maybe(Self::end) } else { None },
            weighed: crate::machine::Weighed::default(),
        })
    }

    fn end(&mut self) -> Box<End> {
        Box::new(End {
            how: self.pick(&[Ending::Failed, Ending::Cancelled, Ending::Killed]),
            by: self.text(),
            reason: self.text(),
            error: self.maybe(|random| {
                Box::new(FatalError {
                    name: random.text(),
                    step: random.text(),
                    kind: random.text(),
                    code: random.text(),
                })
            }),
        })
    }

    /// Some steps and items become others.
    pub(super) fn change_progress(&mut self, progress: &mut Progress) {
        for graph in &mut progress.graphs {
            let place = usize::try_from(self.below(80)).unwrap_or(0);
            if let Some(step) = graph.steps.get_mut(place) {
                match &mut step.fan {
                    Some(fan) => {
                        let place = usize::try_from(self.below(70)).unwrap_or(0);
                        if let Some(item) = fan.items.get_mut(place) {
                            *item = ItemState::Done(self.value(1));
                        }
                    }
                    None => *step = self.step(),
                }
            }
        }
        if let Some(paused) = &mut progress.paused {
            paused.replies.push(self.reply());
        } else {
            progress.paused = self.maybe(Self::paused);
        }
        if self.below(3) == 0 {
            progress.checkpoints.push(self.checkpoint());
        }
        if self.below(4) == 0 {
            progress.end = self.maybe(Self::end);
            progress.left_out.push(self.text());
            progress.saves.clear();
        }
        if self.below(4) == 0 {
            progress.adrift.push(self.sequence());
        } else if self.below(4) == 0 && !progress.adrift.is_empty() {
            progress.adrift.remove(0);
        }
        progress.undo.remove_last(|_| true);
        progress.undo.push(self.undoable());
    }

    fn graph(&mut self) -> RunningGraph {
        let phases = [Phase::Running, Phase::Finally, Phase::Ended];
        let steps: Vec<_> = (0..self.below(80)).map(|_| self.step()).collect();
        RunningGraph {
            id: self.int(),
            graph: self.small(),
            phase: self.pick(&phases),
            event: self.maybe(|random| Box::new(random.event())),
            steps: steps.into_iter().collect(),
            open: self.small(),
            started_at: self.at(),
            ended_at: self.maybe(Self::at),
        }
    }

    pub(super) fn vote(&mut self) -> Vote {
        Vote { state: self.state(), choice: self.text(), user: self.text() }
    }

    fn step(&mut self) -> StepState {
        let all = [
            StepStatus::Pending,
            StepStatus::Running,
            StepStatus::Retrying,
            StepStatus::Completed,
            StepStatus::Failed,
            StepStatus::Skipped,
            StepStatus::Cancelled,
            StepStatus::Undone,
        ];
        StepState {
            status: self.pick(&all),
            attempts: self.int(),
            output: self.value(1),
            error: self.maybe(Self::step_error),
            started_at: self.maybe(Self::at),
            ended_at: self.maybe(Self::at),
            stopped_at: if self.below(8) == 0 { self.maybe(Self::at) } else { None },
            fan: if self.below(8) == 0 { Some(self.fan()) } else { None },
            votes: if self.below(8) == 0 { self.list(Self::vote) } else { Vec::new() },
            cached: self.chance(),
            stays: if self.below(8) == 0 { self.list(Self::int) } else { Vec::new() },
            committed: if self.below(8) == 0 { self.list(Self::committed) } else { Vec::new() },
        }
    }

    fn committed(&mut self) -> Committed {
        Committed { transaction: self.text(), items: vec![(self.int(), self.int())] }
    }

    fn step_error(&mut self) -> Box<StepError> {
        let kind = crate::machine::ErrorKind::Timeout;
        Box::new(StepError { kind, code: self.text(), message: self.text() })
    }

    fn fan(&mut self) -> Box<FanState> {
        let items: Vec<_> = (0..self.below(70))
            .map(|_| match self.below(5) {
                0 => ItemState::Open,
                3 => ItemState::Undone,
                1 => ItemState::Done(self.value(1)),
                2 => ItemState::Unkept(Box::new(Unkept {
                    error: *self.step_error(),
                    position: self.small(),
                    output: self.value(1),
                })),
                _ => ItemState::Failed {
                    error: self.step_error(),
                    retries: u32::from(self.chance()),
                },
            })
            .collect();
        let items: Chunks<_> = items.into_iter().collect();
        Box::new(FanState {
            list: self.value(2),
            next: self.int(),
            open: self.int(),
            failed: self.int(),
            items,
        })
    }

    fn paused(&mut self) -> Box<Paused> {
        Box::new(Paused {
            since: self.at(),
            clocks: self.pick(&[Clocks::Freeze, Clocks::Keep]),
            by: self.text(),
            reason: self.text(),
            replies: self.list(Self::reply),
            start: self.maybe(|random| Box::new(random.event())),
        })
    }

    fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint {
            name: self.text(),
            at: self.at(),
            step: u64::from(self.int()),
            pin: Pin { version: self.int(), hash: u64::from(self.int()) },
            active: self.list(Self::state),
            vars: self.list(|random| random.value(1)),
            history: Vec::new(),
            sequences: Vec::new(),
            graphs: self.list(Self::graph),
        }
    }

    fn undoable(&mut self) -> Undoable {
        let step = self.maybe(|random| (random.int(), random.small()));
        Undoable {
            id: self.int(),
            sequence: self.small(),
            position: self.small(),
            state: self.state(),
            item: step.and_then(|_| self.maybe(Self::int)),
            step,
            input: self.value(1),
            output: self.value(1),
            at: self.at(),
            unusable: self.maybe(Self::id),
        }
    }

    fn rollback(&mut self) -> Box<Rollback> {
        let then = match self.below(6) {
            0 => Then::Raise { graph: self.int(), event: Box::new(self.event()) },
            1 => Then::Fail,
            2 => Then::Cancel { by: self.text() },
            3 => Then::Transaction,
            4 => Then::Orphaned,
            _ => Then::Hold { replies: self.list(Self::reply) },
        };
        Box::new(Rollback { down_to: self.maybe(Self::int), then, reason: self.text() })
    }
}
