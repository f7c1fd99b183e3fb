"""A NATS micro service (ADR-32): what it answers to those who look around."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Tuple

from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from . import wire

#: States in which an instance is found without its operations.
HIDDEN = ("initializing", "deactivating")


@dataclass
class Endpoint:
    """One endpoint and its counts."""

    name: str
    subject: str
    metadata: Dict[str, str]
    requests: int = 0
    errors: int = 0
    nanoseconds: int = 0
    last_error: str = ""

    def count(self, nanoseconds: int, error: str) -> None:
        """One more request was answered."""
        self.requests += 1
        self.nanoseconds += nanoseconds
        if error:
            self.errors += 1
            self.last_error = error

    def info(self) -> Dict[str, Any]:
        """What `$SRV.INFO` tells."""
        return {**self._named(), "metadata": self.metadata}

    def stats(self, data: Dict[str, Any]) -> Dict[str, Any]:
        """What `$SRV.STATS` tells."""
        mean = self.nanoseconds // self.requests if self.requests else 0
        return {
            **self._named(),
            "num_requests": self.requests,
            "num_errors": self.errors,
            "last_error": self.last_error,
            "processing_time": self.nanoseconds,
            "average_processing_time": mean,
            "data": data,
        }

    def _named(self) -> Dict[str, Any]:
        group = wire.PLUGIN_GROUP
        return {"name": self.name, "subject": self.subject, "queue_group": group}


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Service:
    """The answers to `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`."""

    def __init__(
        self,
        nats: Nats,
        name: str,
        version: str,
        metadata: Dict[str, str],
        endpoints: List[Endpoint],
        status: Callable[[], Dict[str, Any]],
    ) -> None:
        self.id = nats.new_inbox().rsplit(".", 1)[-1]
        self._nats = nats
        self._same: Dict[str, Any] = {
            "name": name,
            "id": self.id,
            "version": version,
            "metadata": metadata,
        }
        self._endpoints = endpoints
        self._status = status
        self._started = _now()
        self._since: Tuple[str, str] = ("initializing", self._started)
        self._subscriptions: List[Subscription] = []

    async def start(self) -> None:
        """Answers from when this returns."""
        for verb, answer in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for tail in ("", f".{self._same['name']}", f".{self._same['name']}.{self.id}"):
                subject = f"$SRV.{verb}{tail}"
                self._subscriptions.append(
                    await self._nats.subscribe(subject, cb=self._answering(answer))
                )

    async def stop(self) -> None:
        """Is not found any more."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions = []

    def _answering(self, answer: Callable[[], Dict[str, Any]]) -> Callable[[Msg], Any]:
        async def reply(message: Msg) -> None:
            if message.reply:
                await self._nats.publish(message.reply, json.dumps(answer()).encode())

        return reply

    def _told(self) -> Dict[str, Any]:
        """Who it is; one that takes no calls yet, or no more, says so."""
        state = self._status()["state"]
        if state not in HIDDEN:
            return self._same
        told = {"gearshift.state": state, "gearshift.since": self.since(state)}
        return {**self._same, "metadata": {**self._same["metadata"], **told}}

    def since(self, state: str) -> str:
        """Since when it is in this state, which it is now."""
        if self._since[0] != state:
            self._since = (state, _now())
        return self._since[1]

    def _ping(self) -> Dict[str, Any]:
        return {"type": "io.nats.micro.v1.ping_response", **self._told()}

    def _info(self) -> Dict[str, Any]:
        told = self._told()
        serves = told is self._same
        endpoints = [one.info() for one in self._endpoints] if serves else []
        kind = "io.nats.micro.v1.info_response"
        return {"type": kind, **told, "description": "", "endpoints": endpoints}

    def _stats(self) -> Dict[str, Any]:
        data = self._status()
        endpoints = [one.stats(data) for one in self._endpoints]
        kind = "io.nats.micro.v1.stats_response"
        return {"type": kind, **self._same, "started": self._started, "endpoints": endpoints}
