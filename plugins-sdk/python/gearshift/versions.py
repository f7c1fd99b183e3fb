"""Semantic versions and what may be required of them, as definitions and plugins write it."""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

from .base import BadArgument

#: Major, minor and patch, and what makes an earlier version of it: the greatest where nothing does.
Version = Tuple[int, int, int, Tuple[Tuple[int, int, str], ...]]

_RELEASE: Tuple[Tuple[int, int, str], ...] = ((2, 0, ""),)
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")
_COMPARATOR = re.compile(
    r"(=|>=|<=|>|<|~|\^)?\s*(\d+|[*xX])(?:\.(\d+|[*xX]))?(?:\.(\d+|[*xX]))?"
    r"(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)


def read_version(text: str) -> Optional[Version]:
    """A version such as `1.2.3-rc.1`; `None` where the text is none."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return None
    numbers = [int(found.group(index)) for index in (1, 2, 3)]
    return numbers[0], numbers[1], numbers[2], _earlier(found.group(4))


def _earlier(text: Optional[str]) -> Tuple[Tuple[int, int, str], ...]:
    if text is None:
        return _RELEASE
    parts = text.split(".")
    # Numbers stand before words.
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


class Requirement:
    """Such as `^1.2`, `>=1.0.0, <2`, `~1.4`, `1.*` or `*`; without a sign, like `^`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._all: List[Tuple[str, List[int], Tuple[Tuple[int, int, str], ...]]] = []
        for part in text.split(","):
            found = _COMPARATOR.fullmatch(part.strip())
            if found is None:
                raise BadArgument(f"`{text}` is no version requirement such as `>=1.0.0`")
            sign = found.group(1) or "^"
            given = [found.group(index) for index in (2, 3, 4)]
            numbers = []
            for number in given:
                if number is None or not number.isdigit():
                    break
                numbers.append(int(number))
            if any(number in ("*", "x", "X") for number in given):
                sign = "="
            self._all.append((sign, numbers, _earlier(found.group(5))))

    def accepts(self, text: str) -> bool:
        """Does a version satisfy it?"""
        version = read_version(text)
        if version is None or not all(self._one(version, *one) for one in self._all):
            return False
        # One that comes before a release is only meant where the requirement names such a one.
        return version[3] == _RELEASE or any(
            tuple(numbers) == version[:3] and earlier != _RELEASE
            for _, numbers, earlier in self._all
        )

    @staticmethod
    def _one(
        version: Version, sign: str, numbers: List[int], earlier: Tuple[Tuple[int, int, str], ...]
    ) -> bool:
        given = len(numbers)
        if given == 0:
            return True
        same = version[:given] == tuple(numbers)
        low = (*numbers, *[0] * (3 - given), earlier if given == 3 or sign in "=~^" else ())
        if given < 3:
            low = (*low[:3], ())
        if sign == "=":
            return same and (given < 3 or version[3] == earlier)
        if sign == ">":
            return version > low and not (given < 3 and same)
        if sign == ">=":
            return version >= low
        if sign == "<":
            return version < low
        if sign == "<=":
            return version <= low or (given < 3 and same)
        kept = min(given, 2) if sign == "~" else _caret(numbers)
        return version >= low and version[:kept] == tuple(numbers[:kept])


def _caret(numbers: List[int]) -> int:
    """How many numbers must be the same: up to the first that is not 0."""
    for index, number in enumerate(numbers):
        if number:
            return index + 1
    return len(numbers)
