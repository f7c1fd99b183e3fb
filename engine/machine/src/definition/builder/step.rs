//! Steps.

use super::approval::Approval;
use super::data::Data;
use super::route::Route;
use super::tree::{Tree, names};
use crate::convert::Yaml;
use crate::definition::model::Collect;

/// What a step's failure does, when no attempt is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// The steps fail.
    Abort,
    /// It is left behind; what needs it goes on.
    Skip,
    /// It is tried three times.
    Retry,
}

/// A step of a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step(pub(super) Tree);

impl Step {
    /// `call:` an operation, `plugin.operation`.
    #[must_use]
    pub fn call(self, operation: impl Into<String>) -> Self {
        self.text("call", operation)
    }

    /// `run:` a workflow as a child.
    #[must_use]
    pub fn run(self, workflow: impl Into<String>) -> Self {
        self.text("run", workflow)
    }

    /// `publish:` a message to a subject.
    #[must_use]
    pub fn publish(self, subject: impl Into<String>) -> Self {
        self.text("publish", subject)
    }

    /// `wait:` for an event.
    #[must_use]
    pub fn wait(self, event: impl Into<String>) -> Self {
        self.text("wait", event)
    }

    /// `approval:` by a person.
    #[must_use]
    pub fn approval(mut self, approval: Approval) -> Self {
        self.0.put("approval", approval.into());
        self
    }

    /// `checkpoint:` a point to fork from.
    #[must_use]
    pub fn checkpoint(self, name: impl Into<String>) -> Self {
        self.text("checkpoint", name)
    }

    /// `route:` by rules.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.0.put("route", route.0.into());
        self
    }

    /// `set:` a variable to an expression; of a call `output` is its result.
    #[must_use]
    pub fn set(mut self, path: &str, expression: impl Into<String>) -> Self {
        self.0.entry("set", path, Yaml::text(expression));
        self
    }

    /// `with:`, as a whole.
    #[must_use]
    pub fn with(mut self, data: impl Into<Data>) -> Self {
        self.0.data("with", data);
        self
    }

    /// One member of `with:`.
    #[must_use]
    pub fn arg(mut self, name: &str, data: impl Into<Data>) -> Self {
        self.0.entry("with", name, data.into().0);
        self
    }

    /// `needs:` all of these.
    #[must_use]
    pub fn needs<N: Into<String>>(mut self, steps: impl IntoIterator<Item = N>) -> Self {
        self.0.put("needs", names(steps));
        self
    }

    /// `needs:` one success of these.
    #[must_use]
    pub fn needs_any<N: Into<String>>(mut self, steps: impl IntoIterator<Item = N>) -> Self {
        self.0.entry("needs", "any", names(steps));
        self
    }

    /// `needs:` so many successes of these.
    #[must_use]
    pub fn needs_n_of<N: Into<String>>(
        mut self,
        count: u16,
        steps: impl IntoIterator<Item = N>,
    ) -> Self {
        self.0.entry("needs", "n_of", Yaml::Literal(count.to_string()));
        self.0.entry("needs", "of", names(steps));
        self
    }

    /// `when:` it is needed at all.
    #[must_use]
    pub fn when(self, guard: impl Into<String>) -> Self {
        self.text("when", guard)
    }

    /// `timeout:` of one attempt, such as `30s`.
    #[must_use]
    pub fn timeout(self, duration: impl Into<String>) -> Self {
        self.text("timeout", duration)
    }

    /// `deadline:` of all attempts and items together.
    #[must_use]
    pub fn deadline(self, duration: impl Into<String>) -> Self {
        self.text("deadline", duration)
    }

    /// `retry:`.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.put("retry", retry.0.into());
        self
    }

    /// `optional: true`: its failure is a warning.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.0.literal("optional", true);
        self
    }

    /// `on_failure:`.
    #[must_use]
    pub fn on_failure(self, what: OnFailure) -> Self {
        self.text(
            "on_failure",
            match what {
                OnFailure::Abort => "abort",
                OnFailure::Skip => "skip",
                OnFailure::Retry => "retry",
            },
        )
    }

    /// `fallback:` another step.
    #[must_use]
    pub fn fallback(self, step: impl Into<String>) -> Self {
        self.text("fallback", step)
    }

    /// `undo:` by an operation that gets `{input, output}` of this one, or by [`Undo`].
    #[must_use]
    pub fn undo(mut self, undo: impl Into<Undo>) -> Self {
        self.0.put("undo", undo.into().0);
        self
    }

    /// `cache:`: how long the result answers the same call again, such as `10m`, or [`Cache`].
    #[must_use]
    pub fn cache(mut self, cache: impl Into<Cache>) -> Self {
        self.0.put("cache", cache.into().0);
        self
    }

    /// `foreach:` item of a list.
    #[must_use]
    pub fn foreach(mut self, each: Each) -> Self {
        self.0.put("foreach", each.0.into());
        self
    }

    /// `title:`.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.text("title", title)
    }

    /// One member of `metadata:`.
    #[must_use]
    pub fn metadata(mut self, name: &str, data: impl Into<Data>) -> Self {
        self.0.entry("metadata", name, data.into().0);
        self
    }

    fn text(mut self, key: &str, text: impl Into<String>) -> Self {
        self.0.text(key, text);
        self
    }
}

/// `retry:` of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry(pub(super) Tree);

impl Retry {
    /// So many attempts in all, the first included.
    #[must_use]
    pub fn attempts(count: u32) -> Self {
        let mut tree = Tree::default();
        tree.literal("attempts", count);
        Self(tree)
    }

    /// `5s`, or `2s..1m` to double it.
    #[must_use]
    pub fn backoff(mut self, wait: impl Into<String>) -> Self {
        self.0.text("backoff", wait);
        self
    }

    /// The kinds of failures that are tried again.
    #[must_use]
    pub fn on<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.0.put("on", names(kinds));
        self
    }
}

/// `undo:` of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo(pub(super) Yaml);

impl Undo {
    /// A call with options.
    #[must_use]
    pub fn call(operation: impl Into<String>, options: impl FnOnce(Step) -> Step) -> Self {
        Self(options(Step::default().call(operation)).0.into())
    }
}

impl<T: Into<String>> From<T> for Undo {
    fn from(operation: T) -> Self {
        Self(Yaml::text(operation))
    }
}

/// `cache:` of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache(pub(super) Yaml);

impl Cache {
    /// For so long, under what makes two calls the same.
    #[must_use]
    pub fn by(key: impl Into<Data>, ttl: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.text("ttl", ttl);
        tree.data("key", key);
        Self(tree.into())
    }
}

impl<T: Into<String>> From<T> for Cache {
    fn from(ttl: T) -> Self {
        Self(Yaml::text(ttl))
    }
}

/// `foreach:` of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Each(Tree);

impl Each {
    /// Each item of the list that an expression gives.
    #[must_use]
    pub fn of(list: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.text("in", list);
        Self(tree)
    }

    /// The name of the item; `item` by default.
    #[must_use]
    pub fn named(mut self, item: impl Into<String>) -> Self {
        self.0.text("as", item);
        self
    }

    /// How many at once; 32 by default.
    #[must_use]
    pub fn max_parallel(mut self, count: u16) -> Self {
        self.0.literal("max_parallel", count);
        self
    }

    /// What failing items do.
    #[must_use]
    pub fn collect(mut self, collect: Collect) -> Self {
        self.0.text(
            "collect",
            match collect {
                Collect::FirstError => "first_error",
                Collect::All => "all",
                Collect::Partial => "partial",
            },
        );
        self
    }

    /// What becomes of the results: `list`, `merge`, `union`, `intersect`, `statistical`.
    #[must_use]
    pub fn aggregate(mut self, word: impl Into<String>) -> Self {
        self.0.text("aggregate", word);
        self
    }

    /// Statistics of the numbers that this member of the results is.
    #[must_use]
    pub fn statistical(mut self, member: impl Into<String>) -> Self {
        self.0.entry("aggregate", "statistical", Yaml::text(member));
        self
    }
}
