//! Names of things: newtypes, so that one id is never taken for another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment plus `milliseconds`, held at the end of time instead of overflowing.
    #[must_use]
    pub fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(milliseconds).unwrap_or(i64::MAX)))
    }

    /// Milliseconds from `earlier` to this moment; 0 when this is not later.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(formatter, "{moment:.3}"),
            Err(_) => write!(formatter, "{}ms", self.0),
        }
    }
}

/// How often a key was started anew; the first life is 1 (01 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// Which instance: workflow name and correlation key, in one shared string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceKey(Arc<str>);

impl InstanceKey {
    /// The longest workflow name or correlation key, in bytes (01 §10).
    pub const NAME_MAX: usize = 128;
    /// The number of hash slots that keys spread over (01 §5).
    pub const SLOTS: u64 = 4_096;

    /// A key of `workflow`.
    ///
    /// # Errors
    /// What is wrong with the name or the key: empty, too long, or with control characters.
    pub fn new(workflow: &str, key: &str) -> Result<Self, String> {
        for (what, text) in [("workflow name", workflow), ("correlation key", key)] {
            if text.is_empty() {
                return Err(format!("{what} is empty"));
            }
            if text.len() > Self::NAME_MAX {
                let size = text.len();
                return Err(format!(
                    "{what} of {size} bytes exceeds the limit of {} bytes",
                    Self::NAME_MAX
                ));
            }
            let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !printable && text.chars().any(char::is_control) {
                return Err(format!("{what} `{}` has a control character", text.escape_debug()));
            }
        }
        if workflow.contains('/') {
            return Err(format!("workflow name `{workflow}` has a `/`"));
        }
        Ok(Self([workflow, "\0", key].concat().into()))
    }

    /// Reads `workflow/key`.
    ///
    /// # Errors
    /// As [`InstanceKey::new`], or the text has no `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (workflow, key) = text
            .split_once('/')
            .ok_or_else(|| format!("instance `{}` is not `workflow/key`", text.escape_debug()))?;
        Self::new(workflow, key)
    }

    /// The key of a child: readable where it fits, else ended by a hash of what it would be.
    ///
    /// Another life of the parent has other children: those of the one before may still take back
    /// what they did.
    ///
    /// # Errors
    /// What is wrong with the name of the child's workflow.
    pub fn child(
        &self,
        workflow: &str,
        invoke_id: &str,
        (epoch, life): (u32, Generation),
    ) -> Result<Self, String> {
        let life = if life.0 > 1 { format!("-{}", life.0) } else { String::new() };
        // The parent's workflow is part of it: two workflows may invoke a third one alike.
        let whole = format!("{}.{}.{invoke_id}.{epoch}{life}", self.workflow(), self.key());
        if whole.len() <= Self::NAME_MAX {
            return Self::new(workflow, &whole);
        }
        let hash = EffectId(xxhash_rust::xxh3::xxh3_128(whole.as_bytes()).to_be_bytes());
        let hash = format!("~{hash}");
        let most = Self::NAME_MAX - hash.len();
        let end = (0..=most).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        Self::new(workflow, &format!("{}{hash}", whole.get(..end).unwrap_or_default()))
    }

    /// The workflow's name.
    #[must_use]
    pub fn workflow(&self) -> &str {
        self.parts().0
    }

    /// The correlation key.
    #[must_use]
    pub fn key(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        let at = self.0.bytes().position(|byte| byte == 0);
        let parts = at.and_then(|at| Some((self.0.get(..at)?, self.0.get(at + 1..)?)));
        parts.unwrap_or((&self.0, ""))
    }

    /// The raw text, `workflow \0 key`: what is stored and hashed.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// A key before all keys of `workflow`, for walking them in order; never an instance's.
    #[must_use]
    pub(crate) fn first_of(workflow: &str) -> Option<Self> {
        (!workflow.is_empty()).then(|| Self(format!("{workflow}\0").into()))
    }

    /// Reads what [`InstanceKey::raw`] gave.
    #[must_use]
    pub fn from_raw(raw: &str) -> Option<Self> {
        let (workflow, key) = raw.split_once('\0')?;
        Self::new(workflow, key).ok()
    }

    /// The hash slot of this key, 0 ..= 4,095 (01 §4).
    #[must_use]
    pub fn slot(&self) -> u16 {
        let slot = xxhash_rust::xxh3::xxh3_64(self.0.as_bytes()) % Self::SLOTS;
        u16::try_from(slot).unwrap_or(0)
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (workflow, key) = self.parts();
        formatter.write_str(workflow)?;
        formatter.write_str("/")?;
        formatter.write_str(key)
    }
}

impl fmt::Debug for InstanceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl Serialize for InstanceKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for InstanceKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_raw(&raw).ok_or_else(|| serde::de::Error::custom("invalid instance key"))
    }
}

/// The stable name of one effect over retries, failover and replay (01 §1, guarantee 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectId(pub [u8; 16]);

impl EffectId {
    /// The id of action `index` of decision `step` of one life of an instance.
    #[must_use]
    pub fn new(instance: &InstanceKey, generation: Generation, step: u64, index: u32) -> Self {
        let (generation, step, index) =
            (generation.0.to_le_bytes(), step.to_le_bytes(), index.to_le_bytes());
        let parts: [&[u8]; 5] = [instance.raw().as_bytes(), &[0], &generation, &step, &index];
        // No key is longer, so that nothing is allocated for it.
        let mut bytes = [0; 2 * InstanceKey::NAME_MAX + 1 + 17];
        let mut length = 0;
        for part in parts {
            let Some(place) = bytes.get_mut(length..length + part.len()) else {
                return Self(xxhash_rust::xxh3::xxh3_128(&parts.concat()).to_be_bytes());
            };
            place.copy_from_slice(part);
            length += part.len();
        }
        let bytes = bytes.get(..length).unwrap_or_default();
        Self(xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes())
    }

    /// Reads the 26 letters that [`fmt::Display`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 26 {
            return None;
        }
        let mut number = 0_u128;
        for (at, letter) in text.bytes().enumerate() {
            let digit = BASE32.iter().position(|known| *known == letter)?;
            if at == 0 && digit > 7 {
                return None;
            }
            number = (number << 5) | digit as u128;
        }
        Some(Self(number.to_be_bytes()))
    }

    /// 64 bits of the id, for jitter that is the same at every replay.
    #[must_use]
    pub fn seed(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Crockford's alphabet in lower case: no letter is mistaken for a digit.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl fmt::Display for EffectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = u128::from_be_bytes(self.0);
        let mut letters = [b'0'; 26];
        // Every call is named by it several times, so it is written in one piece.
        for letter in letters.iter_mut().rev() {
            let digit = usize::try_from(number & 31).unwrap_or(0);
            *letter = BASE32.get(digit).copied().unwrap_or(b'0');
            number >>= 5;
        }
        formatter.write_str(str::from_utf8(&letters).unwrap_or_default())
    }
}

impl fmt::Debug for EffectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl Serialize for EffectId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EffectId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = EffectId;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("16 bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<EffectId, E> {
                let id = bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))?;
                Ok(EffectId(id))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// SHA-256 of a definition's canonical text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The first 8 bytes: enough to notice a mix-up, cheap enough to keep in every instance.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// The definition an instance runs: the workflow's name is in its key (rule 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pin {
    /// The definition's `version:`.
    pub version: u32,
    /// [`ContentHash::prefix`] of the definition.
    pub hash: u64,
}

/// A state by its place in document order, pre-order; the root is 0 (rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateId(pub u16);

impl StateId {
    /// The root of every definition.
    pub const ROOT: Self = Self(0);

    /// The place in [`crate::definition::model::Definition::states`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A transition by its place in document order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransitionId(pub u16);

impl TransitionId {
    /// The place in [`crate::definition::model::Definition::transitions`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
