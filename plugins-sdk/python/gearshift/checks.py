"""Arguments of a wrong kind are told as such, where they are given."""

from __future__ import annotations

import math
import re
from typing import Any

from .base import BadArgument

_STATE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_number(value: Any) -> bool:
    """Is it a number that can be counted with?"""
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return known and math.isfinite(value)


def text(what: str, value: Any) -> None:
    """Raises `BadArgument` for what is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        raise BadArgument(f"{what} is a text that is not empty, not `{value!r}`")


def number(what: str, value: Any) -> None:
    """Raises `BadArgument` for what is no number."""
    if not is_number(value):
        raise BadArgument(f"{what} is a number, not `{value!r}`")


def seconds(what: str, value: Any) -> None:
    """Raises `BadArgument` for what is no number of seconds from 0 on."""
    if not is_number(value) or value < 0:
        raise BadArgument(f"{what} is a number of seconds from 0 on, not `{value!r}`")


def count(what: str, value: Any) -> None:
    """Raises `BadArgument` for what is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadArgument(f"{what} is a whole number, not `{value!r}`")


def awaited(what: str, value: Any) -> None:
    """Raises `BadArgument` for what no instance is ever at."""
    text(what, value)
    if value not in ("@end", "@quiescent") and not _STATE.fullmatch(value):
        words = "a state such as `under_review`, `@end` or `@quiescent`"
        raise BadArgument(f"{what} is {words}, not `{value}`")
