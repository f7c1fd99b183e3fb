"""What every error has in common, and the mistakes of whoever writes a program."""

from __future__ import annotations


class GearshiftError(Exception):
    """What every error of this package is, but for `Failure`, which operations raise themselves."""

    #: A word or `GS…` code to branch on.
    code = "error"


class BadArgument(GearshiftError, ValueError, TypeError):
    """What was given cannot be meant, so nothing was sent: the program is to be mended.

    It is a `ValueError` and a `TypeError` as well, as Python's own functions raise them.
    """

    code = "bad_argument"
