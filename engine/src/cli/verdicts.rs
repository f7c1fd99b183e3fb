//! What became of an event or a command, as people and shells read it.

use gearshift_client::protocol::{EventReply, InstanceVerdict, Status, Verdict, Wait};
use tokio::time::Instant;

use super::failure::{ENDED_BADLY, TIMED_OUT};
use super::words::{names, plain, span, states};

/// `doc-43  document_approval@1  started: under_review  8ms`.
pub(super) fn line_of(verdict: &InstanceVerdict, began: Instant) -> String {
    let spent = span(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    let what = in_words(verdict);
    if verdict.instance.is_empty() {
        return format!("-  {what}  {spent}");
    }
    let key = &verdict.key;
    // Where there is no instance there is no version either.
    let workflow = match verdict.version {
        0 => verdict.workflow.clone(),
        version => format!("{}@{version}", verdict.workflow),
    };
    let ended = match verdict.status {
        Some(Status::Stuck) => format!("  stuck: see `gearshift why {key}`"),
        Some(Status::Failed) => format!("  failed: see `gearshift history {key}`"),
        Some(_) | None => String::new(),
    };
    format!("{key}  {workflow}  {what}  {spent}{ended}")
}

/// What was waited for will not come by itself: an instance is stuck or ended without it.
fn missed(reply: &EventReply, awaited: &Wait) -> bool {
    reply.verdicts.iter().any(|verdict| {
        let over = verdict.status.is_some_and(|it| it == Status::Stuck || it.is_ended());
        over && match awaited {
            Wait::None => false,
            Wait::End | Wait::Quiescent => verdict.status != Some(Status::Done),
            Wait::State(state) => !verdict.active.contains(state),
        }
    })
}

/// What became of an input, in a few words.
pub(super) fn in_words(verdict: &InstanceVerdict) -> String {
    let now = states(&verdict.active);
    match &verdict.verdict {
        Verdict::Transitioned { from, to, .. } if to == from && *to == verdict.active => {
            format!("stays in {now}")
        }
        Verdict::Transitioned { from, .. } => format!("{} → {now}", states(from)),
        Verdict::Started { .. } if now.is_empty() => "started, and is paused".to_owned(),
        Verdict::Started { .. } => format!("started: {now}"),
        Verdict::Deferred if now.is_empty() => "kept for later".to_owned(),
        Verdict::Deferred => format!("kept for later, in {now}"),
        Verdict::Ignored { reason } => format!("ignored: {reason}, in {now}"),
        Verdict::Duplicate { at } => format!("duplicate of step {at}, in {now}"),
        Verdict::IdReuse { at } => {
            format!("refused: the id was used at step {at} for other content")
        }
        Verdict::NoInstance => "no instance has this key, and the event starts none".to_owned(),
        Verdict::Rejected { reason, accepted } if accepted.is_empty() => {
            format!("rejected: {reason}")
        }
        Verdict::Rejected { reason, accepted } => {
            format!("rejected: {reason}; accepted: {}", names(accepted))
        }
        Verdict::Denied { reason } => format!("denied: {reason}"),
        Verdict::DeadLettered { reason } => format!("dead letter: {reason}"),
        Verdict::Stuck { reason } => format!("stuck in {now}: {}", plain(reason)),
        Verdict::Buffered => "kept until an instance with this key starts".to_owned(),
        Verdict::Done => match verdict.status {
            Some(status) => format!("{} in {now}", status.as_str()),
            None => "done".to_owned(),
        },
        Verdict::Busy => "busy: nothing was done, try again".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// 1 where an instance is stuck or failed, or ended elsewhere than where it was waited for.
pub(super) fn exit_code(reply: &EventReply, awaited: &Wait) -> u8 {
    let failed =
        |verdict: &InstanceVerdict| matches!(verdict.status, Some(Status::Stuck | Status::Failed));
    let went_bad = missed(reply, awaited) || reply.verdicts.iter().any(failed);
    match reply.exit_code() {
        0 | TIMED_OUT if went_bad => ENDED_BADLY,
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_bad_is_exit_1_and_what_is_kept_is_0() {
        let reply = |verdict, status, reached| {
            let verdict = InstanceVerdict {
                status,
                active: vec!["a".to_owned()],
                ..InstanceVerdict::without_instance(verdict)
            };
            EventReply { verdicts: vec![verdict], reached }
        };
        let elsewhere = Wait::State("b".to_owned());
        let stuck = Verdict::Stuck { reason: "no".to_owned() };
        assert_eq!(exit_code(&reply(stuck, Some(Status::Stuck), true), &Wait::None), 1);
        // It came while the instance was stuck: it is kept, and nobody goes on by itself.
        assert_eq!(exit_code(&reply(Verdict::Deferred, Some(Status::Stuck), true), &Wait::None), 1);
        let moved = || Verdict::Transitioned { from: vec![], to: vec![], waiting: false };
        assert_eq!(exit_code(&reply(moved(), Some(Status::Failed), true), &Wait::None), 1);
        assert_eq!(exit_code(&reply(moved(), Some(Status::Done), true), &Wait::None), 0);
        assert_eq!(exit_code(&reply(moved(), Some(Status::Done), false), &elsewhere), 1);
        assert_eq!(exit_code(&reply(moved(), Some(Status::Running), false), &elsewhere), 7);
        assert_eq!(exit_code(&reply(Verdict::Buffered, None, true), &Wait::None), 0);
    }

    #[test]
    fn an_end_that_was_waited_for_is_exit_0_unless_it_is_a_bad_one() {
        let code = |status| {
            let verdict = Verdict::Transitioned { from: vec![], to: vec![], waiting: false };
            let verdict = InstanceVerdict {
                status: Some(status),
                active: vec!["fine".to_owned()],
                ..InstanceVerdict::without_instance(verdict)
            };
            let reached = status.is_ended();
            exit_code(&EventReply { verdicts: vec![verdict], reached }, &Wait::End)
        };
        assert_eq!(code(Status::Done), 0);
        for bad in [Status::Failed, Status::Cancelled, Status::Stuck] {
            assert_eq!(code(bad), 1, "{bad:?}");
        }
        assert_eq!(code(Status::Running), 7);
    }

    #[test]
    fn a_start_names_its_state_and_what_has_none_says_none() {
        let of = |verdict, active: &[&str]| InstanceVerdict {
            active: active.iter().map(ToString::to_string).collect(),
            ..InstanceVerdict::without_instance(verdict)
        };
        let started = Verdict::Started { to: vec!["started".to_owned()] };
        assert_eq!(in_words(&of(started, &["started"])), "started: started");
        assert_eq!(in_words(&of(Verdict::Deferred, &[])), "kept for later");
        assert_eq!(in_words(&of(Verdict::Deferred, &["a"])), "kept for later, in a");
    }
}
