//! MapVal: a shared map; iterates over its keys in sorted order (E5).

use std::any::Any;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator, Sizer, Zeroer};
use cel::common::types::{CelInt, CelString, MAP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use super::convert::boxed;
use super::equality::same;
use super::list::Items;
use crate::value::{Map, Value};

pub(super) static MAP: Type = MAP_TYPE;

/// A map of ours.
#[derive(Debug)]
pub(in super::super) struct MapVal {
    map: Arc<Map>,
    keys: OnceLock<Vec<Box<dyn Val>>>,
}

impl MapVal {
    pub(in super::super) const fn new(map: Arc<Map>) -> Self {
        Self { map, keys: OnceLock::new() }
    }

    pub(super) const fn map(&self) -> &Arc<Map> {
        &self.map
    }
}

impl Val for MapVal {
    fn get_type(&self) -> &Type {
        &MAP
    }

    fn cel_type() -> &'static Type {
        &MAP
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        same(&Value::Map(Arc::clone(&self.map)), other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(Arc::clone(&self.map)))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for MapVal {}

impl Container for MapVal {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value.downcast_ref::<CelString<'_>>().is_some_and(|key| self.map.contains_key(key)))
    }
}

impl Sizer for MapVal {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.map.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for MapVal {
    fn is_zero_value(&self) -> bool {
        self.map.is_empty()
    }
}

impl Indexer for MapVal {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let Some(key) = index.downcast_ref::<CelString<'_>>() else {
            let kind = index.get_type().name();
            return Err(ExecutionError::no_such_key(&format!("a key of type {kind}")));
        };
        let value = self.map.get(key).ok_or_else(|| ExecutionError::no_such_key(key))?;
        boxed(value).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Iterable for MapVal {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        let keys = self.keys.get_or_init(|| {
            self.map
                .iter()
                .map(|(name, _)| Box::new(CelString::from(String::from(&**name))) as Box<dyn Val>)
                .collect()
        });
        Box::new(Items(keys.iter()))
    }
}
