//! A member that is killed, or fails, at work: what its transaction has to know goes on, and
//! nothing else (decision 0048).

use std::sync::Arc;

use super::super::instance::{Reply, RunningSequence, Status, Stuck, Timer};
use super::super::last_replies::may_be_undone;
use super::super::progress::Role;
use super::super::work::Work;

/// What the end of a member at work does not break off.
#[derive(Debug)]
pub(in super::super) struct Spared {
    /// Calls that can be taken back once they succeed, and the undo that is under way or failed.
    sequences: Vec<RunningSequence>,
    /// Their deadlines and next attempts.
    timers: Vec<Timer>,
    /// The undo failed, and a person has to help.
    stuck: Option<Box<Stuck>>,
    /// Answers to them that came while it was stuck with something else.
    replies: Vec<Reply>,
}

impl Work<'_> {
    /// Is this what the transaction has to hear the end of?
    fn is_spared(&self, sequence: &RunningSequence) -> bool {
        match sequence.role {
            Role::Undo { undo } => self.is_transactions(undo),
            Role::State | Role::Step { .. } => may_be_undone(self.definition, sequence),
            Role::Finally { .. } => false,
        }
    }

    /// Sets apart what its end does not break off, where the transaction decides about it.
    pub(in super::super) fn spare(&mut self) -> Option<Spared> {
        if !self.instance.is_bound() {
            return None;
        }
        self.withdraw_unsent(|_| true);
        self.take_in_adrift();
        let ids = self.instance.sequences.iter().filter(|it| self.is_spared(it)).map(|it| it.id);
        let ids: Vec<u32> = ids.collect();
        if ids.is_empty() {
            return None;
        }
        let instance = &mut self.instance;
        let (sequences, rest) = std::mem::take(&mut instance.sequences)
            .into_iter()
            .partition::<Vec<_>, _>(|it| ids.contains(&it.id));
        instance.sequences = rest;
        let of_spared = |timer: &&Timer| timer.kind.of_call().is_some_and(|it| ids.contains(&it));
        let timers = instance.timers.iter().filter(of_spared).cloned();
        let timers = timers.collect();
        let awaited = |reply: &Reply| {
            let calls = sequences.iter().filter_map(|it| it.call.as_ref());
            calls.into_iter().any(|call| call.id == reply.call)
        };
        let replies = instance.kept_replies().filter(|it| awaited(it)).cloned().collect();
        let failed =
            |stuck: &mut Box<Stuck>| stuck.sequence.as_ref().is_some_and(|it| ids.contains(&it.id));
        let mut stuck = instance.stuck.take_if(failed);
        if let Some(stuck) = &mut stuck {
            stuck.replies.clear();
        }
        Some(Spared { sequences, timers, stuck, replies })
    }

    /// The member ended, but for what was set apart: it is as one that had ended and is taken back.
    /// Without that its transaction, should it wait for it, hears that it stands still.
    pub(in super::super) fn outlast(&mut self, spared: Option<Spared>, end: &str) {
        let Some(spared) = spared else { return self.stands_where_it_ended() };
        let Spared { sequences, timers, stuck, replies } = spared;
        let graphs = sequences.iter().filter_map(|it| match it.role {
            Role::Step { graph, .. } => Some(graph),
            Role::State | Role::Undo { .. } | Role::Finally { .. } => None,
        });
        let graphs: Vec<u32> = graphs.collect();
        self.instance.sequences = sequences;
        self.instance.timers.extend(timers);
        for graph in graphs {
            self.keep_awaited_running(graph);
        }
        let status = self.instance.status;
        if let Some(member) = self.member_mut() {
            member.ended = Some(status);
        }
        self.give_up_to_transaction(end.into());
        self.running = true;
        if let Some(stuck) = stuck {
            self.instance.status = Status::Stuck;
            self.instance.stuck = Some(stuck);
            self.note("its undo failed: that still waits for a person");
        } else {
            self.note("ends with what is under way and can be taken back");
        }
        self.take_what_waited(replies);
    }

    /// Nobody takes back any more what a killed member waits for: it ends as any that is killed.
    pub(super) fn break_off_killed(&mut self) {
        if !self.instance.is_revived() {
            return;
        }
        let mut left = Vec::new();
        for sequence in std::mem::take(&mut self.instance.sequences) {
            if let Role::Undo { undo } = sequence.role {
                let call = self.call_of(&sequence).map(|(spec, _)| Arc::clone(&spec.operation));
                let (what, call) = (self.undone_words(undo), call.unwrap_or_default());
                let sent = sequence.call.as_ref().is_some_and(|call| call.sent);
                left.push(match sent {
                    true => format!("{what} may not be taken back: `{call}` was under way"),
                    false => format!("{what} was not taken back: `{call}` failed"),
                });
            } else {
                left.push(self.cut_off_words(&sequence, "was under way"));
            }
            self.disarm_call(sequence.id);
            self.cancel_call(&sequence);
        }
        for what in left {
            self.leave_out(&what);
        }
        self.instance.stuck = None;
        self.end_revived();
    }
}
