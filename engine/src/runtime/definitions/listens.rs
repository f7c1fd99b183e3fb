//! [`Froms`]: from which sequence of each source a version listens, as the bucket keeps it.

use std::collections::BTreeMap;

use bytes::Bytes;
use gearshift_machine::partition::Position;

/// From which sequence of each source a version listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Froms(BTreeMap<u16, u64>);

impl Froms {
    pub(crate) fn new(list: impl IntoIterator<Item = Position>) -> Self {
        Self(list.into_iter().map(|from| (from.source, from.sequence)).collect())
    }

    pub(crate) fn get(&self, source: u16) -> Option<u64> {
        self.0.get(&source).copied()
    }

    /// Reads `{"1": 17, "2": 5}`; a plain number speaks of source 1, the inbox.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if let Ok(from) = serde_json::from_slice::<u64>(bytes) {
            return Some(Self(BTreeMap::from([(1, from)])));
        }
        serde_json::from_slice(bytes).ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> Bytes {
        // A map of numbers cannot fail to become JSON.
        Bytes::from(serde_json::to_vec(&self.0).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use gearshift_machine::partition::Position;

    use super::Froms;

    #[test]
    fn a_plain_number_speaks_of_the_inbox() {
        let froms = Froms::new([Position { source: 1, sequence: 17 }]);
        assert_eq!(Froms::read(b"17"), Some(froms));
    }

    #[test]
    fn places_in_several_sources_are_read_back() {
        let position = |source, sequence| Position { source, sequence };
        let froms = Froms::new([position(1, 17), position(2, 5)]);
        assert_eq!(&froms.bytes()[..], br#"{"1":17,"2":5}"#);
        assert_eq!(Froms::read(&froms.bytes()), Some(froms));
        assert_eq!(Froms::read(b"nonsense"), None);
    }
}
