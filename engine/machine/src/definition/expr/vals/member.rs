//! What stands on the right of `in` for `active(…)` and `matches(…)`.

use std::any::Any;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::Container;
use cel::common::types::{CelString, Type};
use cel::common::value::{StaticVal, Val};
use regex::Regex;

use super::convert::failure;

static REGEX: Type = Type::new_unspecified_type("regex");
static ACTIVE: Type = Type::new_unspecified_type("active states");

/// A pattern; a string is in it when it matches.
#[derive(Clone, Debug)]
pub(in super::super) struct RegexVal(pub(in super::super) Regex);

/// The ids of the active states.
#[derive(Clone, Debug)]
pub(in super::super) struct ActiveVal(pub(in super::super) Vec<Arc<str>>);

impl Val for RegexVal {
    fn get_type(&self) -> &Type {
        &REGEX
    }

    fn cel_type() -> &'static Type {
        &REGEX
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for RegexVal {}

impl Container for RegexVal {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let text = value.downcast_ref::<CelString<'_>>().ok_or_else(|| {
            failure(format!("`matches` of {}, not of a string", value.get_type().name()))
        })?;
        Ok(self.0.is_match(text))
    }
}

impl Val for ActiveVal {
    fn get_type(&self) -> &Type {
        &ACTIVE
    }

    fn cel_type() -> &'static Type {
        &ACTIVE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for ActiveVal {}

impl Container for ActiveVal {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        let id = value.downcast_ref::<CelString<'_>>().ok_or_else(|| {
            failure(format!("`active` of {}, not of a string", value.get_type().name()))
        })?;
        Ok(self.0.iter().any(|active| **active == **id))
    }
}
