//! Lines that fit a terminal: long ones are wrapped, and what repeats is told once.

use std::ops::Range;

/// Columns that a line may have.
const COLUMNS: usize = 80;
/// How far the second and further lines of a wrapped one are moved to the right.
const HANGING: usize = 4;
/// The longest group of items that is looked for again.
const PERIOD_MAX: usize = 8;

/// Groups of `items` in their order, each with how many times it comes in a row.
pub(super) fn fold<T: PartialEq>(items: &[T]) -> Vec<(Range<usize>, usize)> {
    let mut groups = Vec::new();
    let mut at = 0;
    while at < items.len() {
        let best = (1..=PERIOD_MAX)
            .map(|period| (period, repeats(items, at, period)))
            .filter(|(period, times)| *times > 2 || (*times == 2 && *period > 1))
            .max_by_key(|(period, times)| (period * times, std::cmp::Reverse(*period)));
        let (period, times) = best.unwrap_or((1, 1));
        groups.push((at..at + period, times));
        at += period * times;
    }
    groups
}

/// How many times the `period` items from `at` come in a row.
fn repeats<T: PartialEq>(items: &[T], at: usize, period: usize) -> usize {
    let rest = items.get(at..).unwrap_or_default();
    let Some(group) = rest.get(..period) else { return 0 };
    rest.chunks(period).take_while(|chunk| *chunk == group).count()
}

/// The text with each line broken at spaces, so that it fits.
pub(super) fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let hanging = " ".repeat(indent + HANGING);
        let mut column = 0;
        let mut empty = true;
        for word in line.split_inclusive(' ') {
            let wide = columns(word.trim_end_matches(' '));
            if !empty && wide > 0 && column + wide > COLUMNS {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.push_str(&hanging);
                column = hanging.len();
            }
            out.push_str(word);
            column += columns(word);
            empty &= wide == 0;
        }
    }
    out
}

/// How many columns a text takes; what sets colors takes none.
fn columns(text: &str) -> usize {
    let mut count = 0;
    let mut sets_color = false;
    for letter in text.chars() {
        match letter {
            '\u{1b}' => sets_color = true,
            'm' if sets_color => sets_color = false,
            _ if sets_color => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_one_group() {
        assert_eq!(fold(&["a"; 5]), [(0..1, 5)]);
        assert_eq!(fold(&["a", "a", "b"]), [(0..1, 1), (1..2, 1), (2..3, 1)], "twice is no crowd");
        let ticks = ["on", "off", "on", "off", "on", "off", "end"];
        assert_eq!(fold(&ticks), [(0..2, 3), (6..7, 1)]);
        assert_eq!(fold::<u8>(&[]), []);
    }

    #[test]
    fn lines_break_at_spaces_and_hang() {
        let long = format!("  {}", "word ".repeat(20).trim_end());
        let lines = wrapped(&long);
        assert!(lines.lines().all(|line| columns(line) <= COLUMNS), "{lines}");
        assert!(lines.lines().nth(1).is_some_and(|line| line.starts_with("      word")), "{lines}");
        let solid = format!("  {}", "x".repeat(100));
        assert_eq!(wrapped(&solid), solid, "a word is never torn");
        let colored = format!("\u{1b}[1m{}\u{1b}[0m", "a".repeat(78));
        assert_eq!(wrapped(&colored), colored);
        assert_eq!(wrapped("a\n\nb"), "a\n\nb");
    }
}
