"""Bodies above the inline limit, which travel by the object store."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Tuple

import nats.errors
from nats.aio.client import Client as Nats
from nats.js.errors import NotFoundError

from . import wire
from .failure import Failure

#: The object store of bodies; the engine makes it.
STORE = "gearshift-bodies"
#: How long the store may take, in seconds.
PATIENCE = 30.0


async def read_input(client: Nats, body: bytes, packed: bool) -> Any:
    """The input: what was sent, or the object that it names. Raises `Failure`."""
    within("input", len(body), wire.BODY_BYTES_MAX)
    # Other stores are none of the caller's business: it is our login that reads.
    place = None if packed else wire.object_place(body)
    if place is None or place[0] != STORE:
        return wire.decode(body, packed)
    return wire.decode(await _asking(_get(client, place[1])), False)


async def write_output(client: Nats, output: Any, packed: bool) -> Tuple[bytes, str]:
    """The output as it travels, and its content type. Raises `Failure`."""
    body = wire.encode(output, packed)
    if len(body) <= wire.BODY_BYTES_MAX:
        return body, wire.MESSAGE_PACK if packed else wire.JSON
    # What names an object is JSON, and so is what it names.
    body = wire.encode(output, False) if packed else body
    within("output", len(body), wire.OBJECT_BYTES_MAX)
    digest = hashlib.sha256(body).hexdigest()
    await _asking(_put(client, digest, body))
    return wire.encode({"$object": f"{STORE}/{digest}"}, False), wire.JSON


def within(what: str, size: int, limit: int) -> None:
    """Refuses what may not travel."""
    if size > limit:
        message = f"{what} of {size} bytes exceeds the limit of {limit}"
        raise Failure.permanent(message, code=413)


async def _get(client: Nats, name: str) -> bytes:
    store = await client.jetstream().object_store(STORE)
    info = await store.get_info(name)
    within("input", info.size or 0, wire.OBJECT_BYTES_MAX)
    return bytes((await store.get(name)).data or b"")


async def _put(client: Nats, name: str, body: bytes) -> bytes:
    store = await client.jetstream().object_store(STORE)
    await store.put(name, body)
    return body


async def _asking(work: Any) -> bytes:
    try:
        body: bytes = await asyncio.wait_for(work, PATIENCE)
    except NotFoundError as error:
        raise Failure.permanent(f"not in the object store `{STORE}`", code=410) from error
    except (nats.errors.Error, asyncio.TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise Failure.retryable(f"object store `{STORE}`: {words}") from error
    return body
