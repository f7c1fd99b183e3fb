//! End: how a life ended that reached no final state, and what was left out on the way.

use std::borrow::Cow;
use std::sync::Arc;

use super::input::Event;
use super::instance::Instance;
use super::macrostep::error_text;
use super::work::Work;
use crate::definition::model::Definition;
use crate::value::Value;

/// Bytes of a reason with all that was left out, and of what a person left out: of more the history
/// tells alone.
pub(super) const REASON_MAX: usize = 2_048;

/// Bytes of a person's words that are told within others: the history has all of them.
const SAID_MAX: usize = 256;

/// What a rollback before a cancel is for, where nobody said why.
pub(super) const UNSAID: &str = "cancelled";

/// Of what a `kill` left, so many are named in the reason of the end.
const NAMED_MAX: usize = 3;

/// How a life ended that reached no final state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// In which of the ways.
    pub how: Ending,
    /// Who ordered it; empty where nobody did.
    pub by: Arc<str>,
    /// Why, in words: a person's, or those of the error.
    pub reason: Arc<str>,
    /// The error that it failed by, where it was one.
    pub error: Option<Box<FatalError>>,
}

/// Ways to end without a final state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Something failed.
    Failed,
    /// What was done was taken back, and exit actions ran.
    Cancelled,
    /// Nothing ran.
    Killed,
}

/// The error event that ended a life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FatalError {
    /// Its name.
    pub name: Arc<str>,
    /// The step that failed; empty where it was none.
    pub step: Arc<str>,
    /// What kind of failure: `timeout`, `permanent`, …
    pub kind: Arc<str>,
    /// The plugin's code; empty where it gave none.
    pub code: Arc<str>,
}

impl Ending {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
        }
    }
}

impl End {
    /// It failed, for this reason.
    pub(super) fn failed(reason: impl Into<Arc<str>>) -> Self {
        Self { how: Ending::Failed, by: Arc::default(), reason: reason.into(), error: None }
    }

    /// It failed by this error.
    pub(super) fn by_error(event: &Event, definition: &Definition) -> Self {
        let field = |name: &str| match event.data.as_ref().and_then(|data| data.get(name)) {
            Some(Value::String(text)) => Arc::clone(text),
            _ => Arc::default(),
        };
        let step = field("step");
        // The timeout of all steps is told as a step that is none.
        let step = definition.step_named(&step).map(|_| step).unwrap_or_default();
        let error = FatalError {
            name: Arc::clone(&event.name),
            step,
            kind: field("kind"),
            code: field("code"),
        };
        Self { error: Some(Box::new(error)), ..Self::failed(error_text(event)) }
    }

    /// A person or its parent ended it.
    pub(crate) fn ordered(softly: bool, by: &Arc<str>, reason: &Arc<str>) -> Self {
        let how = if softly { Ending::Cancelled } else { Ending::Killed };
        Self { how, by: Arc::clone(by), reason: Arc::clone(reason), error: None }
    }

    /// A reason of a cancel without the word for one that nobody gave.
    pub(super) fn given(reason: &Arc<str>) -> Arc<str> {
        match reason.strip_prefix(UNSAID) {
            Some("") => Arc::default(),
            Some(rest) => rest.strip_prefix("; ").map_or_else(|| Arc::clone(reason), Arc::from),
            None => Arc::clone(reason),
        }
    }

    /// `killed by ann: too late`, ``failed: step `load`: permanent 422: no such file``.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = self.how.as_str().to_owned();
        if !self.by.is_empty() {
            words.push_str(" by ");
            words.push_str(&self.by);
        }
        let told = self.error.as_deref().and_then(|error| error.words(&self.reason));
        let reason = told.as_deref().unwrap_or(&self.reason);
        // Ends of earlier programs have the word for no reason as one.
        if !reason.is_empty() && reason != self.how.as_str() {
            words.push_str(": ");
            words.push_str(reason);
        }
        words
    }

    /// What notices say of it.
    pub(crate) fn fields(&self) -> Vec<(&'static str, Value)> {
        let text = |text: &Arc<str>| match &**text {
            "" => Value::Null,
            _ => Value::String(Arc::clone(text)),
        };
        let mut fields = vec![("by", text(&self.by)), ("reason", text(&self.reason))];
        if self.how == Ending::Killed {
            fields.push(("killed", Value::Bool(true)));
        }
        if let Some(error) = self.error.as_deref() {
            let of_error = [("step", &error.step), ("kind", &error.kind), ("code", &error.code)];
            fields.extend(of_error.map(|(name, value)| (name, text(value))));
        }
        fields
    }
}

impl FatalError {
    /// ``step `load`: permanent 422: no such file``; nothing where the reason is told otherwise.
    fn words(&self, reason: &str) -> Option<String> {
        let message = reason.strip_prefix(&*self.name)?;
        let message = message.strip_prefix(": ").unwrap_or(message);
        let place = match &*self.step {
            "" => self.name.to_string(),
            step => format!("step `{step}`"),
        };
        let kind = match (&*self.kind, &*self.code) {
            // The name of the event says as much.
            ("" | "execution", "") => String::new(),
            (kind, code) if code.is_empty() || code == kind => kind.to_owned(),
            ("", code) => code.to_owned(),
            (kind, code) => format!("{kind} {code}"),
        };
        let all = [place, kind, message.to_owned()];
        let all = all.into_iter().filter(|part| !part.is_empty());
        Some(all.collect::<Vec<_>>().join(": "))
    }
}

impl Instance {
    /// How its life ended, where it reached no final state.
    #[must_use]
    pub fn end(&self) -> Option<&End> {
        let ended = self.status.is_ended() || self.is_revived();
        let progress = self.progress.as_deref().filter(|_| ended)?;
        progress.end.as_deref()
    }

    /// What a person left out with `skip` of what was to be taken back, or to be done in any case.
    #[must_use]
    pub fn left_out(&self) -> &[Arc<str>] {
        self.progress.as_deref().map(|progress| progress.left_out.as_slice()).unwrap_or_default()
    }
}

/// ` by ann: no room`: whose order it was, as far as they said.
pub(super) fn by_whom(by: &str, reason: &str) -> String {
    let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
    if reason.is_empty() {
        return by;
    }
    format!("{by}: {}", short(reason))
}

/// A person's words, or the beginning of them.
pub(super) fn short(said: &str) -> Cow<'_, str> {
    let fits = |(at, letter): &(usize, char)| at + letter.len_utf8() <= SAID_MAX;
    match said.len() {
        ..=SAID_MAX => said.into(),
        _ => said.char_indices().take_while(fits).map(|(_, letter)| letter).chain(['…']).collect(),
    }
}

impl Work<'_> {
    /// A person left something out of what cleans up: the end tells of it.
    pub(super) fn leave_out(&mut self, what: &str) {
        self.note(what);
        self.add_to_reason(what);
        let list = &mut self.instance.progress.get_or_insert_default().left_out;
        let known = list.iter().map(|words| words.len()).sum::<usize>();
        if known + what.len() <= REASON_MAX {
            list.push(what.into());
        }
    }

    /// The reason of an end, with what was left out and is not told in it yet.
    pub(super) fn with_left_out(&self, reason: &Arc<str>) -> Arc<str> {
        let mut told = reason.to_string();
        for what in self.instance.left_out() {
            if !told.contains(&**what) && told.len() + what.len() + 2 <= REASON_MAX {
                if !told.is_empty() {
                    told.push_str("; ");
                }
                told.push_str(what);
            }
        }
        if told.len() == reason.len() { Arc::clone(reason) } else { told.into() }
    }

    /// The reason of a `kill`, with what it left of a rollback that it broke off: the first of it,
    /// and how much more. All of it is kept beside what persons left out.
    pub(super) fn with_broken_off(&mut self, reason: Arc<str>) -> Arc<str> {
        let left = self.left_by_kill();
        if left.is_empty() {
            return reason;
        }
        let mut told = reason.to_string();
        // One more is named as well: to count it says less and is no shorter.
        let named = if left.len() == NAMED_MAX + 1 { left.len() } else { NAMED_MAX };
        let more = left.len().saturating_sub(named);
        let rest = (more > 0).then(|| format!("{more} more like that"));
        for what in left.iter().take(named).chain(&rest) {
            self.note(what.as_str());
            if told.len() + what.len() + 2 <= REASON_MAX {
                let between = if told.is_empty() { "" } else { "; " };
                told.extend([between, what.as_str()]);
            }
        }
        let list = &mut self.instance.progress.get_or_insert_default().left_out;
        let mut known = list.iter().map(|words| words.len()).sum::<usize>();
        let mut places = left.len();
        for what in left {
            known += what.len();
            if known > REASON_MAX {
                list.push(format!("{places} more like that").into());
                break;
            }
            places -= 1;
            list.push(what.into());
        }
        told.into()
    }

    /// What is kept of the end, to be read afterwards.
    pub(super) fn keep_end(&mut self, end: End) {
        self.instance.progress.get_or_insert_default().end = Some(Box::new(end));
    }
}
