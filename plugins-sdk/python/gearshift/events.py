"""Publishing events: stored when the function returns."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping

from nats.aio.client import Client as Nats
from nats.errors import NoRespondersError

from . import wire
from .errors import Problem, Protocol, Refused


async def store_event(
    nats: Nats, event_type: str, data: Any, headers: Mapping[str, str], timeout: float
) -> bool:
    """Publishes an event under the subject that is its type; false where nobody listens there."""
    sent: Dict[str, str] = {**headers, wire.CONTENT_TYPE: wire.JSON}
    try:
        body = wire.encode(data, False)
        stored = await nats.request(event_type, body, timeout=timeout, headers=sent)
    except NoRespondersError:
        return False
    try:
        acknowledgement = json.loads(stored.data)
    except ValueError:
        acknowledgement = None
    if isinstance(acknowledgement, dict) and "error" in acknowledgement:
        words = acknowledgement["error"].get("description", "")
        raise Refused(Problem.of_status(503, f"`{event_type}` was not stored: {words}"))
    if not isinstance(acknowledgement, dict) or "stream" not in acknowledgement:
        raise Protocol(f"somebody who is no stream answers on `{event_type}`")
    return True
