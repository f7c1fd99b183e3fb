"""How an attempt of a call fails."""

from __future__ import annotations

from typing import Any, Optional, Union

from . import checks
from .base import BadArgument


class Failure(Exception):
    """Raised by an operation that failed: says whether another attempt makes sense.

    Any other exception counts as retryable.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = True,
        code: Union[str, int, None] = None,
        retry_after: Optional[float] = None,
    ) -> None:
        if not isinstance(message, str):
            raise BadArgument(f"the message of a failure is a text, not `{_type(message)}`")
        if isinstance(code, bool) or not isinstance(code, (str, int, type(None))):
            raise BadArgument(f"the code of a failure is a text or a number, not `{_type(code)}`")
        if retry_after is not None:
            checks.number("`retry_after`", retry_after)
        super().__init__(message)
        self.message = message
        self.is_retryable = retryable
        self.code = str(code) if code is not None else ("500" if retryable else "422")
        #: The wish not to be asked again earlier, in seconds.
        self.retry_after = retry_after

    @classmethod
    def retryable(
        cls,
        message: str,
        *,
        code: Union[str, int, None] = None,
        retry_after: Optional[float] = None,
    ) -> Failure:
        """Another attempt may succeed; the code is 500 unless given."""
        return cls(message, retryable=True, code=code, retry_after=retry_after)

    @classmethod
    def permanent(cls, message: str, *, code: Union[str, int, None] = None) -> Failure:
        """Another attempt is useless; the code is 422 unless given."""
        return cls(message, retryable=False, code=code)

    @classmethod
    def cancelled(cls) -> Failure:
        """The answer of an operation that stopped because nobody waits for it any more."""
        return cls("cancelled", retryable=False, code=499)

    @classmethod
    def expired(cls) -> Failure:
        """The answer to a call whose deadline went by before it was begun."""
        words = "it waited in the plugin's queue until its deadline was over"
        return cls(words, retryable=False, code=499)

    @property
    def kind(self) -> str:
        """The word on the wire."""
        return "retryable" if self.is_retryable else "permanent"

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception means."""
        if isinstance(error, Failure):
            return error
        words = str(error)
        return cls.retryable(f"{type(error).__name__}: {words}" if words else type(error).__name__)


def _type(value: Any) -> str:
    return type(value).__name__
