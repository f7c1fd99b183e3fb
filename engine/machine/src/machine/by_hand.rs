//! Rollback by a person's order, and what `retry` makes of it (row H5).

use std::sync::Arc;

use super::fork::reopen;
use super::instance::{Reply, TimerKind};
use super::macrostep::{Again, Cause, Taken};
use super::progress::{Phase, Role, Rollback, StepStatus, Then, Undoable};
use super::work::{Overrun, Work};

impl Work<'_> {
    /// The order of a person: take back all, or all since `from`, then wait for the person.
    pub(super) fn roll_back_by_hand(
        &mut self,
        from: Option<&str>,
        reason: &Arc<str>,
    ) -> Result<(), String> {
        if self.is_rolling_back() {
            return Err("a rollback is under way already".to_owned());
        }
        if let Some(reason) = self.instance.transaction_forbids_rollback() {
            return Err(reason);
        }
        let down_to = match from {
            None => None,
            Some(step) => Some(self.undo_of_step(step)?),
        };
        self.remember_kept(is_step);
        if !self.has_undo() && !self.has_undo_under_way(is_step) {
            return Err("nothing was done that can be taken back".to_owned());
        }
        let replies = self.instance.stuck.take().map(|stuck| stuck.replies).unwrap_or_default();
        let replies = replies.into_iter().filter(|it| {
            let running = self.waiting_for(it.call, it.attempt);
            running.is_some_and(|running| running.role == Role::State)
        });
        let replies = replies.collect::<Vec<_>>();
        self.base = None;
        let words = match &**reason {
            "" => "by hand".into(),
            reason => format!("by hand: {reason}").into(),
        };
        let taken = self.attempt(&|| Again::Event(None), |work| {
            work.stop_but_undoable(|role| is_step(role) || matches!(role, Role::Finally { .. }))?;
            work.hold_graphs();
            work.begin_rollback(Then::Hold { replies }, down_to, words)?;
            work.macrostep(Cause::Resume(None))
        });
        match taken {
            Taken::RolledBack => Err("the rollback could not begin".to_owned()),
            Taken::Yes | Taken::Deferred | Taken::Unhandled(_) => Ok(()),
        }
    }

    /// The oldest undo entry of the step `name`'s latest run.
    fn undo_of_step(&self, name: &str) -> Result<u32, String> {
        let Some((graph, step)) = self.definition.step_named(name) else {
            return Err(format!("no step `{}`", name.escape_debug()));
        };
        let progress = self.instance.progress.as_deref();
        let run = progress.and_then(|it| it.graphs.iter().find(|run| run.graph == graph));
        let Some(run) = run else { return Err(format!("step `{name}` did not run yet")) };
        let ended = run.steps.get(usize::from(step)).and_then(|state| state.ended_at);
        let Some(started) = run.steps.get(usize::from(step)).and_then(|state| state.started_at)
        else {
            return Err(format!("step `{name}` did not run yet"));
        };
        // What a fallback did is done for its step.
        let meant = |at: u16| self.definition.step(graph, at).and_then(|spec| spec.fallback_of);
        let of_run = |entry: &Undoable| entry.step.filter(|(of, _)| *of == run.id);
        let own = |entry: &&Undoable| {
            of_run(entry).is_some_and(|(_, at)| at == step || meant(at) == Some(step))
        };
        // Of itself it has nothing: then what needs it, which is exact, or what came after it.
        let needing = self.definition.graphs.get(usize::from(graph));
        let needing = needing.map(|graph| graph.needing(meant(step).unwrap_or(step)));
        let needing = needing.unwrap_or_default();
        let needs_it = |entry: &&Undoable| {
            of_run(entry).is_some_and(|(_, at)| needing.contains(&meant(at).unwrap_or(at)))
        };
        let later = |entry: &&Undoable| entry.at > ended.unwrap_or(started);
        let undo = || progress.into_iter().flat_map(|it| it.undo.iter());
        let found = undo().find(own).or_else(|| undo().find(needs_it));
        let found = found.or_else(|| undo().find(later)).map(|entry| entry.id);
        // What is under way gets a number from now on, should it succeed.
        let under_way = || self.has_undo_under_way(is_step).then_some(self.instance.next_id);
        found.or_else(under_way).ok_or_else(|| {
            format!("nothing that step `{name}` or a later one did can be taken back")
        })
    }

    /// Steps that run go back to waiting: a rollback by hand may be followed by `retry`.
    pub(super) fn hold_graphs(&mut self) {
        let now = self.now;
        let Some(progress) = self.instance.progress.as_deref_mut() else { return };
        for run in progress.graphs.iter_mut().filter(|run| run.phase != Phase::Ended) {
            for at in 0..run.steps.len() {
                let runs = run.steps.get(at).is_some_and(|state| {
                    !state.is_settled() && state.status != StepStatus::Pending
                });
                if runs && let Some(state) = run.steps.get_mut(at) {
                    state.status = StepStatus::Pending;
                    // Should the person not let it go on, it ended here.
                    state.stopped_at.get_or_insert(now);
                }
            }
        }
        self.instance.timers.retain(|timer| {
            !matches!(timer.kind, TimerKind::Steps { .. } | TimerKind::MoreSteps { .. })
        });
    }

    /// Calls of states go on while a person's order is carried out, and what they give waits with
    /// the instance for that person.
    pub(super) fn waits_for_person(&mut self, reply: &Reply) -> bool {
        let running = self.waiting_for(reply.call, reply.attempt);
        if running.is_none_or(|it| it.role != Role::State) {
            return false;
        }
        let progress = self.instance.progress.as_deref_mut();
        let rollback = progress.and_then(|progress| progress.rollback.as_deref_mut());
        let Some(Rollback { then: Then::Hold { replies }, .. }) = rollback else { return false };
        replies.push(reply.clone());
        self.note("kept until it goes on");
        true
    }

    /// `retry` after a rollback by hand: what was taken back is done again.
    pub(super) fn redo(&mut self) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(progress) = self.instance.progress.as_deref_mut() else {
            return self.macrostep(Cause::Resume(None));
        };
        progress.forget_weight();
        progress.mark_undone_of_before();
        let (mut wakes, mut timeouts, mut over) = (Vec::new(), Vec::new(), Vec::new());
        for run in &mut progress.graphs {
            let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { continue };
            if self.instance.active.binary_search(&graph.state).is_err() {
                continue;
            }
            let undone = run
                .steps
                .iter()
                .any(|state| state.status == StepStatus::Undone || state.is_partly_undone());
            if run.phase == Phase::Ended && !undone {
                continue;
            }
            reopen(run, graph, Vec::new());
            // Its last call may have succeeded meanwhile, and its undo been skipped.
            if run.open == 0 && run.phase == Phase::Running {
                over.push(run.id);
                continue;
            }
            timeouts.extend(graph.timeout_ms.map(|timeout| (run.id, timeout)));
            wakes.extend((0_u16..).zip(run.steps.iter()).map(|(at, _)| (run.id, at)));
        }
        for (graph, timeout) in timeouts {
            self.arm(timeout, TimerKind::Steps { graph, step: None });
        }
        self.wakes.extend(wakes);
        for graph in over {
            self.graph_over(graph)?;
        }
        self.macrostep(Cause::Resume(None))
    }
}

const fn is_step(role: Role) -> bool {
    matches!(role, Role::Step { .. })
}
