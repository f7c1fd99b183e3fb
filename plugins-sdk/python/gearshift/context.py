"""What an operation knows of the call it answers, and what it may do meanwhile."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Optional, Tuple

from nats.aio.client import Client as Nats

from . import checks, wire
from .asking import check_subject
from .base import BadArgument
from .events import store_event
from .failure import Failure
from .schema import to_json

#: How long an event may take to be stored, in seconds.
EMIT_TIMEOUT = 10.0
#: Signs of life of one call that follow each other quicker are kept back: the next one tells.
BEAT_SPACING = 0.2


class Context:
    """One attempt of one call. Texts are empty where the caller gave none, as in calls by hand."""

    def __init__(self, headers: Optional[wire.Headers] = None) -> None:
        def text(name: str) -> str:
            return wire.ce_decode(wire.header(headers, name) or "")

        #: The calling instance, `workflow/key`.
        self.instance = text(wire.INSTANCE)
        #: The calling definition, `name@version`.
        self.workflow = text(wire.WORKFLOW)
        #: The step that makes the call or is taken back by it, `finally`, or the state.
        self.step = text(wire.STEP)
        #: `undo`: it takes back what a call of the step did; `finally`: it cleans up behind all
        #: steps; empty: it is the work itself.
        self.purpose = wire.header(headers, wire.PURPOSE) or ""
        #: The same for all attempts of the call: the idempotency key.
        self.call_id = wire.header(headers, wire.CALL_ID) or ""
        attempt = wire.header(headers, wire.ATTEMPT) or ""
        #: The attempt, counted from 1.
        self.attempt = int(attempt) if re.fullmatch(r"[1-9][0-9]{0,9}", attempt) else 1
        #: The latest time an answer counts.
        self.deadline = _moment(wire.header(headers, wire.DEADLINE))
        #: W3C trace context.
        self.traceparent = wire.header(headers, "traceparent")
        self.tracestate = wire.header(headers, "tracestate")
        self.result_to = wire.header(headers, wire.RESULT_TO)
        #: The last sign of life, which those in between repeat.
        self._progress: Tuple[Optional[float], str] = (None, "")
        self._beaten = float("-inf")
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._nats: Optional[Nats] = None
        self._source = ""
        self._beat: Callable[[Context], None] = lambda context: None
        self._gone = False
        #: Has it its place among the calls that are answered at once?
        self._begun = False
        self._over: Optional[asyncio.TimerHandle] = None
        self._told: Optional[asyncio.Event] = None
        self._emitted = 0

    def remaining(self) -> Optional[float]:
        """Seconds until the deadline; `None` where there is none."""
        if self.deadline is None:
            return None
        return (self.deadline - datetime.now(timezone.utc)).total_seconds()

    def is_over(self) -> bool:
        """Is the deadline behind us?"""
        left = self.remaining()
        return left is not None and left <= 0

    def cancelled(self) -> bool:
        """Does nobody wait for the answer any more? It may get lost, so it may stay `False`."""
        return self._gone

    async def wait_cancelled(self) -> None:
        """Returns once `cancelled()` is true."""
        if self._told is None:
            self._told = asyncio.Event()
        if not self._gone:
            await self._told.wait()

    def heartbeat(self, percent: Optional[float] = None, note: str = "") -> None:
        """Tells how far the work is; `gearshift show` and `watch` print it.

        May be called from any thread, and never waits. Of many in a row only some are sent.
        """
        if percent is not None:
            checks.number("`percent`", percent)
        if not isinstance(note, str):
            raise BadArgument(f"`note` is a text, not `{note!r}`")
        self._progress = (percent, note)
        now = time.monotonic()
        if self._loop is not None and now - self._beaten >= BEAT_SPACING:
            self._beaten = now
            self._loop.call_soon_threadsafe(self._beat, self)

    async def emit(self, event_type: str, data: Any, *, event_id: Optional[str] = None) -> None:
        """Publishes an event; it is stored when this returns, unless nobody listens to its type.

        Without an id of its own it has one made of the call and its place among the events of
        this attempt, so that what another attempt emits again is recognized: emit in the same
        order each time.
        """
        told = _event(event_type, data, event_id)
        self._emitted += 1
        if self._nats is not None:
            headers = self._event_headers(event_id)
            await store_event(self._nats, event_type, told, headers, EMIT_TIMEOUT)

    def emit_blocking(self, event_type: str, data: Any, *, event_id: Optional[str] = None) -> None:
        """`emit` for operations that are no coroutines."""
        _event(event_type, data, event_id)
        if self._loop is None:
            self._emitted += 1
            return
        emitted = self.emit(event_type, data, event_id=event_id)
        asyncio.run_coroutine_threadsafe(emitted, self._loop).result()

    def _event_headers(self, event_id: Optional[str]) -> Dict[str, str]:
        if event_id is None and self.call_id:
            event_id = f"{self.call_id}.{self._emitted}"
        headers = {}
        if event_id:
            name = wire.ce_encode(event_id)
            headers = {wire.MESSAGE_ID: name, "ce-id": name}
            headers.update({"ce-specversion": "1.0", "ce-source": wire.ce_encode(self._source)})
        for key, value in (("traceparent", self.traceparent), ("tracestate", self.tracestate)):
            if value:
                headers[key] = value
        return headers

    def _cancel(self) -> None:
        self._gone = True
        if self._told is not None:
            self._told.set()


def _event(event_type: str, data: Any, event_id: Optional[str]) -> Any:
    """Its data as JSON; raises where it cannot be published."""
    check_subject(event_type)
    if event_id is not None:
        checks.text("`event_id`", event_id)
    if event_type.startswith(("gearshift.", "$")):
        raise Failure.permanent(f"`{event_type}` is no type of an event", code=500)
    try:
        return to_json(data)
    except (ValueError, RecursionError) as error:
        words = f"invalid_output: of event `{event_type}` {error}"
        raise Failure.permanent(words, code=500) from error


def _moment(text: Optional[str]) -> Optional[datetime]:
    """Reads RFC 3339; Python before 3.11 knows neither `Z` nor more than six digits."""
    if not text:
        return None
    whole, dot, rest = text.strip().replace("Z", "+00:00").partition(".")
    if dot:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole = f"{whole}.{digits[:6]:0<6}{rest[len(digits) :]}"
    try:
        moment = datetime.fromisoformat(whole)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
