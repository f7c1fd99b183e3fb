//! Definitions with schedules that can be kept: what the machine's loader cannot say.

use std::sync::Arc;

use gearshift_machine::definition::codes::{self, Code};
use gearshift_machine::definition::model::{Definition, Recurrence, Schedule};
use gearshift_machine::definition::{self, Dated, Format, Loaded, Problem, duration};

use super::calendar::{Calendar, Unkept};

/// A pattern, and a zone, with which nothing is wrong.
const PLAIN: &str = "0 0 * * *";
const ZONE: &str = "UTC";

/// Reads every definition of a text, as the machine does, with every `cron` looked up in the
/// calendar.
///
/// # Errors
/// Every problem of all of them.
pub fn load_all(text: &str, origin: &str, format: Format) -> Result<Vec<Loaded>, Vec<Problem>> {
    definition::load_all_dated(text, origin, format, &|dated| problems(dated, text, origin))
}

/// What keeps a definition from being deployed that did not come through [`load_all`].
pub(crate) fn unkept(definition: &Definition) -> Vec<Problem> {
    let problem = |(schedule, (code, message, help)): (&Schedule, Told)| {
        let mut problem = Problem::new(code, &definition.name, message);
        problem.path = format!("schedules.{}", schedule.name);
        problem.help = help;
        problem
    };
    let all = definition.schedules.iter();
    let all = all.flat_map(|it| told(&it.recurrence).into_iter().map(move |told| (it, told)));
    all.map(problem).collect()
}

/// What is wrong with one of them.
fn problems(dated: &Dated, text: &str, origin: &str) -> Vec<Problem> {
    let problem = |(code, message, help)| {
        let is_zone = code == codes::TIME_ZONE;
        let at = dated.zone.filter(|_| is_zone).unwrap_or(dated.pattern);
        let mut problem = Problem::new(code, origin, message).at(text, at);
        problem.path = format!("{}.{}", dated.path, if is_zone { "zone" } else { "cron" });
        problem.help = help;
        problem
    };
    told(&dated.recurrence).into_iter().map(problem).collect()
}

/// A code, what is wrong, and advice.
type Told = (Code, String, Option<String>);

/// Why a recurrence cannot be kept: what is wrong with its pattern, and with its zone.
fn told(recurrence: &Recurrence) -> Vec<Told> {
    let Recurrence::Cron { pattern, zone } = recurrence else { return Vec::new() };
    let unkept = |pattern: &Arc<str>, zone: &Arc<str>| {
        let (pattern, zone) = (Arc::clone(pattern), Arc::clone(zone));
        let calendar = Calendar::of(&Recurrence::Cron { pattern, zone });
        calendar.and_then(|calendar| calendar.check()).err()
    };
    let Some(first) = unkept(pattern, zone) else { return Vec::new() };
    // Each hides the other: it is looked at beside one that is well.
    let second = match &first {
        Unkept::Pattern(_) => unkept(&PLAIN.into(), zone),
        Unkept::Zone(_) => unkept(pattern, &ZONE.into()),
        Unkept::Never | Unkept::TooFrequent(_) => None,
    };
    let words = |unkept| in_words(unkept, pattern, zone);
    std::iter::once(first).chain(second).map(words).collect()
}

fn in_words(unkept: Unkept, pattern: &str, zone: &str) -> Told {
    let (pattern, zone) = (pattern.escape_debug(), zone.escape_debug());
    match unkept {
        Unkept::Pattern(words) => (codes::CRON, format!("`{pattern}`: {words}"), None),
        Unkept::Never => (codes::NEVER_FIRES, format!("`{pattern}` is never due"), None),
        Unkept::TooFrequent(gap) => {
            let least = duration::format(Recurrence::PERIOD_MS_MIN);
            let message = format!(
                "`{pattern}` is due {} after the time before; at least {least} is the limit",
                duration::format(gap)
            );
            (codes::TOO_FREQUENT, message, None)
        }
        Unkept::Zone(near) => {
            let near: Vec<String> = near.iter().map(|zone| format!("`{zone}`")).collect();
            let help = (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")));
            (codes::TIME_ZONE, format!("there is no time zone `{zone}`"), help)
        }
    }
}
