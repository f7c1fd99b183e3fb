//! Instances between engines: their key, and the bytes they rest in.

use std::fmt;

use gearshift_machine::machine::{Instance, InstanceKey};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes as MessagePack has them.
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_byte_buf(BlobVisitor)
    }
}

struct BlobVisitor;

impl<'de> Visitor<'de> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Blob, E> {
        Ok(Blob(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Blob, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            bytes.push(byte);
        }
        Ok(Blob(bytes))
    }
}

type Packed = (InstanceKey, Blob);

fn pack(instance: &Instance) -> Packed {
    (instance.key.clone(), Blob(instance.encode()))
}

fn unpack<E: serde::de::Error>((key, blob): Packed) -> Result<Instance, E> {
    Instance::decode(&key, &blob.0).map_err(E::custom)
}

/// `#[serde(with)]` of one instance, or none.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Instance, Packed, Serialize, Serializer, pack, unpack};

    pub(in super::super) fn serialize<S: Serializer>(
        instance: &Option<Box<Instance>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        instance.as_deref().map(pack).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Box<Instance>>, D::Error> {
        let packed = Option::<Packed>::deserialize(from)?;
        packed.map(|packed| unpack(packed).map(Box::new)).transpose()
    }
}

/// `#[serde(with)]` of a list of instances.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Instance, Packed, Serializer, pack, unpack};

    pub(in super::super) fn serialize<S: Serializer>(
        instances: &[Instance],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(instances.iter().map(pack))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Instance>, D::Error> {
        Vec::<Packed>::deserialize(from)?.into_iter().map(unpack).collect()
    }
}
