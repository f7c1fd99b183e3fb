//! Time that is over: what is told of it, where a person had a hand in that too.

use super::ids::Timestamp;
use super::input::ErrorKind;
use super::progress::StepError;
use super::work::Work;
use crate::definition::duration;

impl Work<'_> {
    /// ``; `ann` fired its timer`` behind what is told of a call that was not answered in time.
    pub(super) fn say_fired(&self, message: &mut String) {
        if self.fired_by_hand {
            message.push_str("; ");
            message.push_str(&self.who_fired());
        }
    }

    fn who_fired(&self) -> String {
        let by = self.entry.by.as_ref();
        by.map_or_else(
            || "its timer was fired by hand".to_owned(),
            |by| format!("`{by}` fired its timer"),
        )
    }

    /// ``step `a` took longer than 1h``, where `since` it had as long as `limit`; where a person
    /// fired its timer, or had it be due earlier, that.
    pub(super) fn late(
        &self,
        what: &str,
        since: Option<Timestamp>,
        limit: Option<u64>,
    ) -> StepError {
        let had = since.map(|since| self.now.since_ms(since));
        let had = had.map(|had| if had < 1_000 { had } else { had / 1_000 * 1_000 });
        // Without a limit there is no timer, but a migration may have come between.
        let message = match (limit, had) {
            (Some(limit), Some(had)) if self.fired_by_hand || had < limit => {
                let moved = "its timer was moved".to_owned();
                let how = if self.fired_by_hand { self.who_fired() } else { moved };
                // A step, or the steps together.
                let was = if what.contains('`') { "was" } else { "were" };
                let (had, limit) = (duration::format(had), duration::format(limit));
                format!("{what} {was} ended after {had} of {limit}: {how}")
            }
            (Some(limit), _) => format!("{what} took longer than {}", duration::format(limit)),
            (None, _) => format!("{what} took longer than it may"),
        };
        let (kind, code) = (ErrorKind::Timeout, "deadline".into());
        StepError { kind, code, message: message.into() }
    }
}
