//! Notices: every lifecycle change and transition, for whoever subscribes; may be lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_bus::{Bus, Subject};
use gearshift_machine::machine::{Generation, InstanceKey, NoticeKind, Timestamp};
use gearshift_machine::value::Value;
use gearshift_protocol::subjects;

/// One change of one instance, as it goes to subscribers.
#[derive(Clone, Debug)]
pub struct NoticeMessage {
    /// Which instance.
    pub key: InstanceKey,
    /// Which life of it.
    pub generation: Generation,
    /// The step counter after the change.
    pub step: u64,
    /// When the owner took the input.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: NoticeKind,
    /// Details, by kind.
    pub data: Value,
    /// The definition's version.
    pub version: u32,
}

/// Who listens to a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hearing {
    /// Somebody of this process.
    pub(crate) here: bool,
    /// Somebody on the bus, as far as is known.
    pub(crate) there: bool,
}

/// Who listens to what, asked once for all the notices of one frame.
#[derive(Debug, Default)]
pub(crate) struct Hearings(Vec<(Arc<str>, NoticeKind, Hearing)>);

impl Hearings {
    /// Who listens to notices of this kind; nobody is `None`.
    pub(crate) fn of(
        &mut self,
        workflow: &Arc<str>,
        kind: NoticeKind,
        ask: impl FnOnce() -> Hearing,
    ) -> Option<Hearing> {
        let known = self.0.iter().find(|known| known.1 == kind && known.0 == *workflow);
        let hearing = match known {
            Some((_, _, hearing)) => *hearing,
            None => {
                let hearing = ask();
                self.0.push((Arc::clone(workflow), kind, hearing));
                hearing
            }
        };
        (hearing.here || hearing.there).then_some(hearing)
    }
}

/// Shared between subscribers.
pub(crate) type SharedNotice = Arc<NoticeMessage>;

/// The subjects of notices, made once each: there are as many as workflows times kinds.
#[derive(Debug, Default)]
pub(crate) struct NoticeSubjects(Mutex<HashMap<Box<str>, Kinds>>);

/// The kinds of one workflow's notices met so far.
type Kinds = Vec<(NoticeKind, Subject)>;

impl NoticeSubjects {
    /// Does somebody on the bus listen to notices of this kind?
    pub(crate) fn is_heard(&self, bus: &Bus, workflow: &str, kind: NoticeKind) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(workflow) {
            known.insert(workflow.into(), Vec::new());
        }
        let Some(kinds) = known.get_mut(workflow) else { return false };
        if let Some((_, subject)) = kinds.iter().find(|(other, _)| *other == kind) {
            return bus.is_heard(subject);
        }
        let text = subjects::notice(workflow, kind.as_str());
        let Ok(subject) = Subject::parse(&text) else { return false };
        let heard = bus.is_heard(&subject);
        kinds.push((kind, subject));
        heard
    }
}
