"""Bodies above the inline limit, which travel by the object store."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from typing import Any, Coroutine, Dict, NamedTuple, Set, Tuple

import nats.errors
from nats.aio.client import Client as Nats
from nats.js.errors import APIError, NotFoundError

from . import wire
from .connection import refusal
from .failure import Failure

#: The object store of bodies; the engine makes it.
STORE = "gearshift-bodies"
#: The stream in which it lies.
STREAM = f"OBJ_{STORE}"
#: Bytes of one part, as NATS' own clients cut them.
PART_BYTES = 128 * 1024
#: More parts than these are not read: whoever stores an object says how many there are.
PARTS_MAX = 8192
#: How the server is told that this message replaces the others of its subject.
ROLLUP = {"Nats-Rollup": "sub"}
#: How long the store may take, in seconds.
PATIENCE = 30.0


async def read_input(client: Nats, body: bytes, packed: bool) -> Any:
    """The input: what was sent, or the object that it names. Raises `Failure`."""
    # Inline it may be what the bus carries: whoever asks decides by all who may be asked.
    within("input", len(body), wire.OBJECT_BYTES_MAX)
    # Other stores are none of the caller's business: it is our login that reads.
    place = None if packed else wire.object_place(body)
    if place is None or place[0] != STORE:
        return wire.decode(body, packed)
    return wire.decode(await _asking(client, _get(client, place[1])), False)


async def write_output(client: Nats, output: Any, packed: bool) -> Tuple[bytes, str]:
    """The output as it travels, and its content type. Raises `Failure`."""
    body = wire.encode(output, packed)
    if len(body) <= wire.BODY_BYTES_MAX:
        return body, wire.MESSAGE_PACK if packed else wire.JSON
    # What names an object is JSON, and so is what it names.
    body = wire.encode(output, False) if packed else body
    within("output", len(body), wire.OBJECT_BYTES_MAX)
    digest = hashlib.sha256(body).hexdigest()
    await _asking(client, _put(client, digest, body))
    return wire.encode({"$object": f"{STORE}/{digest}"}, False), wire.JSON


def within(what: str, size: int, limit: int) -> None:
    """Refuses what may not travel."""
    if size > limit:
        message = f"{what} of {size} bytes exceeds the limit of {limit}"
        raise Failure.permanent(message, code=413)


async def _get(client: Nats, name: str) -> bytes:
    """Part by part, as messages of the stream: nobody needs the right to make consumers for it."""
    named = await _message(client, {"last_by_subj": _name_subject(name)})
    info = json.loads(named.body)
    if info.get("deleted"):
        raise NotFoundError(404)
    size = int(info.get("size") or 0)
    within("input", size, wire.OBJECT_BYTES_MAX)
    body, after = bytearray(), 0
    for _ in range(min(int(info.get("chunks") or 0), PARTS_MAX)):
        wanted = {"seq": after + 1, "next_by_subj": f"$O.{STORE}.C.{info.get('nuid')}"}
        part = await _message(client, wanted)
        after = part.sequence
        body += part.body
        if len(body) >= size:
            break
    if hashlib.sha256(body).hexdigest() != name:
        raise Failure.retryable(f"object `{name}` in `{STORE}` is damaged")
    return bytes(body)


async def _put(client: Nats, name: str, body: bytes) -> bytes:
    """Stores the parts, then the name that tells of them."""
    stream = client.jetstream()
    if await _renew(client, name):
        return body
    number = secrets.token_hex(16)
    for begin in range(0, len(body), PART_BYTES):
        part = body[begin : begin + PART_BYTES]
        await stream.publish(f"$O.{STORE}.C.{number}", part, stream=STREAM)
    info = {
        "name": name,
        "bucket": STORE,
        "nuid": number,
        "size": len(body),
        "chunks": -(-len(body) // PART_BYTES),
        "digest": f"SHA-256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode()}",
        "options": {"max_chunk_size": PART_BYTES},
    }
    told = json.dumps(info).encode()
    await stream.publish(_name_subject(name), told, stream=STREAM, headers=dict(ROLLUP))
    return body


async def _renew(client: Nats, name: str) -> bool:
    """Stores the name of what is whole once more: what is old is removed."""
    subject = _name_subject(name)
    try:
        named = await _message(client, {"last_by_subj": subject})
        await _get(client, name)
        same = {**ROLLUP, "Nats-Expected-Last-Subject-Sequence": str(named.sequence)}
        await client.jetstream().publish(subject, named.body, stream=STREAM, headers=same)
    except (Failure, APIError):
        return False
    return True


def _name_subject(name: str) -> str:
    return f"$O.{STORE}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"


class _Message(NamedTuple):
    sequence: int
    body: bytes


async def _message(client: Nats, wanted: Dict[str, Any]) -> _Message:
    """One message of the store; raises `NotFoundError` where it is not there."""
    request = json.dumps(wanted).encode()
    answer = await client.request(f"$JS.API.STREAM.MSG.GET.{STREAM}", request, timeout=PATIENCE)
    told = json.loads(answer.data)
    error = told.get("error")
    if error:
        kind = NotFoundError if error.get("code") == 404 else APIError
        raise kind(error.get("code"), error.get("description"), error.get("err_code"))
    message = told["message"]
    return _Message(int(message["seq"]), base64.b64decode(message.get("data") or ""))


async def _asking(client: Nats, work: Coroutine[Any, Any, bytes]) -> bytes:
    """What the store says, at most so late; a login that may not use it is told so at once."""
    asking = asyncio.ensure_future(work)
    try:
        with refusal(client, f"{STREAM}", f'"$O.{STORE}.') as refused:
            both: Set[asyncio.Future[Any]] = {asking, refused}
            await asyncio.wait(both, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            if refused.done():
                # It will not be let do so another time.
                words = f"this login may not use the object store `{STORE}`: {refused.result()}"
                raise Failure.permanent(words, code=413)
            raise asyncio.TimeoutError
    except NotFoundError as error:
        # Whoever asks again stores it again.
        raise Failure.retryable(f"not in the object store `{STORE}`", code=410) from error
    except (nats.errors.Error, asyncio.TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise Failure.retryable(f"object store `{STORE}`: {words}") from error
    finally:
        asking.cancel()
