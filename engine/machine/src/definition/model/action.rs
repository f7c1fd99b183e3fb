//! Action: what the author writes on entry, on exit and on transitions, compiled.

use std::sync::Arc;

use super::super::expr::{Expr, Template};
use super::cache::CacheRules;
use super::event::Descriptor;
use super::kinds::KindSet;
use super::route::Route;
use super::state::Approval;

/// One executable action. None of them waits (rule 27).
#[derive(Clone, Debug)]
pub enum Action {
    /// `set:` (rule 23).
    Set(Vec<(SetPath, Expr)>),
    /// `raise:` (rule 22).
    Raise {
        /// The internal event.
        event: Arc<str>,
        /// Its payload.
        with: Option<Template>,
    },
    /// `send:` and `timer:` (rules 22, 31).
    Send {
        /// The event's name, checked when evaluated.
        event: Template,
        /// Its payload.
        with: Option<Template>,
        /// How much later; at once after the commit where absent.
        after: Option<Delay>,
        /// The name `cancel:` knows it by.
        id: Option<Template>,
        /// Re-arm instead of adding another.
        replace: bool,
        /// The variable that receives the id.
        id_to: Option<SetPath>,
        /// To whom; to the instance itself where absent.
        to: Option<Recipient>,
    },
    /// `cancel:` (rule 31).
    Cancel {
        /// The id of the sends to cancel.
        id: Template,
    },
    /// `publish:`.
    Publish {
        /// The bus subject, checked when evaluated.
        subject: Template,
        /// The body; the data of the event in hand where absent.
        with: Option<Template>,
    },
    /// `log:`.
    Log {
        /// The label.
        label: Arc<str>,
        /// What to show.
        value: Template,
    },
    /// `if:` (rule 24); a branch without guard is the `else`.
    If(Vec<(Option<Expr>, Vec<Self>)>),
    /// `each:` (rule 24).
    Each {
        /// The list.
        list: Expr,
        /// The name of the item.
        item: Arc<str>,
        /// The name of its index.
        index: Option<Arc<str>>,
        /// What to do with each.
        body: Vec<Self>,
    },
    /// Start the sequence at this place of [`super::Definition::sequences`] for the state it
    /// belongs to, when the macrostep ends and the state is still active (rules 5f, 27).
    Sequence(u16),
    /// Start the step graph at this place of [`super::Definition::graphs`], when the macrostep ends
    /// and its state is still active.
    Graph(u16),
    /// A call nobody waits for: legal in `exit` (rule 27).
    Tell(Arc<CallSpec>),
    /// `checkpoint:`: save a point to fork from, when the macrostep is quiescent.
    Checkpoint {
        /// Its name, checked when evaluated.
        name: Template,
    },
    /// `route:`: rules decide, and what is decided is kept (decision 0025).
    Route(Arc<Route>),
}

/// Calls and what comes between them, in the order written (rule 27).
#[derive(Clone, Debug)]
pub struct Sequence {
    /// The state whose exit cancels it.
    pub state: crate::machine::StateId,
    /// A small program.
    pub steps: Vec<SeqStep>,
}

/// One step of a sequence; jumps go forward only.
#[derive(Clone, Debug)]
pub enum SeqStep {
    /// Run an action.
    Do(Action),
    /// Make a call and wait for its reply.
    Call {
        /// What to call.
        spec: Arc<CallSpec>,
        /// The invoke id, `S.n`: replies become `done.invoke.S.n` (rule 35).
        invoke_id: Arc<str>,
    },
    /// Start a child and wait for its end.
    Child {
        /// What to start.
        spec: Arc<ChildSpec>,
        /// The invoke id: its end becomes `done.invoke.<id>` (rule 35).
        invoke_id: Arc<str>,
    },
    /// Wait for an event.
    Wait {
        /// Any of these.
        events: Vec<Descriptor>,
        /// Only one for which this is true.
        when: Option<Expr>,
        /// What to keep of its payload, as `output`.
        set: Vec<(SetPath, Expr)>,
    },
    /// Ask a person, and wait for the decision (decision 0025).
    Approval {
        /// Whom, and what.
        approval: Arc<Approval>,
        /// What to keep of the decision, as `output`.
        set: Vec<(SetPath, Expr)>,
    },
    /// `id_to:` of what comes next.
    Name {
        /// The variable that receives the id.
        path: SetPath,
        /// The id.
        invoke_id: Arc<str>,
    },
    /// Go on at `target` unless the guard is true.
    JumpUnless {
        /// The guard.
        guard: Expr,
        /// A later position.
        target: u16,
    },
    /// Go on at `target`.
    Jump {
        /// A later position.
        target: u16,
    },
}

impl SeqStep {
    /// The call that it makes, where it makes one.
    #[must_use]
    pub const fn call(&self) -> Option<&Arc<CallSpec>> {
        match self {
            Self::Call { spec, .. } => Some(spec),
            Self::Do(_)
            | Self::Child { .. }
            | Self::Wait { .. }
            | Self::Approval { .. }
            | Self::Name { .. }
            | Self::JumpUnless { .. }
            | Self::Jump { .. } => None,
        }
    }
}

/// A child workflow as the author declared it.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// `name` or `name@version`, checked when evaluated.
    pub workflow: Template,
    /// `with:`; the data of the causing event where absent.
    pub with: Option<Template>,
    /// `set:`: what to keep of all the child says, run before transitions see it (rule 37).
    pub set: Vec<(SetPath, Expr)>,
    /// `forward: true`: the child gets a copy of every event (rule 5c).
    pub forward: bool,
}

/// `to:` of a `send:`.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// `parent`, `invoke.<id>` or `workflow/key`.
    Written(Template),
    /// `{ instance: … }`: `workflow/key`.
    Instance(Template),
}

/// A call as the author declared it.
#[derive(Clone, Debug)]
pub struct CallSpec {
    /// The name of the action, or the operation where it is inline.
    pub name: Arc<str>,
    /// `plugin.operation`, or `plugin@^1.2.operation`.
    pub operation: Arc<str>,
    /// `with:`; the data of the causing event where absent.
    pub with: Option<Template>,
    /// `timeout:` per attempt, in milliseconds.
    pub timeout_ms: u64,
    /// `retry:`.
    pub retry: RetryPolicy,
    /// `set:`: what to keep of the output, run before transitions see the result (rule 37).
    pub set: Vec<(SetPath, Expr)>,
    /// `undo:`: the call that takes it back. Without `with:` of its own it gets the map
    /// `{input, output}` of what it takes back.
    pub undo: Option<Arc<Self>>,
    /// `cache:`: how long its result answers the same call again.
    pub cache: Option<Arc<CacheRules>>,
}

impl CallSpec {
    /// The default of `timeout:`, in milliseconds.
    pub const TIMEOUT_MS: u64 = 30_000;
}

/// `retry:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 1 is no retry.
    pub attempts: u32,
    /// The kinds of failures that are tried again: `on:`.
    pub on: KindSet,
    /// The wait between them.
    pub backoff: Backoff,
    /// Shorten each wait by up to a half, by a number made of the call id.
    pub jitter: bool,
    /// Keep asking for a plugin that is not there, beyond `attempts`: so it is where the author
    /// wrote no `retry:`, for nothing was delivered and the plugin may only be late (row D26).
    pub waits_for_plugin: bool,
}

impl RetryPolicy {
    /// Attempts where `retry:` is written and says neither `attempts` nor `max`.
    pub const ATTEMPTS: u32 = 3;
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 1,
            on: KindSet::RETRYABLE,
            backoff: Backoff::Fixed { delay_ms: 1_000 },
            jitter: true,
            waits_for_plugin: true,
        }
    }
}

/// The wait between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// `delay: 5s` or `backoff: 5s`: always the same.
    Fixed {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// `backoff: 2s..1m`: doubled each time, up to the cap.
    Exponential {
        /// The first wait, in milliseconds.
        first_ms: u64,
        /// The longest wait, in milliseconds.
        cap_ms: u64,
    },
}

/// A span of time: written, or computed.
#[derive(Clone, Debug)]
pub enum Delay {
    /// Milliseconds.
    Fixed(u64),
    /// `${ … }` that gives a duration in words, or a number of milliseconds.
    Computed(Template),
}

/// Where `set:` writes: a declared variable, then members of it (rule 23).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPath {
    /// The place in [`super::Definition::vars`]; `None` where the name is not declared, which is
    /// a load error from files and `error.execution.assign` at run time for built definitions.
    pub var: Option<u16>,
    /// Members below it.
    pub members: Vec<Arc<str>>,
    /// As written.
    pub text: Arc<str>,
}
