"""Type hints of operations: what is no type is told where the function becomes an operation."""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import logging
import types
import typing
from typing import Any, Callable, Dict, Set

from .base import BadArgument

log = logging.getLogger("gearshift")

#: Values that stand where a type is meant: `5`, `"text"`, `[int]`, `(int, str)`, `any`, a module.
_VALUES = (
    *(int, float, complex, str, bytes, list, tuple, dict, set),
    *(types.ModuleType, types.BuiltinFunctionType, types.FunctionType, types.MethodType),
)
#: Classes whose values are what JSON has; of others nothing is made.
_KNOWN = (str, int, float, bool, type(None), list, tuple, dict, object)


def hints_of(name: str, function: Callable[..., Any]) -> Dict[str, Any]:
    """Hints of a function by the names of its parameters; raises `BadArgument` for what is none."""
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        if isinstance(error, TypeError) and "unsupported operand" not in str(error):
            raise BadArgument(f"operation `{name}`: a hint is no type: {error}") from error
        # Hints that are only for type checkers, or of a newer Python.
        log.warning("`%s` has no schema: %s", name, error)
        return {}


def check(name: str, what: str, hint: Any) -> None:
    """Raises `BadArgument` for what is no type, and warns of what is handed on as it comes."""
    strangers: Set[str] = set()
    _walk(f"operation `{name}`: the hint of its {what}", hint, strangers, ())
    for one in sorted(strangers):
        if what == "input":
            log.warning("`%s`: no `%s` is made of the input, it stays what JSON has", name, one)
        else:
            log.warning("`%s`: a `%s` is nothing that JSON has, and is no answer", name, one)


def _walk(place: str, hint: Any, strangers: Set[str], around: Any) -> None:
    if isinstance(hint, _VALUES) and not hasattr(hint, "__supertype__"):
        if typing.get_origin(hint) is None:
            raise BadArgument(f"{place} is no type: `{_shown(hint)}`")
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return
    if origin is not None:
        for one in typing.get_args(hint):
            # The arguments of a `Callable` are a list, and the rest of a tuple is `...`.
            if one is not Ellipsis and not (isinstance(one, list) and origin is not list):
                _walk(place, one, strangers, around)
        return
    if not isinstance(hint, type) or hint in around:
        return
    if dataclasses.is_dataclass(hint) or hasattr(hint, "__total__"):
        try:
            inner = typing.get_type_hints(hint)
        except NameError:
            # It may be defined further down; what is still missing is told at the start.
            return
        except TypeError as error:
            raise BadArgument(f"{place}: in `{hint.__name__}`: {error}") from error
        for key, one in inner.items():
            _walk(f"{place}: `{hint.__name__}.{key}`", one, strangers, (*around, hint))
    elif not (hint in _KNOWN or issubclass(hint, enum.Enum) or _is_abstract(hint)):
        strangers.add(hint.__name__)


def _is_abstract(hint: type) -> bool:
    return hint.__module__ in ("typing", "collections.abc") or inspect.isabstract(hint)


def _shown(hint: Any) -> str:
    name = getattr(hint, "__name__", None)
    return name if isinstance(name, str) else repr(hint)
