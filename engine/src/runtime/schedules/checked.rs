//! Definitions with schedules that can be kept: what the machine's loader cannot say.

use gearshift_machine::definition::codes::{self, Code};
use gearshift_machine::definition::model::{Definition, Recurrence, Schedule};
use gearshift_machine::definition::{self, Dated, Format, Loaded, Problem, duration};

use super::calendar::{Calendar, Unkept};

/// Reads every definition of a text, as the machine does, with every `cron` looked up in the
/// calendar.
///
/// # Errors
/// Every problem of all of them.
pub fn load_all(text: &str, origin: &str, format: Format) -> Result<Vec<Loaded>, Vec<Problem>> {
    definition::load_all_dated(text, origin, format, &|dated| problem(dated, text, origin))
}

/// What keeps a definition from being deployed that did not come through [`load_all`].
pub(crate) fn unkept(definition: &Definition) -> Vec<Problem> {
    let problem = |schedule: &Schedule| {
        let (code, message, help) = told(&schedule.recurrence)?;
        let mut problem = Problem::new(code, &definition.name, message);
        problem.path = format!("schedules.{}", schedule.name);
        problem.help = help;
        Some(problem)
    };
    definition.schedules.iter().filter_map(problem).collect()
}

/// What is wrong with one of them.
fn problem(dated: &Dated, text: &str, origin: &str) -> Option<Problem> {
    let (code, message, help) = told(&dated.recurrence)?;
    let is_zone = code == codes::TIME_ZONE;
    let at = dated.zone.filter(|_| is_zone).unwrap_or(dated.pattern);
    let mut problem = Problem::new(code, origin, message).at(text, at);
    problem.path = format!("{}.{}", dated.path, if is_zone { "zone" } else { "cron" });
    problem.help = help;
    Some(problem)
}

/// A code, what is wrong, and advice.
type Told = (Code, String, Option<String>);

/// Why a recurrence cannot be kept.
fn told(recurrence: &Recurrence) -> Option<Told> {
    let (pattern, zone) = match recurrence {
        Recurrence::Cron { pattern, zone } => (pattern.escape_debug(), zone.escape_debug()),
        Recurrence::Every { .. } => return None,
    };
    let unkept = Calendar::of(recurrence).and_then(|calendar| calendar.check()).err()?;
    Some(match unkept {
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
    })
}
