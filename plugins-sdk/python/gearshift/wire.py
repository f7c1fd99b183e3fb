"""Protocol v1 as bytes: headers, subjects, encodings. Nothing here waits or connects."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Mapping, Optional, Tuple

import msgpack

from .base import BadArgument
from .failure import Failure

CALL_ID = "Gearshift-Call-Id"
ATTEMPT = "Gearshift-Attempt"
DEADLINE = "Gearshift-Deadline"
WORKFLOW = "Gearshift-Workflow"
INSTANCE = "Gearshift-Instance"
STEP = "Gearshift-Step"
PURPOSE = "Gearshift-Purpose"
ERROR_KIND = "Gearshift-Error-Kind"
RETRY_AFTER = "Gearshift-Retry-After"
PENDING = "Gearshift-Pending"
HEARTBEAT = "Gearshift-Heartbeat"
RESULT_TO = "Gearshift-Result-To"
LOAD = "Gearshift-Load"
WAIT_FOR = "Gearshift-Wait-For"
#: A queue is full, with its limit.
FULL = "Gearshift-Full"
TIMEOUT_MS = "Gearshift-Timeout-Ms"
USER = "Gearshift-User"
MESSAGE_ID = "Nats-Msg-Id"
SERVICE_ERROR_CODE = "Nats-Service-Error-Code"
SERVICE_ERROR = "Nats-Service-Error"
CONTENT_TYPE = "Content-Type"

JSON = "application/json"
MESSAGE_PACK = "application/msgpack"

#: The queue group all plugins serve in.
PLUGIN_GROUP = "q"
#: Largest input or output that travels inline, in bytes.
BODY_BYTES_MAX = 64 * 1024
#: Largest input or output that travels by the object store, in bytes.
OBJECT_BYTES_MAX = 8 * 1024 * 1024
MESSAGE_BYTES_MAX = 1024
CODE_BYTES_MAX = 64
NOTE_BYTES_MAX = 256

Headers = Mapping[str, str]


def header(headers: Optional[Headers], name: str) -> Optional[str]:
    """One header by its name, in any case."""
    if not headers:
        return None
    exact = headers.get(name)
    if exact is not None:
        return exact
    lower = name.lower()
    return next((value for key, value in headers.items() if key.lower() == lower), None)


def is_name(text: str) -> bool:
    """Can this be a plugin's or an operation's name?"""
    return isinstance(text, str) and re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None


_NUMBER = r"(0|[1-9][0-9]*)"
_PRE = r"(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)


def major_of(version: str) -> int:
    """The major version; raises `BadArgument` where the version is none."""
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    if found is None:
        raise BadArgument(f"`{version}` is not a version such as `1.2.0`")
    return int(found.group(1))


def operation_subject(name: str, major: int, operation: str) -> str:
    """Where an operation is asked."""
    return f"gearshift.plugin.{name}.v{major}.{operation}"


def escape(text: str) -> str:
    """Any text as one legal subject token."""
    if not text:
        return "="
    plain = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_@")
    return "".join(chr(byte) if byte in plain else f"={byte:02X}" for byte in text.encode())


def ce_encode(text: str) -> str:
    """A header value as the binding of CloudEvents writes it."""
    kept = (0x21 <= byte <= 0x7E and byte not in b'"%' for byte in text.encode())
    return "".join(chr(b) if k else f"%{b:02X}" for b, k in zip(text.encode(), kept))


def ce_decode(value: str) -> str:
    """Takes `ce_encode` back; a `%` that starts no byte stays as it is."""
    raw = value.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found.group(1), 16)]), raw)
    return raw.decode("utf-8", "replace")


def one_line(text: str, limit: int) -> str:
    """The text without control characters, cut to `limit` bytes with `…` at the end."""
    line = "".join(" " if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in text).strip()
    raw = line.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[: limit - len("…".encode())].decode("utf-8", "ignore") + "…"


def format_duration(seconds: float) -> str:
    """Seconds as the shortest of `30s` and `1500ms`."""
    millis = max(0, round(seconds * 1000))
    return f"{millis // 1000}s" if millis % 1000 == 0 else f"{millis}ms"


def is_msgpack(content_type: Optional[str]) -> bool:
    """Which of the two encodings a content type names; raises `Failure` for a third one."""
    media = (content_type or "").split(";")[0].strip().lower()
    if media in (MESSAGE_PACK, "application/x-msgpack", "application/vnd.msgpack"):
        return True
    if media == "" or media.endswith("/json") or media.endswith("+json"):
        return False
    message = f"content type `{content_type}` is neither `{JSON}` nor `{MESSAGE_PACK}`"
    raise Failure.permanent(message, code=415)


def decode(body: bytes, msgpacked: bool) -> Any:
    """Reads a body; an empty JSON body reads as `None`. Raises `Failure`."""
    try:
        if msgpacked:
            return msgpack.unpackb(body, raw=False, strict_map_key=True)
        return json.loads(body, parse_constant=_no_number) if body else None
    except (ValueError, RecursionError, msgpack.UnpackException) as error:
        kind = "MessagePack" if msgpacked else "JSON"
        words = f"the body is no {kind}: {str(error) or type(error).__name__}"
        raise Failure.permanent(f"invalid_input: {words}", code=400) from error


def _no_number(name: str) -> Any:
    raise ValueError(f"`{name}` is nothing that JSON has")


def encode(value: Any, msgpacked: bool) -> bytes:
    """Writes a body. Raises `Failure` where the value has no such form."""
    try:
        if msgpacked:
            packed = msgpack.packb(value, use_bin_type=True)
            assert isinstance(packed, bytes)
            return packed
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Failure.permanent(f"invalid_output: {error}", code=500) from error


def failure_headers(failure: Failure) -> Dict[str, str]:
    """The headers of a reply that says how an attempt failed."""
    headers = {
        SERVICE_ERROR_CODE: one_line(failure.code, CODE_BYTES_MAX) or "500",
        SERVICE_ERROR: one_line(failure.message, MESSAGE_BYTES_MAX),
        ERROR_KIND: failure.kind,
        CONTENT_TYPE: JSON,
    }
    if failure.retry_after is not None:
        headers[RETRY_AFTER] = format_duration(failure.retry_after)
    return headers


def object_place(body: bytes) -> Optional[Tuple[str, str]]:
    """Bucket and name where a JSON body stands for an object, else `None`."""
    if len(body) > 512 or b"$object" not in body:
        return None
    try:
        value = json.loads(body)
    except ValueError:
        return None
    if not isinstance(value, dict) or list(value) != ["$object"]:
        return None
    found = re.fullmatch(r"([A-Za-z0-9_-]{1,128})/([A-Za-z0-9_.-]{1,128})", str(value["$object"]))
    return (found.group(1), found.group(2)) if found else None
