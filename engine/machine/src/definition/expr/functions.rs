//! The functions of E6, and our own versions of those whose output the crate does not bound.

use std::sync::{Arc, LazyLock};

use cel::common::types::{
    CelInt, CelList, CelString, CelTimestamp, DYN_TYPE, INT_TYPE, LIST_TYPE, STRING_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, extensions};

use super::bounds::STRING_MAX;
use super::vals::{ListVal, failure, limit, own, same_vals};

type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Made<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// Functions called by their name, with their namespace.
pub(super) const GLOBALS: &[&str] = &[
    "active",
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "lists.range",
    "matches",
    "math.@max",
    "math.@min",
    "math.abs",
    "math.bitAnd",
    "math.bitNot",
    "math.bitOr",
    "math.bitShiftLeft",
    "math.bitShiftRight",
    "math.bitXor",
    "math.ceil",
    "math.floor",
    "math.greatest",
    "math.isFinite",
    "math.isInf",
    "math.isNaN",
    "math.least",
    "math.round",
    "math.sign",
    "math.sqrt",
    "math.trunc",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "size",
    "string",
    "strings.quote",
    "timestamp",
    "type",
    "uint",
];

/// Functions called on a value.
pub(super) const MEMBERS: &[&str] = &[
    "@sortByAssociatedKeys",
    "all",
    "charAt",
    "contains",
    "distinct",
    "endsWith",
    "exists",
    "existsOne",
    "exists_one",
    "filter",
    "flatten",
    "format",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "indexOf",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "map",
    "matches",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "slice",
    "sort",
    "sortBy",
    "split",
    "startsWith",
    "substring",
    "trim",
    "upperAscii",
    "value",
];

/// Members that our own versions stand for, with a `@` before their name.
pub(super) const OWN_MEMBERS: &[&str] =
    &["distinct", "indexOf", "join", "lastIndexOf", "replace", "split"];

/// Functions and operators that make text or lists, or walk over long text (B3).
pub(super) const GROWERS: &[&str] = &[
    "_+_",
    "flatten",
    "format",
    "indexOf",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "quote",
    "replace",
    "reverse",
    "slice",
    "sort",
    "split",
    "string",
    "bytes",
    "substring",
    "trim",
    "upperAscii",
    "distinct",
];

/// The one environment: building it costs 22 µs.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Only a name declared twice could fail, which every test of this module would show.
    if let Err(error) = declare(&mut env) {
        panic!("the expression environment is inconsistent: {error}");
    }
    Arc::new(env)
});

/// 1970-01-01T00:00:00Z.
pub(super) static EPOCH: LazyLock<CelTimestamp> = LazyLock::new(|| {
    let args = vec![CowVal::owned(CelInt::from(0))];
    let made = ENV.find_overload("timestamp", &args).and_then(|make| make(args).ok());
    let epoch = made.as_ref().and_then(|made| made.downcast_ref::<CelTimestamp>());
    epoch.cloned().unwrap_or_else(|| panic!("`timestamp(0)` gives no timestamp"))
});

fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_extension(extensions::strings)?;
    env.add_extension(extensions::lists)?;
    env.add_extension(extensions::math)?;
    env.add_overload("@own", "@own", vec![DYN_TYPE], own)?;
    env.add_overload("@range", "@range", vec![INT_TYPE], range)?;
    let text = || vec![STRING_TYPE];
    let pair = || vec![STRING_TYPE, STRING_TYPE];
    let place = || vec![STRING_TYPE, INT_TYPE];
    env.add_member_overload("contains", "@contains", LIST_TYPE, vec![DYN_TYPE], contains)?;
    env.add_member_overload("@distinct", "@distinct", LIST_TYPE, vec![], distinct)?;
    env.add_member_overload("@join", "@join", LIST_TYPE, vec![], join)?;
    env.add_member_overload("@join", "@join_with", LIST_TYPE, text(), join)?;
    env.add_member_overload("@split", "@split", STRING_TYPE, text(), split)?;
    env.add_member_overload("@split", "@split_n", STRING_TYPE, place(), split)?;
    env.add_member_overload("@replace", "@replace", STRING_TYPE, pair(), replace)?;
    let counted = vec![STRING_TYPE, STRING_TYPE, INT_TYPE];
    env.add_member_overload("@replace", "@replace_n", STRING_TYPE, counted, replace)?;
    env.add_member_overload("@indexOf", "@indexOf", STRING_TYPE, text(), index_of)?;
    env.add_member_overload("@indexOf", "@indexOf_n", STRING_TYPE, place(), index_of)?;
    env.add_member_overload("@lastIndexOf", "@last", STRING_TYPE, text(), last_index_of)?;
    env.add_member_overload("@lastIndexOf", "@last_n", STRING_TYPE, place(), last_index_of)
}

fn text<'a>(args: &'a Args<'_, '_>, at: usize) -> Result<&'a str, ExecutionError> {
    args.get(at)
        .and_then(|arg| arg.downcast_ref::<CelString<'_>>())
        .map(CelString::inner)
        .ok_or_else(ExecutionError::missing_argument_or_target)
}

fn number(args: &Args<'_, '_>, at: usize) -> Option<i64> {
    args.get(at).and_then(|arg| arg.downcast_ref::<CelInt>()).map(|number| *number.inner())
}

fn made_text<'b, 'v>(size: usize, make: impl FnOnce() -> String) -> Made<'b, 'v> {
    if size > STRING_MAX {
        return Err(limit(format!(
            "string of {size} bytes exceeds the limit of {STRING_MAX} bytes"
        )));
    }
    Ok(CowVal::owned(CelString::from(make())))
}

/// The items of any list, if there are not too many.
fn items<'a, 'v>(list: &'a (dyn Val + 'v)) -> Result<Vec<&'a (dyn Val + 'v)>, ExecutionError> {
    let iterable = list.as_iterable().ok_or_else(ExecutionError::missing_argument_or_target)?;
    let size = list.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    let most = ListVal::ITEMS_MAX;
    if usize::try_from(size).map_or(true, |size| size > most) {
        return Err(limit(format!("list of {size} items exceeds the limit of {most}")));
    }
    let mut items = Vec::new();
    let mut iterator = iterable.iter();
    while let Some(item) = iterator.next() {
        items.push(item);
    }
    Ok(items)
}

/// `list.contains(x)`, an alias of `x in list` (E4).
fn contains<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let [list, wanted] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let found = match list.downcast_ref::<ListVal>().and_then(Val::as_container) {
        Some(container) => container.contains(wanted.as_ref())?,
        None => items(list.as_ref())?.into_iter().any(|item| same_vals(item, wanted.as_ref())),
    };
    Ok(CowVal::owned(cel::common::types::CelBool::from(found)))
}

fn distinct<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let Some(list) = args.first() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let mut kept: Vec<&dyn Val> = Vec::new();
    let mut made: Vec<Box<dyn Val + 'v>> = Vec::new();
    for item in items(list.as_ref())? {
        if !kept.iter().any(|known| same_vals(*known, item)) {
            kept.push(item);
            made.push(item.clone_as_boxed());
        }
    }
    Ok(CowVal::owned(CelList::from(made)))
}

fn join<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let Some(list) = args.first() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let between = if args.len() > 1 { text(&args, 1)? } else { "" };
    let mut parts = Vec::new();
    for item in items(list.as_ref())? {
        let part = item.downcast_ref::<CelString<'_>>().ok_or_else(|| {
            failure(format!("`join` of {}, not of strings", item.get_type().name()))
        })?;
        parts.push(part.inner());
    }
    let gaps = parts.len().saturating_sub(1) * between.len();
    made_text(parts.iter().map(|part| part.len()).sum::<usize>() + gaps, || parts.join(between))
}

fn split<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let (whole, between) = (text(&args, 0)?, text(&args, 1)?);
    let most = number(&args, 2).and_then(|most| usize::try_from(most).ok());
    let pieces: Vec<&str> = match (most, between.is_empty()) {
        (Some(0), _) => Vec::new(),
        (Some(most), false) => whole.splitn(most, between).collect(),
        (None, false) => whole.split(between).collect(),
        (most, true) => letters(whole, most.unwrap_or(usize::MAX)),
    };
    let size = pieces.len();
    if size > ListVal::ITEMS_MAX {
        let most = ListVal::ITEMS_MAX;
        return Err(limit(format!("list of {size} items exceeds the limit of {most}")));
    }
    let made = pieces.into_iter().map(|piece| {
        let piece: Box<dyn Val + 'v> = Box::new(CelString::from(piece.to_owned()));
        piece
    });
    Ok(CowVal::owned(CelList::from(made.collect::<Vec<_>>())))
}

/// Single letters, the last piece being all that is left after `most` - 1 of them.
fn letters(whole: &str, most: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = whole;
    while let Some(first) = rest.chars().next() {
        let size = if pieces.len() + 1 == most { rest.len() } else { first.len_utf8() };
        let (piece, left) = rest.split_at(size);
        pieces.push(piece);
        rest = left;
    }
    pieces
}

fn replace<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let (whole, from, to) = (text(&args, 0)?, text(&args, 1)?, text(&args, 2)?);
    let most = number(&args, 3).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let times = whole.matches(from).take(most).count();
    let size = whole.len() + times * to.len() - times * from.len();
    made_text(size, || whole.replacen(from, to, most))
}

fn range<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let size = number(&args, 0).unwrap_or(0);
    let most = ListVal::ITEMS_MAX;
    let count = usize::try_from(size)
        .map_err(|_| failure(format!("`lists.range` of {size}, not of a count")))?;
    if count > most {
        return Err(limit(format!("list of {size} items exceeds the limit of {most}")));
    }
    let made = (0..size).map(|number| {
        let number: Box<dyn Val + 'v> = Box::new(CelInt::from(number));
        number
    });
    Ok(CowVal::owned(CelList::from(made.collect::<Vec<_>>())))
}

/// The byte at which letter `place` begins; an error where there is none.
fn byte_of(whole: &str, place: i64) -> Result<usize, ExecutionError> {
    let missing = || failure(format!("letter {place} is not in a string"));
    let place = usize::try_from(place).map_err(|_| missing())?;
    let mut starts = whole.char_indices().map(|(at, _)| at).chain([whole.len()]);
    starts.nth(place).ok_or_else(missing)
}

/// The letter that begins at byte `at`, as cel counts; -1 for none.
fn letter_of<'b, 'v>(whole: &str, at: Option<usize>) -> CowVal<'b, 'v> {
    let letters = at.and_then(|at| whole.get(..at)).map(|before| before.chars().count());
    CowVal::owned(CelInt::from(letters.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)))
}

fn index_of<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let (whole, wanted) = (text(&args, 0)?, text(&args, 1)?);
    let from = byte_of(whole, number(&args, 2).unwrap_or(0))?;
    let found = whole.get(from..).and_then(|rest| rest.find(wanted));
    Ok(letter_of(whole, found.map(|at| at + from)))
}

fn last_index_of<'b, 'v>(args: Args<'b, 'v>) -> Made<'b, 'v> {
    let (whole, wanted) = (text(&args, 0)?, text(&args, 1)?);
    let found = match number(&args, 2) {
        None => whole.rfind(wanted),
        Some(place) => {
            // The last occurrence that begins at or before the place.
            let until = (byte_of(whole, place)? + wanted.len()).min(whole.len());
            let until = (until..=whole.len()).find(|at| whole.is_char_boundary(*at));
            whole.get(..until.unwrap_or(whole.len())).and_then(|head| head.rfind(wanted))
        }
    };
    Ok(letter_of(whole, found))
}
