//! ListVal: a shared list; its items are boxed only when someone iterates.

use std::any::Any;
use std::sync::{Arc, OnceLock};

use cel::ExecutionError;
use cel::common::traits::{Adder, Container, Indexer, Iterable, Iterator, Sizer, Zeroer};
use cel::common::types::{CelInt, CelUInt, LIST_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};

use super::convert::{boxed, failure, limit, to_value};
use super::equality::same;
use crate::value::Value;

pub(super) static LIST: Type = LIST_TYPE;

/// A list of ours.
#[derive(Debug)]
pub(in super::super) struct ListVal {
    items: Arc<Vec<Value>>,
    boxed: OnceLock<Vec<Box<dyn Val>>>,
}

impl ListVal {
    /// The most items of a list that an expression makes or walks over (B3).
    pub(in super::super) const ITEMS_MAX: usize = 1_000;

    pub(in super::super) const fn new(items: Arc<Vec<Value>>) -> Self {
        Self { items, boxed: OnceLock::new() }
    }

    pub(super) const fn items(&self) -> &Arc<Vec<Value>> {
        &self.items
    }
}

impl Val for ListVal {
    fn get_type(&self) -> &Type {
        &LIST
    }

    fn cel_type() -> &'static Type {
        &LIST
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
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
        same(&Value::List(Arc::clone(&self.items)), other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(Arc::clone(&self.items)))
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for ListVal {}

impl Adder for ListVal {
    fn add<'b, 'v>(&'b self, right: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let mismatch = || failure(format!("`+` of list and {}", right.get_type().name()));
        if right.get_type() != &LIST {
            return Err(mismatch());
        }
        let right = to_value(right).map_err(|_| mismatch())?;
        let right = right.as_list().unwrap_or_default();
        let size = self.items.len() + right.len();
        if size > Self::ITEMS_MAX {
            return Err(limit(format!(
                "list of {size} items exceeds the limit of {}",
                Self::ITEMS_MAX
            )));
        }
        let items = self.items.iter().chain(right).cloned().collect();
        Ok(CowVal::owned(Self::new(Arc::new(items))))
    }
}

impl Container for ListVal {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.items.iter().any(|item| same(item, value)))
    }
}

impl Sizer for ListVal {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.items.len()).unwrap_or(i64::MAX))
    }
}

impl Zeroer for ListVal {
    fn is_zero_value(&self) -> bool {
        self.items.is_empty()
    }
}

impl Indexer for ListVal {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let place = if let Some(index) = index.downcast_ref::<CelInt>() {
            usize::try_from(*index.inner()).ok()
        } else if let Some(index) = index.downcast_ref::<CelUInt>() {
            usize::try_from(*index.inner()).ok()
        } else {
            return Err(failure(format!("index of a list is {}", index.get_type().name())));
        };
        let item = place.and_then(|place| self.items.get(place)).ok_or_else(|| {
            failure(format!("index is not in a list of {} items", self.items.len()))
        })?;
        boxed(item).map(CowVal::Owned)
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Iterable for ListVal {
    fn iter<'b, 'v>(&'b self) -> Box<dyn Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        // A string above the limit is left out here and refused by the bounds before.
        let items = self
            .boxed
            .get_or_init(|| self.items.iter().filter_map(|item| boxed(item).ok()).collect());
        Box::new(Items(items.iter()))
    }
}

/// Over boxed items.
pub(super) struct Items<'b>(pub(super) std::slice::Iter<'b, Box<dyn Val>>);

impl<'b, 'v> Iterator<'b, 'v> for Items<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|item| &**item as &(dyn Val + 'v))
    }
}
