//! What a plain scalar is in a data position: the core schema of YAML 1.2, without its traps.

use super::tree::Scalar;
use crate::value::Value;

/// What a scalar is, where data is due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A decimal number, and how JSON writes it.
    Number(Value, String),
    /// An integer of more than 64 bits, or a number that is not finite.
    OutOfRange,
    /// Everything else, and everything quoted.
    Text,
}

/// Reads a scalar. `yes`, `010`, `1_000`, `0x1f`, `12:30` and `.nan` stay text.
pub(crate) fn plain(scalar: &Scalar) -> Plain {
    if scalar.quoted {
        return Plain::Text;
    }
    match &*scalar.text {
        "null" | "~" | "" => Plain::Null,
        "true" => Plain::Bool(true),
        "false" => Plain::Bool(false),
        text => number(text),
    }
}

fn number(text: &str) -> Plain {
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => ("-", text.get(1..).unwrap_or_default()),
        [b'+', ..] => ("", text.get(1..).unwrap_or_default()),
        _ => ("", text),
    };
    let split = digits.find(['e', 'E']).unwrap_or(digits.len());
    let (mantissa, exponent) = digits.split_at(split);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits =
        exponent.get(1..).map_or("", |rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
    let well_formed = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && (whole == "0" || !whole.starts_with('0'))
        && (exponent.is_empty() || (!exponent_digits.is_empty() && all_digits(exponent_digits)));
    if !well_formed {
        return Plain::Text;
    }
    if mantissa == whole && exponent.is_empty() {
        return integer(&format!("{sign}{whole}"));
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = if fraction.is_empty() { "0" } else { fraction };
    let json = format!("{sign}{whole}.{fraction}{exponent}");
    match json.parse::<f64>() {
        Ok(number) if number.is_finite() => Plain::Number(Value::Double(number), json),
        Ok(_) | Err(_) => Plain::OutOfRange,
    }
}

fn integer(json: &str) -> Plain {
    let value = json.parse::<i64>().map(Value::Int);
    let value = value.or_else(|_| json.parse::<u64>().map(Value::Uint));
    value.map_or(Plain::OutOfRange, |value| Plain::Number(value, json.to_owned()))
}
