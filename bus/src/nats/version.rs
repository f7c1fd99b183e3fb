//! [`Version`]: which server this is, and what it therefore lacks.

use std::fmt;

/// A server's version, without what follows a `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32, u32);

impl Version {
    /// The oldest one we start on.
    pub(crate) const OLDEST: Self = Self(2, 9, 0);
    /// Stream metadata.
    const METADATA: Self = Self(2, 10, 0);
    /// When writes are synced to disk can be configured.
    const SYNC_INTERVAL: Self = Self(2, 10, 0);
    /// Consumers with several filters.
    const FILTERS: Self = Self(2, 10, 0);
    /// Messages that expire one by one, with a mark left behind.
    const EXPIRY: Self = Self(2, 11, 0);
    /// One sync for many replicated writes.
    const GROUP_SYNC: Self = Self(2, 15, 0);

    /// Reads `2.15.1`; what is no number counts as 0.
    pub(crate) fn parse(text: &str) -> Self {
        let core = text.trim_start_matches('v').split(['-', '+']).next().unwrap_or_default();
        let mut parts = core.split('.').map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        Self(next(), next(), next())
    }

    pub(crate) fn has_metadata(self) -> bool {
        self >= Self::METADATA
    }

    pub(super) fn has_sync_interval(self) -> bool {
        self >= Self::SYNC_INTERVAL
    }

    pub(super) fn has_filters(self) -> bool {
        self >= Self::FILTERS
    }

    pub(crate) fn has_expiry(self) -> bool {
        self >= Self::EXPIRY
    }

    /// What it lacks and what that costs, one sentence each.
    pub(crate) fn missing(self) -> Vec<String> {
        let lacks = [
            (
                Self::METADATA,
                "stream metadata: what marks a stream as ours stands in its description",
            ),
            (
                Self::SYNC_INTERVAL,
                "`sync_interval`: what it acknowledged reaches its disk up to two minutes later, \
                 and a power cut takes the rest",
            ),
            (
                Self::FILTERS,
                "consumers with several filters: of a stream that is not ours one pattern can be \
                 read, not several",
            ),
            (
                Self::EXPIRY,
                "messages that expire: keys expire by the clocks of those who read them, so \
                 clocks that differ move the moment of a takeover",
            ),
            (
                Self::GROUP_SYNC,
                "one sync for many replicated writes: `sync_interval: always` with replicas \
                 costs a sync per message",
            ),
        ];
        let lacks = lacks.into_iter().filter(|(since, _)| self < *since);
        lacks.map(|(since, what)| format!("{self} has not (since {since}) {what}")).collect()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(Version::parse("2.10.1") > Version::parse("2.9.25"));
        assert!(Version::parse("2.15.1-RC.2") >= Version::parse("2.15.1"));
        assert!(Version::parse("v1.4") < Version::OLDEST);
        assert_eq!(Version::parse("nonsense"), Version::parse("0.0.0"));
    }

    #[test]
    fn an_old_server_lacks_what_came_later() {
        assert!(Version::parse("2.15.1").missing().is_empty());
        assert_eq!(Version::parse("2.11.0").missing().len(), 1);
        assert_eq!(Version::parse("2.9.10").missing().len(), 5);
    }
}
