"""Work whose result follows later: signs of life meanwhile, and a result that is not lost."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager, suppress
from typing import Any, AsyncIterator, Callable, Dict, Tuple

import nats.errors
from nats.aio.client import Client as Nats

from . import wire
from .context import Context

log = logging.getLogger("gearshift")

#: Waits between attempts to store a result: doubled from the first to the last, in seconds.
WAITS = (0.25, 4.0)
#: How long one attempt to store it may take, in seconds.
STORE_TIMEOUT = 5.0
#: How long a result is tried to be stored whose caller set no deadline, in seconds.
PATIENCE = 3600.0


async def heartbeat(client: Nats, context: Context) -> None:
    """Publishes the last progress told as a sign of life; one that is lost is not missed."""
    percent, note = context._progress
    told: Dict[str, Any] = {"attempt": context.attempt}
    if percent is not None:
        told["percent"] = max(0, min(100, round(percent)))
    if note:
        told["note"] = wire.one_line(note, wire.NOTE_BYTES_MAX)
    subject = f"gearshift.heartbeat.{context.call_id}"
    # Of a call that promised nothing, the engine knows by the instance whose progress it is.
    headers = {wire.INSTANCE: wire.ce_encode(context.instance)} if context.instance else None
    try:
        await client.publish(subject, json.dumps(told).encode(), headers=headers)
    except nats.errors.Error as error:
        log.debug("a sign of life was not sent: %s", error)


@asynccontextmanager
async def beat_until_done(
    context: Context, beat: Callable[[Context], None], interval: float
) -> AsyncIterator[None]:
    """Gives a sign of life three times per interval, so that one may be lost or late.

    After the deadline nobody waits any more, and the call is told so.
    """

    async def beat_on() -> None:
        while not context.cancelled():
            await asyncio.sleep(interval / 3)
            beat(context)

    beating = asyncio.ensure_future(beat_on())
    left = context.remaining()
    loop = asyncio.get_running_loop()
    ending = None if left is None else loop.call_later(max(left, 0), context._cancel)
    try:
        yield
    finally:
        beating.cancel()
        if ending is not None:
            ending.cancel()


async def publish_result(
    client: Nats, context: Context, answer: Tuple[bytes, Dict[str, str]]
) -> None:
    """Stores the result where the engine finds it, however long that takes until the deadline.

    After it, and where the call was cancelled, one attempt is made: the engine then keeps what it
    did not wait for.
    """
    body, headers = answer
    sent = {
        **headers,
        wire.CALL_ID: context.call_id,
        wire.ATTEMPT: str(context.attempt),
        wire.INSTANCE: wire.ce_encode(context.instance),
    }
    if context.call_id:
        sent[wire.MESSAGE_ID] = f"{context.call_id}.{context.attempt}"
    end = time.monotonic() + PATIENCE
    wait = WAITS[0]
    while True:
        try:
            stream = client.jetstream(timeout=STORE_TIMEOUT)
            await stream.publish(context.result_to or "", body, headers=sent)
            return
        except (nats.errors.Error, asyncio.TimeoutError, OSError) as error:
            reason = error
        if context.cancelled() or client.is_closed or time.monotonic() >= end:
            log.warning("the result of `%s` was not published: %s", context.call_id, reason)
            return
        log.info("the result of `%s` is not published yet: %s", context.call_id, reason)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(context.wait_cancelled(), wait)
        wait = min(wait * 2, WAITS[1])
