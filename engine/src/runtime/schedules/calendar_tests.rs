//! Row D21: what patterns mean, on the days on which clocks change too.

use gearshift_machine::definition::model::Recurrence;
use gearshift_machine::definition::{Format, Problem};
use gearshift_machine::machine::Timestamp;

use super::calendar::Calendar;
use super::load_all;

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    Timestamp(moment.as_millisecond())
}

fn calendar(pattern: &str, zone: &str) -> Calendar {
    let recurrence = Recurrence::Cron { pattern: pattern.into(), zone: zone.into() };
    Calendar::of(&recurrence).unwrap_or_else(|error| panic!("{pattern}: {error:?}"))
}

/// The moments behind `after`, without what all of them end with.
fn moments(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
    let mut at = at(after);
    let next = std::iter::from_fn(|| {
        at = calendar.next(at)?;
        Some(at.to_string().replace(":00.000Z", ""))
    });
    next.take(count).collect()
}

#[test]
fn d21_a_pattern_is_read_in_its_zone() {
    let berlin = calendar("0 6 * * MON-FRI", "Europe/Berlin");
    // A Friday in winter; then Monday.
    let found = moments(&berlin, "2026-11-20T04:00:00Z", 2);
    assert_eq!(found, ["2026-11-20T05:00", "2026-11-23T05:00"]);
    assert_eq!(moments(&berlin, "2026-07-01T00:00:00Z", 1), ["2026-07-01T04:00"]);
    let seconds = calendar("30 0 12 L * *", "UTC");
    assert_eq!(moments(&seconds, "2026-02-01T00:00:00Z", 1), ["2026-02-28T12:00:30.000Z"]);
}

#[test]
fn d21_a_time_that_a_gap_swallows_is_due_once_behind_it() {
    // Berlin: 02:00 becomes 03:00 on 29 March 2026, at 01:00 UTC.
    let berlin = calendar("30 2 * * *", "Europe/Berlin");
    let found = moments(&berlin, "2026-03-27T12:00:00Z", 3);
    assert_eq!(found, ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"]);
    // New York: 02:00 becomes 03:00 on 8 March 2026, at 07:00 UTC.
    let new_york = calendar("30 2 * * *", "America/New_York");
    let found = moments(&new_york, "2026-03-07T12:00:00Z", 2);
    assert_eq!(found, ["2026-03-08T07:00", "2026-03-09T06:30"]);
}

#[test]
fn d21_a_time_that_comes_twice_is_due_once_the_first_time() {
    // Berlin: 03:00 becomes 02:00 on 25 October 2026, at 01:00 UTC.
    let berlin = calendar("30 2 * * *", "Europe/Berlin");
    let found = moments(&berlin, "2026-10-24T12:00:00Z", 2);
    assert_eq!(found, ["2026-10-25T00:30", "2026-10-26T01:30"]);
    assert_eq!(moments(&berlin, "2026-10-25T00:30:00Z", 1), ["2026-10-26T01:30"]);
    // New York: 02:00 becomes 01:00 on 1 November 2026, at 06:00 UTC.
    let new_york = calendar("30 1 * * *", "America/New_York");
    let found = moments(&new_york, "2026-10-31T12:00:00Z", 2);
    assert_eq!(found, ["2026-11-01T05:30", "2026-11-02T06:30"]);
}

#[test]
fn d21_a_pattern_of_several_times_follows_the_clock_through_gap_and_overlap() {
    let half_hours = calendar("*/30 * * * *", "Europe/Berlin");
    let found = moments(&half_hours, "2026-03-29T00:15:00Z", 3);
    assert_eq!(found, ["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]);
    let twice = calendar("0,30 2 * * *", "Europe/Berlin");
    let found = moments(&twice, "2026-03-28T12:00:00Z", 2);
    assert_eq!(found, ["2026-03-30T00:00", "2026-03-30T00:30"], "the gap has neither");
    let found = moments(&twice, "2026-10-24T12:00:00Z", 5);
    let all = ["25T00:00", "25T00:30", "25T01:00", "25T01:30", "26T01:00"];
    assert_eq!(found, all.map(|moment| format!("2026-10-{moment}")), "the overlap has all twice");
}

#[test]
fn e6_moments_of_an_absence_are_counted_and_the_last_hundred_named() {
    let minutes = calendar("* * * * *", "UTC");
    let from = at("2026-01-01T00:00:00Z");
    let one = minutes.due(from, at("2026-01-01T00:00:59Z"));
    assert_eq!((one.missed, one.moments.as_slice()), (0, [from].as_slice()));
    assert_eq!(one.after, Some(at("2026-01-01T00:01:00Z")));
    let day = minutes.due(from, at("2026-01-02T00:00:30Z"));
    assert_eq!((day.missed, day.moments.len()), (1_341, 100));
    assert_eq!(day.moments.last(), Some(&at("2026-01-02T00:00:00Z")));
    assert_eq!(day.after, Some(at("2026-01-02T00:01:00Z")));
    // Of years it counts as far as it takes to say that it was long.
    let years = minutes.due(from, at("2036-01-01T00:00:00Z"));
    assert!(years.missed > 9_000 && years.moments.len() == 100, "{}", years.missed);
    let yearly = calendar("0 0 1 1 *", "UTC").due(from, at("2036-01-01T00:00:00Z"));
    assert_eq!((yearly.missed, yearly.moments.len()), (0, 11));
}

#[test]
fn e6_a_period_counts_from_1970() {
    let every = Calendar::of(&Recurrence::Every { period_ms: 900_000 }).unwrap_or_else(|error| {
        panic!("{error:?}");
    });
    assert_eq!(
        moments(&every, "2026-11-21T06:07:00Z", 2),
        ["2026-11-21T06:15", "2026-11-21T06:30"]
    );
    assert_eq!(moments(&every, "2026-11-21T06:15:00Z", 1), ["2026-11-21T06:30"]);
}

/// The problems of a definition with this schedule, each as code, path, what it is about, help.
fn problems(schedule: &str) -> Vec<String> {
    let text =
        format!("workflow: w\nschedules:\n  s: {schedule}\nstates: {{ a: {{ final: true }} }}\n");
    let told = |problem: &Problem| {
        let span = problem.span.unwrap_or_default();
        let about = text.get(span.start..span.end).unwrap_or_default();
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{} {} [{about}] {} {help}", problem.name, problem.path, problem.message)
    };
    match load_all(&text, "w.yaml", Format::Yaml) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(told).collect(),
    }
}

#[test]
fn d21_what_cannot_be_kept_is_refused_with_its_place() {
    let cases = [
        (
            "{ cron: 0 0 30 2 * }",
            "never_fires schedules.s.cron [0 0 30 2 *] `0 0 30 2 *` is never due ",
        ),
        (
            "{ cron: '* * * * * *' }",
            "too_frequent schedules.s.cron ['* * * * * *'] `* * * * * *` is due 1s after the time \
             before; at least 5s is the limit ",
        ),
        (
            "{ cron: '0,58 0,1 * * * *' }",
            "too_frequent schedules.s.cron ['0,58 0,1 * * * *'] `0,58 0,1 * * * *` is due 2s after \
             the time before; at least 5s is the limit ",
        ),
        (
            "{ every: 1s }",
            "too_frequent schedules.s.every [1s] every 1s is more often than every 5s, the limit ",
        ),
        (
            "{ cron: 0 6 * * *, zone: Europe/Berlim }",
            "time_zone schedules.s.zone [Europe/Berlim] there is no time zone `Europe/Berlim` did \
             you mean `Europe/Berlin`",
        ),
        (
            "{ cron: 0 6 * * *, zone: New York }",
            "time_zone schedules.s.zone [New York] there is no time zone `New York` did you mean \
             `America/New_York`",
        ),
    ];
    for (schedule, told) in cases {
        let found = problems(schedule);
        assert!(found.len() == 1 && found[0].starts_with(told), "{schedule}: {found:#?}");
    }
    for pattern in ["0 6 * *", "61 * * * *", "x", "* * * * * * 2030", ""] {
        let found = problems(&format!("{{ cron: '{pattern}' }}"));
        assert_eq!(found.len(), 1, "{pattern}: {found:#?}");
        assert!(found[0].starts_with("cron schedules.s.cron"), "{pattern}: {found:#?}");
    }
}

#[test]
fn d21_what_cannot_be_kept_is_told_beside_other_errors() {
    let found = problems("{ cron: '61 * * * *', bogus: 1 }\n  t: { cron: 0 0 30 2 * }\ntitel: x");
    let names: Vec<_> = found.iter().filter_map(|problem| problem.split(' ').next()).collect();
    assert_eq!(names, ["cron", "unknown_field", "never_fires", "unknown_field"], "{found:#?}");
}

#[test]
fn d21_what_can_be_kept_is_taken() {
    let fine = [
        "{ cron: 0 0 29 2 * }",
        "{ cron: '@daily' }",
        "{ cron: '0 0 * * SUN#L', zone: Asia/Kolkata }",
        "{ cron: '*/5 * * * * *' }",
        "{ every: 5s }",
        "{ every: 1w, overlap: queue, catch_up: all }",
    ];
    for schedule in fine {
        assert_eq!(problems(schedule), [""; 0], "{schedule}");
    }
}
