//! Literals, and lists and maps of them.

use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::value::{Map, Value};

/// The value of a literal, or of a list or map with string keys that consists of literals.
pub(super) fn constant(node: &IdedExpr) -> Option<Value> {
    match &node.expr {
        Expr::Literal(literal) => scalar(literal),
        Expr::List(list) if list.optional_indices.is_empty() => {
            list.elements.iter().map(constant).collect::<Option<Vec<Value>>>().map(Value::list)
        }
        Expr::Map(map) => {
            let entries: Option<Vec<(Arc<str>, Value)>> =
                map.entries.iter().map(|entry| member(&entry.expr)).collect();
            // A repeated key is left to cel, which says so.
            Map::from_entries(entries?).ok().map(Value::from)
        }
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Select(_)
        | Expr::Struct(_)
        | Expr::List(_) => None,
    }
}

fn member(entry: &EntryExpr) -> Option<(Arc<str>, Value)> {
    let EntryExpr::MapEntry(entry) = entry else { return None };
    if entry.optional {
        return None;
    }
    let Value::String(name) = constant(&entry.key)? else { return None };
    Some((name, constant(&entry.value)?))
}

fn scalar(literal: &LiteralValue) -> Option<Value> {
    Some(match literal {
        LiteralValue::Boolean(value) => Value::Bool(*value.inner()),
        LiteralValue::Bytes(_) => return None,
        LiteralValue::Double(number) if number.inner().is_finite() => {
            Value::Double(*number.inner())
        }
        LiteralValue::Double(_) => return None,
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => text.inner().into(),
        LiteralValue::UInt(number) => Value::Uint(*number.inner()),
    })
}
