//! [`Complaints`]: what a server said against a connection, such as a missing permission.

use std::collections::VecDeque;

/// Complaints kept; older ones give way.
const KEPT_MAX: usize = 64;

/// What a server said against one connection since it was made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Complaints {
    count: u64,
    last: VecDeque<String>,
}

impl Complaints {
    pub(super) fn note(&mut self, text: String) {
        if self.last.len() >= KEPT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(text);
        self.count += 1;
    }

    /// A connection that is made again may have other permissions.
    pub(super) fn forget(&mut self) {
        self.last.clear();
    }

    /// How many there were; for [`Complaints::refuses_publish`].
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Did the server refuse a message to `subject`, after the first `since` complaints?
    pub(super) fn refuses_publish(&self, subject: &str, since: u64) -> bool {
        let new = usize::try_from(self.count.saturating_sub(since)).unwrap_or(usize::MAX);
        self.says(&format!("Publish to \"{subject}\""), new)
    }

    /// Did the server refuse a subscription to this very pattern?
    pub(super) fn refuses_subscription(&self, pattern: &str) -> bool {
        self.says(&format!("Subscription to \"{pattern}\""), usize::MAX)
    }

    /// Did the server refuse a subscription to something that begins so?
    pub(super) fn refuses_subscriptions_below(&self, prefix: &str) -> bool {
        self.says(&format!("Subscription to \"{prefix}"), usize::MAX)
    }

    /// What was said last about `subject` and permissions.
    pub(super) fn about(&self, subject: &str) -> Option<&str> {
        let mut latest = self.last.iter().rev().map(String::as_str);
        latest.find(|text| text.contains("ermissions") && text.contains(subject))
    }

    fn says(&self, words: &str, latest: usize) -> bool {
        self.last.iter().rev().take(latest).any(|text| text.contains(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_by_its_subject_and_only_if_it_is_new() {
        let mut said = Complaints::default();
        said.note("nats: Permissions Violation for Publish to \"a.b\"".to_owned());
        assert!(said.refuses_publish("a.b", 0) && !said.refuses_publish("a", 0));
        let since = said.count();
        assert!(!said.refuses_publish("a.b", since), "it was said of an earlier message");
        said.note("nats: Permissions Violation for Subscription to \"x.y.*\"".to_owned());
        assert!(said.refuses_subscription("x.y.*") && !said.refuses_subscription("x.y"));
        assert!(said.refuses_subscriptions_below("x.") && !said.refuses_publish("x.y.*", 0));
        assert!(said.about("x.y").is_some());
        said.forget();
        assert!(said.about("x.y").is_none() && said.count() == 2);
        for number in 0..1_000 {
            said.note(number.to_string());
        }
        assert_eq!(said.last.len(), KEPT_MAX);
    }
}
