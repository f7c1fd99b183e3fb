//! Calendar: which moments a schedule means. The one place that knows time zones.
//!
//! A `cron` that names one time of day is due once a day, also on the days on which clocks change:
//! at the first moment behind a gap, and at the first of two that are called the same. One that
//! names several follows the clock: what falls into a gap is left out, what comes twice is due
//! twice.

use std::collections::VecDeque;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use gearshift_machine::definition::model::Recurrence;
use gearshift_machine::machine::Timestamp;
use jiff::tz::TimeZone;

/// The last due moments that are handed on; of those before only their number.
const MOMENTS_MAX: usize = 100;
/// So many due moments are counted; of a longer absence the number is a lower bound.
const COUNTED_MAX: u64 = 10_000;
/// Moments looked at to find two that lie too close together.
const WALKED: usize = 500;
/// Where that walk begins: a leap year is among the next ones.
const WALK_FROM: Timestamp = Timestamp(1_704_067_200_000);
/// The first stretch of the past that due moments are looked for in; longer ones follow.
const STRETCH_MS: i64 = 3_600_000;

/// Why a recurrence cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unkept {
    /// The pattern means nothing.
    Pattern(String),
    /// There is no such zone; the names that are near.
    Zone(Vec<String>),
    /// The pattern has no moment.
    Never,
    /// Two moments lie so many milliseconds apart.
    TooFrequent(u64),
}

/// Moments that are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DueMoments {
    /// How many there were before `moments`.
    pub(super) missed: u64,
    /// The last of them, oldest first.
    pub(super) moments: Vec<Timestamp>,
    /// The first that is not due yet.
    pub(super) after: Option<Timestamp>,
}

/// A recurrence that can be kept.
#[derive(Debug)]
pub(super) enum Calendar {
    Cron { cron: Box<Cron>, zone: TimeZone },
    Every { period_ms: u64 },
}

impl Calendar {
    /// The calendar of a recurrence.
    pub(super) fn of(recurrence: &Recurrence) -> Result<Self, Unkept> {
        let (pattern, name) = match recurrence {
            Recurrence::Every { period_ms } => return Ok(Self::Every { period_ms: *period_ms }),
            Recurrence::Cron { pattern, zone } => (pattern, zone),
        };
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed);
        let cron = parser.build().parse(pattern).map_err(|error| Unkept::Pattern(words(error)))?;
        let zone = TimeZone::get(name).map_err(|_| Unkept::Zone(near_zones(name)))?;
        Ok(Self::Cron { cron: Box::new(cron), zone })
    }

    /// Is it due at all, and not too often?
    pub(super) fn check(&self) -> Result<(), Unkept> {
        let mut last = self.next(WALK_FROM).ok_or(Unkept::Never)?;
        for _ in 0..WALKED {
            let Some(next) = self.next(last) else { break };
            let gap = next.since_ms(last);
            if gap < Recurrence::PERIOD_MS_MIN {
                return Err(Unkept::TooFrequent(gap));
            }
            last = next;
        }
        Ok(())
    }

    /// The first moment behind `after`; `None` where none comes.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every { period_ms } => Recurrence::next_period(*period_ms, after),
            Self::Cron { cron, zone } => {
                let start = jiff::Timestamp::from_millisecond(after.0).ok()?;
                let start = start.to_zoned(zone.clone());
                let next = cron.find_next_occurrence(&start, false).ok()?;
                Some(Timestamp(next.timestamp().as_millisecond())).filter(|next| *next > after)
            }
        }
    }

    /// What is due at `now`, where `from` is the first moment that was not due before.
    pub(super) fn due(&self, from: Timestamp, now: Timestamp) -> DueMoments {
        let mut stretch_ms = STRETCH_MS;
        loop {
            let start = from.max(Timestamp(now.0.saturating_sub(stretch_ms)));
            let (found, count) = self.walk(from, start, now);
            if start == from || count >= COUNTED_MAX {
                return found;
            }
            stretch_ms = stretch_ms.saturating_mul(24);
        }
    }

    /// The moments from `start` on to `now`, and how many they are.
    fn walk(&self, from: Timestamp, start: Timestamp, now: Timestamp) -> (DueMoments, u64) {
        // What was kept as the next moment counts, even where the zone's rules changed since.
        let mut next = if start == from { Some(from) } else { self.next(start) };
        let mut moments = VecDeque::new();
        let mut count = 0;
        while let Some(moment) = next
            && moment <= now
        {
            count += 1;
            moments.push_back(moment);
            if moments.len() > MOMENTS_MAX {
                moments.pop_front();
            }
            next = self.next(moment);
        }
        let missed = count - moments.len() as u64;
        (DueMoments { missed, moments: moments.into(), after: next }, count)
    }
}

/// What croner says, as our messages are written.
fn words(error: CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text)
        | CronError::IllegalCharacters(text)
        | CronError::ComponentError(text) => text,
        other @ (CronError::EmptyPattern
        | CronError::InvalidDate
        | CronError::InvalidTime
        | CronError::TimeSearchLimitExceeded) => other.to_string(),
    };
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().collect::<String>() + letters.as_str()
    })
}

/// The zones whose names, or whose last parts, are nearest to `name`.
fn near_zones(name: &str) -> Vec<String> {
    let wanted = name.to_lowercase().replace(' ', "_");
    let city = wanted.rsplit('/').next().unwrap_or_default();
    let likeness = |zone: &str| {
        let zone = zone.to_lowercase();
        let its_city = zone.rsplit('/').next().unwrap_or_default();
        strsim::jaro_winkler(&wanted, &zone).max(strsim::jaro_winkler(city, its_city))
    };
    let zones = jiff::tz::db().available().map(|zone| zone.to_string());
    let mut near: Vec<(f64, String)> = zones.map(|zone| (likeness(&zone), zone)).collect();
    near.retain(|(likeness, _)| *likeness > 0.85);
    near.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    near.into_iter().take(3).map(|(_, zone)| zone).collect()
}
