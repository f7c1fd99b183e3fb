//! Numbers and names as people read them, and values as they type them.

use std::time::Duration;

pub(super) use crate::api::{event, plain};

/// Milliseconds in few letters: `8ms`, `4.1s`, `23h59m`, `6d4h`.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}.{}s", ms % 1_000 / 100),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Milliseconds until a moment; behind it, how much.
pub(super) fn until(ms: Option<i64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 0 => format!("{} ago", span(ms.unsigned_abs())),
        Some(ms) => span(ms.unsigned_abs()),
    }
}

/// Seconds in few letters: `0s`, `12m05s`, `6d4h`.
pub(super) fn age(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { span(seconds.saturating_mul(1_000)) }
}

/// Is it the state in which an instance waits for the calls of a transition?
pub(super) fn is_hidden(state: &str) -> bool {
    state.contains('~')
}

/// Active states in a row; one that waits for its calls is `…` and the state it leads to.
pub(super) fn states(active: &[String]) -> String {
    let shown = active.iter().map(|name| match name.split_once('~') {
        Some((target, _)) => format!("… {target}"),
        None => name.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// At most `most` letters of a text.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Names in a row, or `-` where there are none.
pub(super) fn names(list: &[String]) -> String {
    if list.is_empty() { "-".to_owned() } else { list.join(", ") }
}

/// Names that a person reads in a row.
const IN_A_ROW: usize = 4;

/// `` `a`, `b` ``, `` `a`, `b`, `c`, `d` and 3 more ``.
pub(super) fn quoted(list: &[String]) -> String {
    let names = list.iter().take(IN_A_ROW).map(|name| format!("`{name}`"));
    let names = names.collect::<Vec<_>>().join(", ");
    match list.len().saturating_sub(IN_A_ROW) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

/// Lines about one and the same thing that a person reads.
pub(super) const FEW: usize = 10;

/// The first of them, and how many more there are.
pub(super) fn few(lines: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(FEW).cloned().collect();
    if let Some(more) = lines.len().checked_sub(FEW).filter(|more| *more > 0) {
        shown.push(format!("… and {more} more; `-o json` has all of them"));
    }
    shown
}

/// `1 error`, `2 errors`.
pub(super) fn count(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// Reads `30s`, `1h 30m` and what else the format of definitions allows.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    gearshift_machine::definition::duration::parse(text).map(Duration::from_millis)
}

/// A parser of whole numbers that names the range (row C9).
pub(super) fn within(
    low: u32,
    high: u32,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse::<u32>().ok().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| format!("`{text}` is not a whole number from {low} to {high}"))
    }
}

/// The candidate nearest to `text`, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let mut best = None;
    let mut likeness = ALIKE;
    for candidate in candidates {
        let alike = strsim::jaro_winkler(text, candidate);
        if alike > likeness {
            (best, likeness) = (Some(candidate), alike);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        let shown = [8, 4_112, 61_000, 86_340_000, 532_800_000].map(span);
        assert_eq!(shown, ["8ms", "4.1s", "1m01s", "23h59m", "6d4h"]);
        assert_eq!(until(Some(-4_000)), "4.0s ago");
        assert_eq!((age(0), age(61)), ("0s".to_owned(), "1m01s".to_owned()));
        assert_eq!(states(&["a~1".to_owned(), "b".to_owned()]), "… a, b");
    }

    #[test]
    fn of_many_names_the_first_are_told() {
        let list = |many: usize| (0..many).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(quoted(&list(0)), "");
        assert_eq!(quoted(&list(2)), "`0`, `1`");
        assert_eq!(quoted(&list(6)), "`0`, `1`, `2`, `3` and 2 more");
    }

    #[test]
    fn of_many_lines_the_first_are_told_and_how_many_there_are() {
        let lines: Vec<String> = (0..900).map(|number| number.to_string()).collect();
        let shown = few(&lines);
        assert_eq!(shown.len(), 11);
        assert_eq!(shown[10], "… and 890 more; `-o json` has all of them");
        assert_eq!(few(&lines[..10]), lines[..10]);
    }

    #[test]
    fn c9_a_number_out_of_range_names_the_range() {
        let parse = within(1, 1_000);
        for text in ["0", "-1", "1001", "18446744073709551616", "x", ""] {
            let message = parse(text).unwrap_err();
            assert!(message.ends_with("from 1 to 1000"), "{message}");
        }
        assert_eq!(parse("1000"), Ok(1_000));
    }

    #[test]
    fn c1_the_nearest_name_is_offered() {
        let known = ["GEARSHIFT_SERVER", "GEARSHIFT_TOKEN"];
        assert_eq!(nearest("GEARSHIFT_SEVER", known), Some("GEARSHIFT_SERVER"));
        assert_eq!(nearest("PATH", known), None);
    }
}
