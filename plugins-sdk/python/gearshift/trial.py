"""A call in a test: who it is said to be, and what the operation told meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, List, Optional, Tuple

from . import checks, wire
from .context import Context
from .schema import to_json


class Trial(Context):
    """The context of a call in a test: `plugin.call("scan", value, context=Trial(attempt=3))`.

    `time_left` is how many seconds the answer counts; without end unless given.
    """

    def __init__(
        self,
        *,
        attempt: int = 1,
        call_id: str = "test-call",
        instance: str = "test/1",
        workflow: str = "test@1",
        step: str = "test",
        time_left: Optional[float] = None,
    ) -> None:
        checks.count("`attempt`", attempt)
        headers = {wire.ATTEMPT: str(attempt), wire.CALL_ID: call_id}
        named = {wire.INSTANCE: instance, wire.WORKFLOW: workflow, wire.STEP: step}
        headers.update({name: wire.ce_encode(value) for name, value in named.items()})
        if time_left is not None:
            checks.seconds("`time_left`", time_left)
            end = datetime.now(timezone.utc) + timedelta(seconds=time_left)
            headers[wire.DEADLINE] = end.isoformat()
        super().__init__(headers)
        #: The signs of life, in order: percent and note. All of them, also where a caller would
        #: hear some only.
        self.heartbeats: List[Tuple[Optional[float], str]] = []
        #: The events, in order: type and data, as JSON.
        self.events: List[Tuple[str, Any]] = []

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._cancel()

    def heartbeat(self, percent: Optional[float] = None, note: str = "") -> None:
        super().heartbeat(percent, note)
        self.heartbeats.append((percent, note))

    async def emit(self, event_type: str, data: Any, *, event_id: Optional[str] = None) -> None:
        await super().emit(event_type, data, event_id=event_id)
        self.events.append((event_type, to_json(data)))

    def emit_blocking(self, event_type: str, data: Any, *, event_id: Optional[str] = None) -> None:
        super().emit_blocking(event_type, data, event_id=event_id)
        self.events.append((event_type, to_json(data)))
