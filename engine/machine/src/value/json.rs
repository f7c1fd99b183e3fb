//! JSON text in and out, exact about numbers (row E3 of the bad-input catalogue).

use std::fmt;

use super::Value;

/// Why bytes are not a value.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON, nests too deep or repeats a key.
    #[error("invalid JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// An integer does not fit 64 bits; it would silently lose digits.
    #[error("integer `{0}` does not fit 64 bits; send it as a string")]
    NumberRange(String),
}

impl Value {
    /// Reads JSON text.
    ///
    /// # Errors
    /// [`JsonError::Syntax`] for text that is not JSON, nests deeper than [`Value::DEPTH_MAX`] or
    /// repeats a key; [`JsonError::NumberRange`] for an integer outside 64 bits.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonError> {
        let value = serde_json::from_slice::<Self>(text).map_err(JsonError::Syntax)?;
        if value.has_huge_double()
            && let Some(integer) = first_long_integer(text)
        {
            return Err(JsonError::NumberRange(integer));
        }
        Ok(value)
    }

    /// The compact JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Only non-finite doubles could fail, and decoders and expressions refuse those.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Could some double here have been written as an integer of more than 64 bits?
    fn has_huge_double(&self) -> bool {
        match self {
            Self::Double(number) => number.abs() >= 9.2e18,
            Self::List(items) => items.iter().any(Self::has_huge_double),
            Self::Map(map) => map.iter().any(|(_, value)| value.has_huge_double()),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Uint(_) | Self::String(_) => false,
        }
    }
}

/// The first integer literal outside strings that needs more than 64 bits.
fn first_long_integer(text: &[u8]) -> Option<String> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'"' {
            at += 1;
            while let Some(&inner) = text.get(at) {
                at += if inner == b'\\' { 2 } else { 1 };
                if inner == b'"' {
                    break;
                }
            }
        } else if byte == b'-' || byte.is_ascii_digit() {
            let rest = text.get(at..).unwrap_or_default();
            let length =
                rest.iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
            let literal = String::from_utf8_lossy(rest.get(..length).unwrap_or_default());
            let integral = !literal.contains(['.', 'e', 'E']);
            if integral && literal.parse::<i64>().is_err() && literal.parse::<u64>().is_err() {
                return Some(literal.into_owned());
            }
            at += length.max(1);
        } else {
            at += 1;
        }
    }
    None
}

impl fmt::Display for Value {
    /// Text as it is, everything else as compact JSON.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::String(text) = self {
            formatter.write_str(text)
        } else {
            formatter.write_str(&self.to_json())
        }
    }
}
