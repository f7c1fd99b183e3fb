//! [`Encoding`]: JSON or MessagePack, told apart by the content type.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::headers;

/// Deepest nesting of a MessagePack body; JSON has the same limit by `serde_json`.
const DEPTH_MAX: usize = 128;

/// How a body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// JSON, the default.
    #[default]
    Json,
    /// MessagePack; maps have string keys.
    MessagePack,
}

/// Why a body could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Not JSON, or not the JSON asked for.
    #[error("json body: {0}")]
    Json(serde_json::Error),
    /// Not MessagePack, or not the MessagePack asked for.
    #[error("msgpack body: {0}")]
    Read(rmp_serde::decode::Error),
    /// The value has no MessagePack form.
    #[error("msgpack body: {0}")]
    Write(rmp_serde::encode::Error),
    /// Bytes follow the value.
    #[error("msgpack body: {rest} bytes follow the value")]
    Trailing {
        /// How many.
        rest: usize,
    },
    /// The content type is neither.
    #[error("content type `{0}` is neither `application/json` nor `application/msgpack`")]
    ContentType(String),
}

impl Encoding {
    /// The encoding a content type names; absent or empty means JSON, parameters are ignored.
    ///
    /// Any media type that ends in `json` or `+json` counts as JSON; `application/x-msgpack` and
    /// `application/vnd.msgpack` count as MessagePack.
    ///
    /// # Errors
    ///
    /// [`CodecError::ContentType`].
    pub fn of(content_type: Option<&str>) -> Result<Self, CodecError> {
        let Some(text) = content_type else { return Ok(Self::Json) };
        let media = text.split(';').next().unwrap_or(text).trim().to_ascii_lowercase();
        match media.as_str() {
            "" => Ok(Self::Json),
            headers::MESSAGE_PACK | "application/x-msgpack" | "application/vnd.msgpack" => {
                Ok(Self::MessagePack)
            }
            json if json.ends_with("/json") || json.ends_with("+json") => Ok(Self::Json),
            _ => Err(CodecError::ContentType(text.to_owned())),
        }
    }

    /// The content type to send with a body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => headers::JSON,
            Self::MessagePack => headers::MESSAGE_PACK,
        }
    }

    /// Reads a body; an empty JSON body reads as `null`.
    ///
    /// # Errors
    ///
    /// The bytes are not one value of the type, or nest deeper than 128.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, CodecError> {
        match self {
            Self::Json if body.is_empty() => {
                serde_json::from_slice(b"null").map_err(CodecError::Json)
            }
            Self::Json => serde_json::from_slice(body).map_err(CodecError::Json),
            Self::MessagePack => {
                let mut rest = body;
                let mut reader = rmp_serde::Deserializer::new(&mut rest);
                reader.set_max_depth(DEPTH_MAX);
                let value = T::deserialize(&mut reader).map_err(CodecError::Read)?;
                match rest.len() {
                    0 => Ok(value),
                    rest => Err(CodecError::Trailing { rest }),
                }
            }
        }
    }

    /// Writes a body.
    ///
    /// # Errors
    ///
    /// The value has no such form, such as a map whose keys are not strings.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, CodecError> {
        match self {
            Self::Json => serde_json::to_vec(value).map_err(CodecError::Json),
            Self::MessagePack => rmp_serde::to_vec_named(value).map_err(CodecError::Write),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_content_type_names_the_encoding() {
        for (text, encoding) in [
            (None, Some(Encoding::Json)),
            (Some(""), Some(Encoding::Json)),
            (Some("application/json; charset=utf-8"), Some(Encoding::Json)),
            (Some("application/problem+json"), Some(Encoding::Json)),
            (Some("Application/MsgPack"), Some(Encoding::MessagePack)),
            (Some("text/plain"), None),
        ] {
            assert_eq!(Encoding::of(text).ok(), encoding, "{text:?}");
        }
    }

    #[test]
    fn both_encodings_bring_back_what_was_written() {
        let value = json!({"a": [1, -2, 2.5, null, true], "b": {"c": "ü"}});
        for encoding in [Encoding::Json, Encoding::MessagePack] {
            let bytes = encoding.encode(&value).unwrap();
            assert_eq!(encoding.decode::<Value>(&bytes).unwrap(), value);
        }
    }

    #[test]
    fn hostile_bodies_are_errors() {
        let deep = vec![0x91; 1_000_000];
        let mut long = vec![0xdd, 0xff, 0xff, 0xff, 0xff];
        long.push(0xc0);
        for body in [deep, long, vec![0xc0, 0xc0], vec![]] {
            assert!(Encoding::MessagePack.decode::<Value>(&body).is_err());
        }
        assert!(Encoding::Json.decode::<Value>(&vec![b'['; 1_000_000]).is_err());
        assert!(Encoding::Json.decode::<Value>(b"{} {}").is_err());
        assert_eq!(Encoding::Json.decode::<Value>(b"").unwrap(), Value::Null);
    }
}
