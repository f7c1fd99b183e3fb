//! When a workflow starts by itself: what is lost, new or different of it.

use gearshift_machine::definition::model::Definition;

use super::meaning::{Found, Kind};

pub(super) fn compare(from: &Definition, to: &Definition, found: &mut Found) {
    for schedule in &from.schedules {
        let what = format!("schedule `{}`", schedule.name);
        let Some(other) = to.schedule(&schedule.name) else {
            let note = "what waits for its turn does not start any more".to_owned();
            found.only(Kind::Lost, "schedule", what).note = Some(note);
            continue;
        };
        let (before, after) = (schedule.recurrence.to_string(), other.recurrence.to_string());
        found.changed("schedule", &what, before, after);
        let (before, after) = (schedule.overlap.as_str(), other.overlap.as_str());
        let overlap = format!("overlap of {what}");
        found.changed("schedule", &overlap, before.to_owned(), after.to_owned());
        let (before, after) = (schedule.catch_up.as_str(), other.catch_up.as_str());
        let catch_up = format!("catch_up of {what}");
        found.changed("schedule", &catch_up, before.to_owned(), after.to_owned());
        found.other("schedule", &format!("key of {what}"), &schedule.key, &other.key);
        found.other("schedule", &format!("input of {what}"), &schedule.input, &other.input);
    }
    for schedule in to.schedules.iter().filter(|new| from.schedule(&new.name).is_none()) {
        let one = found.only(Kind::New, "schedule", format!("schedule `{}`", schedule.name));
        one.to = Some(schedule.recurrence.to_string());
    }
}
