//! The keys of a schedule.

use super::keys::Shape::{Data, Duration, Text, Words};
use super::keys::{Field, key};

pub(super) const SCHEDULE: &[Field] = &[
    key("cron", Text, "minute, hour, day of month, month, day of week; seconds may stand before"),
    key("every", Duration, "the time between two starts, counted from 1970-01-01T00:00:00Z"),
    key("zone", Text, "the time zone of `cron`, as Europe/Berlin; UTC by default"),
    key(
        "overlap",
        Words(&["skip", "allow", "queue", "cancel_previous"]),
        "what a due moment does while an earlier start still runs; skip by default",
    ),
    key(
        "catch_up",
        Words(&["none", "one", "all"]),
        "what becomes of moments that nobody was there for; one by default",
    ),
    key("key", Text, "the key of the instance; schedule and moment by default"),
    key("input", Data, "what it is started with; { schedule, due } by default"),
];
