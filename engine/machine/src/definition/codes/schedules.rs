//! `GS016x`: a schedule that cannot be kept.

super::codes! { SCHEDULES;
    CRON 160 "cron" "the pattern cannot be read"
        "`cron` has five fields: minute, hour, day of month, month and day of week; a sixth before \
         them is the second. Each is `*`, a number, a list `1,15`, a range `MON-FRI` or a step \
         `*/10`; `L` is the last day, `#` the nth weekday, `W` the nearest working day. Correct \
         the field that the message names."
    NEVER_FIRES 161 "never_fires" "the moment never comes"
        "No date has what the pattern asks for, such as the 30th of February. A schedule that is \
         never due would be forgotten and not missed. Correct the day or the month; `L` stands for \
         the last day of a month."
    TOO_FREQUENT 162 "too_frequent" "the schedule is due too often"
        "Two starts of a schedule lie at least 5 s apart: each is an instance with a history that \
         is kept for days. What happens more often is one instance that runs and has an `after` \
         or a `timer`, or an event. Start less often, and do more each time."
    TIME_ZONE 163 "time_zone" "the time zone is not known"
        "`zone` is a name of the time zone database, such as `Europe/Berlin`, `America/New_York` \
         or `UTC`. An offset such as `+02:00` says nothing of daylight saving time. Write the name \
         of the zone; the program carries the database with it."
}
