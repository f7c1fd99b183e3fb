//! Prefer: which of several plugins or instances is the better one.

use gearshift_machine::definition::model::PluginRules;
use gearshift_protocol::PluginMetadata;

/// What counts beside the priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefer {
    performance: bool,
    reliability: bool,
}

impl Prefer {
    /// How many there are.
    pub(super) const COUNT: usize = 4;

    /// Every one, in the order of [`Prefer::index`].
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self { performance: false, reliability: false },
        Self { performance: false, reliability: true },
        Self { performance: true, reliability: false },
        Self { performance: true, reliability: true },
    ];

    /// As a definition has it.
    pub(crate) fn of(rules: Option<&PluginRules>) -> Self {
        rules.map_or_else(Self::default, |rules| Self {
            performance: rules.prefers_performance,
            reliability: rules.prefers_reliability,
        })
    }

    /// A number below [`Prefer::COUNT`].
    pub(super) const fn index(self) -> usize {
        (self.performance as usize) * 2 + self.reliability as usize
    }

    /// The higher, the better: the priority, ten for each tier of performance, and a hundred for
    /// one that is always up.
    pub(super) fn score(self, metadata: &PluginMetadata) -> i64 {
        let mut score = metadata.priority;
        if self.performance {
            score = score.saturating_add(metadata.performance.saturating_mul(10));
        }
        if self.reliability {
            let share = metadata.reliability.unwrap_or_default();
            score = score.saturating_add(percent(share));
        }
        score
    }
}

/// A share from 0 to 1 in whole percent.
#[expect(clippy::cast_possible_truncation, reason = "a share from 0 to 1 is at most 100 percent")]
fn percent(share: f64) -> i64 {
    (share.clamp(0.0, 1.0) * 100.0) as i64
}
