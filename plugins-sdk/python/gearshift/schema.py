"""Type hints as JSON Schema, and JSON values as what the hints ask for.

Understood are `str int float bool None Any`, lists, dictionaries with text keys, tuples of one
type, `Optional`, `Union`, `Literal`, enumerations of values, dataclasses and `TypedDict`. Of
anything else nothing is demanded.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import types
import typing
from typing import Any, Dict, List, Optional, Tuple, Union

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def schema_of(hint: Any) -> Optional[Dict[str, Any]]:
    """The JSON Schema of a hint; `None` where it demands nothing."""
    schema = _schema(hint, ())
    return {"$schema": DIALECT, **schema} if schema else None


def from_json(hint: Any, value: Any, at: str = "") -> Any:
    """The value as the hint asks for it; raises `ValueError` with the place where it is not."""
    if hint in _PLAIN:
        return _plain(hint, value, at)
    if _is_union(hint):
        return _union(hint, value, at)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        for one in args:
            if same(value, to_json(one)):
                return one
        raise _wrong(at, "one of " + ", ".join(map(repr, args)), value)
    if hint is list or origin in (list, tuple) and _is_list(hint):
        return _list(hint, value, at)
    if hint is dict or origin is dict:
        if not isinstance(value, dict):
            raise _wrong(at, "an object", value)
        inner = args[1] if len(args) == 2 else Any
        return {key: from_json(inner, one, f"{at}.{key}") for key, one in value.items()}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(hint, value, at)
    if dataclasses.is_dataclass(hint) or _is_typed_dict(hint):
        return _record(hint, value, at)
    return value


def to_json(value: Any, at: str = "") -> Any:
    """What JSON has, of dataclasses and enumerations too; raises `ValueError` for anything else."""
    if isinstance(value, enum.Enum):
        return to_json(value.value, at)
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{_place(at)} is `{value}`, which JSON has not")
        return value
    if isinstance(value, dict):
        return {_key(key, at): to_json(one, f"{at}.{key}") for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(one, f"{at}[{index}]") for index, one in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: to_json(getattr(value, name), f"{at}.{name}") for name in names}
    raise ValueError(f"{_place(at)} is of type `{type(value).__name__}`, which JSON has not")


def _key(key: Any, at: str) -> str:
    """Text, as `json` makes it of the other keys that it takes: both encodings agree."""
    known = key.value if isinstance(key, enum.Enum) else key
    if isinstance(known, str):
        return known
    if known is None or isinstance(known, (int, float)):
        return json.dumps(known)
    raise ValueError(f"{_place(at)} has a key of type `{type(key).__name__}`, which JSON has not")


def misfit(schema: Dict[str, Any], value: Any, at: str = "") -> Optional[str]:
    """Why a JSON value is not what a schema says that `schema_of` made; `None` where it is."""
    if "anyOf" in schema:
        if all(misfit(one, value, at) for one in schema["anyOf"]):
            return f"{_place(at)} is nothing that the schema allows: it came as `{_came(value)}`"
        return None
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        return f"{_place(at)} is none of the values that the schema allows"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is_of(kind, value) for kind in kinds):
        wanted = " or ".join(f"`{kind}`" for kind in kinds)
        return f"{_place(at)} is not of type {wanted}: it came as `{_came(value)}`"
    if isinstance(value, list) and "items" in schema:
        inside = (misfit(schema["items"], one, f"{at}[{n}]") for n, one in enumerate(value))
        return next(filter(None, inside), None)
    if isinstance(value, dict):
        return _member_misfit(schema, value, at)
    return None


def _member_misfit(schema: Dict[str, Any], value: Dict[str, Any], at: str) -> Optional[str]:
    for name in schema.get("required", []):
        if name not in value:
            return f"{_place(f'{at}.{name}')} is missing"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    inside = (misfit(known.get(name, others), one, f"{at}.{name}") for name, one in value.items())
    return next(filter(None, inside), None)


def _is_of(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or isinstance(value, float) and value.is_integer()
    if kind == "number":
        return isinstance(value, (int, float))
    return kind == _came(value)


def same(one: Any, other: Any) -> bool:
    """Are two JSON values the same? `1` is `1.0`, and is not `true`."""
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _place(at: str) -> str:
    return f"`{at.lstrip('.')}`" if at else "it"


def _wrong(at: str, wanted: str, value: Any) -> ValueError:
    """Names the type that came, never the value: what is said here is kept in the journal."""
    place = f"`{at.lstrip('.')}`" if at else "the input"
    return ValueError(f"{place} is not {wanted}: it came as `{_came(value)}`")


def _came(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, (list, tuple)):
        return "array"
    return _PLAIN.get(type(value), type(value).__name__)


def _plain(hint: Any, value: Any, at: str) -> Any:
    if hint in (int, float) and _is_of(_PLAIN[hint], value):
        # JSON knows one kind of number: `1.0` is an integer, as its schema says.
        try:
            return hint(value)
        except OverflowError:
            raise _wrong(at, f"within what a `{hint.__name__}` holds", value) from None
    if hint in (int, float) or not isinstance(value, hint):
        raise _wrong(at, f"of type `{_PLAIN[hint]}`", value)
    return value


def _member(hint: Any, value: Any, at: str) -> Any:
    """The member of an enumeration that has this value."""
    for one in hint:
        if same(value, to_json(one)):
            return one
    try:
        if isinstance(value, str):
            # By what it says itself of values that are none of its own.
            return hint(value)
    except ValueError:
        pass
    raise _wrong(at, "one of " + ", ".join(repr(o.value) for o in hint), value)


def _is_union(hint: Any) -> bool:
    origin = typing.get_origin(hint)
    # `X | Y` has a class of its own since Python 3.10.
    return origin is Union or origin is getattr(types, "UnionType", Union)


def _union(hint: Any, value: Any, at: str) -> Any:
    errors = []
    for one in typing.get_args(hint):
        try:
            return from_json(one, value, at)
        except ValueError as error:
            if one is not type(None):
                errors.append(str(error))
    raise ValueError(errors[0] if len(errors) == 1 else str(_wrong(at, f"any of {hint}", value)))


def _is_list(hint: Any) -> bool:
    """A list, or a tuple of any length."""
    args = typing.get_args(hint)
    return typing.get_origin(hint) is list or (len(args) == 2 and args[1] is Ellipsis)


def _list(hint: Any, value: Any, at: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise _wrong(at, "a list", value)
    args = typing.get_args(hint)
    inner = args[0] if args else Any
    items = [from_json(inner, one, f"{at}[{index}]") for index, one in enumerate(value)]
    return tuple(items) if typing.get_origin(hint) is tuple else items


def _is_typed_dict(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, dict) and hasattr(hint, "__total__")


def _fields(hint: Any) -> List[Tuple[str, Any, bool]]:
    """Name, hint and whether it must be there, of each field."""
    hints = typing.get_type_hints(hint)
    if _is_typed_dict(hint):
        required = hint.__required_keys__
        return [(name, inner, name in required) for name, inner in hints.items()]
    missing = dataclasses.MISSING
    return [
        (one.name, hints[one.name], one.default is missing and one.default_factory is missing)
        for one in dataclasses.fields(hint)
        if one.init
    ]


def _record(hint: Any, value: Any, at: str) -> Any:
    """An object with the fields of the hint; other fields are left out, as newer callers have."""
    if not isinstance(value, dict):
        raise _wrong(at, "an object", value)
    found = {}
    for name, inner, required in _fields(hint):
        if name in value:
            found[name] = from_json(inner, value[name], f"{at}.{name}")
        elif required:
            raise ValueError(f"`{f'{at}.{name}'.lstrip('.')}` is missing")
    return hint(**found)


def _schema(hint: Any, around: Tuple[Any, ...]) -> Dict[str, Any]:
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if _is_union(hint):
        return _union_schema(args, around)
    if origin is typing.Literal:
        return {"enum": [to_json(one) for one in args]}
    if hint is list or origin in (list, tuple) and _is_list(hint):
        inner = _schema(args[0], around) if args else {}
        return {"type": "array", "items": inner} if inner else {"type": "array"}
    if hint is dict or origin is dict:
        inner = _schema(args[1], around) if len(args) == 2 else {}
        return {"type": "object", **({"additionalProperties": inner} if inner else {})}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [to_json(one) for one in hint]}
    if (dataclasses.is_dataclass(hint) or _is_typed_dict(hint)) and hint not in around:
        fields = _fields(hint)
        inside = (*around, hint)
        schema: Dict[str, Any] = {
            "title": hint.__name__,
            "type": "object",
            "properties": {name: _schema(inner, inside) for name, inner, _ in fields},
        }
        required = [name for name, _, required in fields if required]
        return {**schema, "required": required} if required else schema
    return {}


def _union_schema(args: Tuple[Any, ...], around: Tuple[Any, ...]) -> Dict[str, Any]:
    inner = [_schema(one, around) for one in args]
    if not all(inner):
        return {}
    if all(set(one) == {"type"} for one in inner):
        return {"type": [one["type"] for one in inner]}
    return {"anyOf": inner}
