//! Durations as authors write them (rule 34): `90s`, `1h 30m`, `.5s`, `PT5M`.

/// The longest duration: 100 years of 365 days, in milliseconds.
pub const MAX_MS: u64 = 100 * 365 * DAY;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// Units with the milliseconds they stand for, longest first.
const UNITS: [(&str, u64); 6] =
    [("w", WEEK), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1)];

const RANGE: &str = "durations are from `1ms` to 100 years";

/// Milliseconds of `text`: `ms s m h d w` one after the other, or ISO 8601 such as `PT5M`;
/// fractions are allowed (rule 34). `d` is exactly 24 h, `w` 7 d.
///
/// # Errors
/// What is wrong with it: not a duration, not a whole number of milliseconds, or outside
/// 1 ms ..= 100 years (row D20 of the bad-input catalogue).
pub fn parse(text: &str) -> Result<u64, String> {
    match parse_or_zero(text)? {
        0 => Err(format!("duration `{}` is out of range: {RANGE}", shown(text))),
        milliseconds => Ok(milliseconds),
    }
}

/// The same for a duration that was computed: none at all is one, too.
///
/// # Errors
/// As [`parse`], but for zero.
pub fn parse_or_zero(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let (negative, body) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed),
    };
    let iso = body.strip_prefix(['P', 'p']);
    let parts = match iso {
        Some(rest) => iso_parts(rest),
        None => plain_parts(body),
    };
    let parts = parts.map_err(|reason| format!("duration `{}` {reason}", shown(text)))?;
    let out_of_range = || format!("duration `{}` is out of range: {RANGE}", shown(text));
    let mut total = 0_u64;
    for (number, unit) in parts {
        let part = scale(number, unit).map_err(|error| match error {
            Scale::Range => out_of_range(),
            Scale::Fraction => {
                format!("duration `{}` is not a whole number of milliseconds", shown(text))
            }
        })?;
        total = total.checked_add(part).ok_or_else(out_of_range)?;
    }
    if (negative && total > 0) || total > MAX_MS {
        return Err(out_of_range());
    }
    Ok(total)
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}

/// The shortest exact text of `ms` milliseconds, such as `1h 30m`; [`parse`] reads it back.
#[must_use]
pub fn format(ms: u64) -> String {
    let mut left = ms;
    let mut parts = Vec::new();
    for (unit, size) in UNITS {
        // Weeks only where nothing else is needed: `10d` reads better than `1w 3d`.
        if size == WEEK && !left.is_multiple_of(WEEK) {
            continue;
        }
        if left >= size {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// A number as written and the milliseconds of its unit.
type Part<'a> = (&'a str, u64);

/// `1h 30m`.
fn plain_parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    while !rest.is_empty() {
        let (number, after) = number(rest)?;
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(format!("has no unit after `{number}`; write `{number}s` for seconds"));
        }
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        let Some((_, size)) = known else {
            return Err(format!("has the unknown unit `{unit}`; units are `ms s m h d w`"));
        };
        parts.push((number, *size));
        rest = after.trim_start();
    }
    Ok(parts)
}

/// What follows the `P` of `P1DT2H`.
fn iso_parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut in_time = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(['T', 't']) {
            if in_time || after.is_empty() {
                return Err("is not ISO 8601".to_owned());
            }
            in_time = true;
            rest = after;
            continue;
        }
        let (number, after) = number(rest)?;
        let mut letters = after.chars();
        let size = match (in_time, letters.next().map(|unit| unit.to_ascii_uppercase())) {
            (false, Some('W')) => WEEK,
            (false, Some('D')) => DAY,
            (false, Some('Y' | 'M')) => {
                return Err("has years or months, which have no fixed length".to_owned());
            }
            (true, Some('H')) => HOUR,
            (true, Some('M')) => MINUTE,
            (true, Some('S')) => SECOND,
            _ => return Err("is not ISO 8601".to_owned()),
        };
        parts.push((number, size));
        rest = letters.as_str();
    }
    if parts.is_empty() { Err("is not ISO 8601".to_owned()) } else { Ok(parts) }
}

/// Digits with at most one dot, and what follows.
fn number(text: &str) -> Result<(&str, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 || number.len() - digits > 1 {
        let found: String = text.chars().take(20).collect();
        return Err(format!("has `{}` where a number is due", found.escape_debug()));
    }
    let exponent = rest.strip_prefix(['e', 'E']);
    if exponent.is_some_and(|after| after.starts_with(|c: char| c.is_ascii_digit())) {
        return Err(format!("has an exponent; write the number out; {RANGE}"));
    }
    Ok((number, rest))
}

enum Scale {
    Range,
    Fraction,
}

/// `number` times `unit`, exactly.
fn scale(number: &str, unit: u64) -> Result<u64, Scale> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| Scale::Range)? };
    let total = unit.checked_mul(whole).ok_or(Scale::Range)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        return Ok(total);
    }
    // A week has 6.048e8 milliseconds: no exact fraction of one needs more than 12 digits.
    let digits = u32::try_from(fraction.len()).map_err(|_| Scale::Fraction)?;
    if digits > 12 {
        return Err(Scale::Fraction);
    }
    let parts: u128 = fraction.parse().map_err(|_| Scale::Fraction)?;
    let scaled = parts * u128::from(unit);
    let base = 10_u128.pow(digits);
    if !scaled.is_multiple_of(base) {
        return Err(Scale::Fraction);
    }
    let part = u64::try_from(scaled / base).map_err(|_| Scale::Range)?;
    total.checked_add(part).ok_or(Scale::Range)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rule_34_reads_units_iso_and_fractions() {
        for (text, ms) in [
            ("1ms", 1),
            ("90s", 90_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            (".5s", 500),
            ("1.5h", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("PT5M", 300_000),
            ("P1DT2H", 93_600_000),
            ("PT0.25S", 250),
            ("P2W", 1_209_600_000),
            (" 5s ", 5_000),
        ] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn d20_durations_out_of_range_are_refused() {
        for text in ["-5s", "0s", "1e400s", "100000000000000000000w", "36501d", "0ms", "-PT5M"] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("100 years"), "{text}: {error}");
        }
        assert_eq!(parse("36500d"), Ok(MAX_MS));
    }

    #[test]
    fn rule_34_says_what_is_wrong() {
        for (text, word) in [
            ("30", "write `30s`"),
            ("", "empty"),
            ("5 parsecs", "no unit"),
            ("5parsecs", "unknown unit"),
            ("s", "number is due"),
            ("1.2.3s", "number is due"),
            ("P1Y", "no fixed length"),
            ("PT", "not ISO 8601"),
            ("P", "not ISO 8601"),
            ("PT1H30", "not ISO 8601"),
            ("0.5ms", "whole number of milliseconds"),
            ("0.0000000000001w", "whole number of milliseconds"),
            ("1S", "unknown unit"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn format_is_short_and_exact() {
        for (ms, text) in [
            (1, "1ms"),
            (90_000, "1m 30s"),
            (5_400_000, "1h 30m"),
            (604_800_000, "1w"),
            (864_000_000, "10d"),
            (0, "0s"),
        ] {
            assert_eq!(format(ms), text);
        }
    }

    proptest! {
        #[test]
        fn format_reads_back(ms in 1..=MAX_MS) {
            prop_assert_eq!(parse(&format(ms)), Ok(ms));
        }

        #[test]
        fn parse_never_panics(text in "\\PC{0,30}|[-PTpt0-9.eEsmhdw ]{0,30}") {
            if let Ok(ms) = parse(&text) {
                prop_assert!((1..=MAX_MS).contains(&ms));
            }
        }
    }
}
