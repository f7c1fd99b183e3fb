"""What asking has to do with NATS: subjects, notices, and what failures mean to the caller."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, Dict, Optional

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from . import wire
from .errors import BadArgument, GearshiftError, NotReached, OutcomeUnknown, Protocol, Unreachable
from .failure import Failure

_SUBJECT = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")

ENDED = {"done", "failed", "cancelled"}


class Errors:
    """What failures of the connection mean to the caller of a client."""

    def __init__(self, target: str, timeout: float) -> None:
        self.target = target
        self.timeout = timeout

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Optional[BaseException], trace: Any) -> None:
        if isinstance(error, GearshiftError):
            return
        if isinstance(error, Failure):
            # What an operation would fail with is here what the caller gave.
            words = str(error).partition(": ")[2]
            raise BadArgument(f"what is sent to `{self.target}` is no JSON: {words}") from error
        if isinstance(error, nats.errors.MaxPayloadError):
            raise BadArgument(f"what is sent to `{self.target}` is too large: {error}") from error
        if isinstance(error, nats.errors.NoRespondersError):
            raise Unreachable(f"no engine answers on `{self.target}`") from error
        if isinstance(error, asyncio.TimeoutError):
            raise OutcomeUnknown(f"no answer within {self.timeout:g} s") from error
        if isinstance(error, (nats.errors.Error, OSError)):
            raise Unreachable(f"`{self.target}` cannot be reached: {error}") from error


def check_subject(subject: str) -> None:
    """Raises `BadArgument` where nothing can be sent there."""
    if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
        words = "words with dots between them, without spaces, `*` and `>`, are needed"
        raise BadArgument(f"`{subject}` is no subject of NATS: {words}")


def read_notice(message: Msg) -> Dict[str, Any]:
    """What a notice says."""
    try:
        packed = wire.is_msgpack(wire.header(message.headers, wire.CONTENT_TYPE))
        notice = wire.decode(message.data, packed)
    except Failure as error:
        raise Protocol(f"a notice on `{message.subject}` cannot be read: {error}") from error
    if not isinstance(notice, dict):
        raise Protocol(f"a notice on `{message.subject}` is no object")
    return notice


def settled(instance: Dict[str, Any], until: str) -> bool:
    """Is the waiting over? Raises `NotReached` where it is in vain."""
    status = instance["status"]
    over = status in ENDED or status == "stuck"
    if until == "@quiescent":
        return over or not instance.get("calls")
    if until == "@end":
        reached = status in ENDED
    else:
        reached = until in instance["active"] or until in instance.get("within", [])
    if over and not reached:
        raise NotReached(instance)
    return reached


async def notice_of(watch: Subscription, key: str, timeout: float) -> None:
    """Returns at the next notice of this key, or when the time is up."""
    end = time.monotonic() + timeout
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return
        try:
            message = await watch.next_msg(timeout=left)
        except (asyncio.TimeoutError, nats.errors.Error):
            return
        try:
            if json.loads(message.data).get("key") == key:
                return
        except (ValueError, AttributeError):
            continue
