"""What can go wrong: one exception per way to handle it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from nats.aio.msg import Msg

from . import wire
from .base import BadArgument, GearshiftError

__all__ = [
    "BadArgument",
    "GearshiftError",
    "NotReached",
    "OutcomeUnknown",
    "Problem",
    "Protocol",
    "Refused",
    "Unreachable",
    "answer_of",
]


@dataclass(frozen=True)
class Problem:
    """Why the engine refused."""

    #: The HTTP-like status.
    status: int
    #: The stable code, such as `GS4040`; `gearshift explain` tells more.
    code: str
    #: The code's name, such as `not_found`.
    name: str
    #: What is wrong this time.
    detail: str
    instance: Optional[str] = None
    #: When to try again, in seconds.
    retry_after: Optional[float] = None
    #: Findings about a definition.
    diagnostics: List[Any] = field(default_factory=list)

    @classmethod
    def of_status(cls, status: int, detail: str) -> Problem:
        """A problem of which only a status is known."""
        names = {
            400: ("GS4000", "bad_request"),
            401: ("GS4031", "unauthenticated"),
            403: ("GS4030", "denied"),
            404: ("GS4040", "not_found"),
            409: ("GS4090", "conflict"),
            413: ("GS4130", "request_too_large"),
            422: ("GS4022", "invalid"),
            503: ("GS5002", "unavailable"),
            504: ("GS5003", "timeout"),
        }
        hundred = ("GS4000", "bad_request") if 400 <= status < 500 else ("GS5000", "internal")
        code, name = names.get(status, hundred)
        return cls(status, code, name, detail)

    @classmethod
    def of_json(cls, value: Dict[str, Any], status: int) -> Problem:
        """A problem as the engine tells it."""
        known = cls.of_status(int(value.get("status", status)), str(value.get("detail", "")))
        wait = value.get("retry_after_ms")
        return cls(
            status=known.status,
            code=str(value.get("code", known.code)),
            name=str(value.get("name", known.name)),
            detail=known.detail or str(value.get("title", "")),
            instance=value.get("instance"),
            retry_after=None if wait is None else wait / 1000,
            diagnostics=list(value.get("diagnostics", [])),
        )


class Unreachable(GearshiftError):
    """Nobody answers there, or the connection broke: nothing was done."""

    code = "unreachable"


class OutcomeUnknown(GearshiftError):
    """No answer in time: whether it was done is unknown."""

    code = "timeout"


class Protocol(GearshiftError):
    """The answer is not one this client understands."""

    code = "protocol"


class Refused(GearshiftError):
    """The engine refused; nothing was done."""

    def __init__(self, problem: Problem) -> None:
        first = next(iter(problem.diagnostics), None)
        more = first.get("message") if isinstance(first, dict) else None
        words = f"{problem.detail or problem.name}{f': {more}' if more else ''}"
        super().__init__(f"{problem.code}: {words}")
        self.problem = problem
        self.code = problem.code


class NotReached(GearshiftError):
    """An instance that was waited for will not get there by itself: it is stuck, or has ended."""

    def __init__(self, instance: Dict[str, Any]) -> None:
        self.instance = instance
        #: How the instance stands: `stuck`, `done`, `failed` or `cancelled`.
        self.code = str(instance["status"])
        words = (instance.get("end") or {}).get("words", "")
        why = instance.get("stuck_reason") or words or f"in {', '.join(instance['active'])}"
        # `cancelled by ann: too late` says the status itself.
        known = why if why.startswith(self.code) else f"{self.code}: {why}"
        super().__init__(f"`{instance['id']}` is {known}")


def answer_of(reply: Msg) -> Any:
    """The body of an answer; raises `Refused` where it is a refusal."""
    status = wire.header(reply.headers, wire.SERVICE_ERROR_CODE)
    try:
        body = json.loads(reply.data) if reply.data else None
    except ValueError as error:
        if status is None:
            raise Protocol(f"the answer is no JSON: {error}") from error
        body = None
    if status is None:
        return body
    number = int(status) if re.fullmatch(r"\s*[0-9]{3}\s*", status) else 500
    if isinstance(body, dict) and ("detail" in body or "code" in body):
        raise Refused(Problem.of_json(body, number))
    words = wire.header(reply.headers, wire.SERVICE_ERROR) or ""
    raise Refused(Problem.of_status(number, words))
