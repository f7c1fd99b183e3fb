"""Arguments of a wrong kind are told as such, where they are given."""

from __future__ import annotations

import math
from typing import Any

from .base import BadArgument


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
    """Raises `BadArgument` for what is no number of seconds."""
    if not is_number(value):
        raise BadArgument(f"{what} is a number of seconds, not `{value!r}`")


def count(what: str, value: Any) -> None:
    """Raises `BadArgument` for what is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadArgument(f"{what} is a whole number, not `{value!r}`")
