"""What a plugin requires of others: looked for at the start, and again while it runs."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Dict, List

import nats.errors
from nats.aio.client import Client as Nats

from .versions import Requirement

log = logging.getLogger("gearshift")

#: Once this long nothing more came, everybody has answered; the longest wait altogether.
STALL, ROUND = 0.15, 1.0
#: Waits between looks at the start: doubled from the first to the last.
LOOKS = (0.1, 2.0)
#: How often it is looked again while nothing is missing, and while something is.
AGAIN = (30.0, 3.0)

#: Told of a state and of what is missing.
Tell = Callable[[str, List[str]], Awaitable[None]]


@dataclass(frozen=True)
class Required:
    """Another plugin that this one needs."""

    plugin: str
    version: str
    optional: bool

    def __str__(self) -> str:
        return f"{self.plugin} {self.version}"

    def told(self) -> Dict[str, Any]:
        """As the metadata tells it."""
        return {"plugin": self.plugin, "version": self.version, "optional": self.optional}


async def discover(client: Nats) -> List[Dict[str, Any]]:
    """The plugins that answer, as `$SRV.INFO` tells them."""
    inbox = client.new_inbox()
    answers = await client.subscribe(inbox)
    found: List[Dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    end = loop.time() + ROUND
    until = end
    try:
        await client.publish("$SRV.INFO", b"", reply=inbox)
        while loop.time() < until:
            try:
                answer = await answers.next_msg(timeout=until - loop.time())
            except asyncio.TimeoutError:
                break
            until = min(end, loop.time() + STALL)
            try:
                info = json.loads(answer.data)
                metadata = info["metadata"]
                # One that is shown but takes no calls is not there.
                if metadata.get("gearshift.plugin") == "1" and "gearshift.state" not in metadata:
                    found.append({"name": info["name"], "version": info["version"]})
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
    finally:
        await answers.unsubscribe()
    return found


async def missing(client: Nats, required: List[Required]) -> List[Required]:
    """Those that nobody on the bus satisfies."""
    plugins = await discover(client)

    def is_there(one: Required) -> bool:
        wanted = Requirement(one.version)
        return any(p["name"] == one.plugin and wanted.accepts(p["version"]) for p in plugins)

    return [one for one in required if not is_there(one)]


async def wait(client: Nats, required: List[Required], patience: float, tell: Tell) -> List[str]:
    """Waits until all that is required is there, at most this long; what is missing then."""
    if not required:
        return []
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    pause, said = LOOKS[0], False
    while True:
        found = await missing(client, required)
        names = [str(one) for one in found if not one.optional]
        if not names or loop.time() >= end:
            optional = [str(one) for one in found if one.optional]
            if optional:
                log.info("optional plugins are not there: %s", ", ".join(optional))
            return names
        await tell("initializing", names)
        if not said:
            log.warning("waiting for required plugins: %s", ", ".join(names))
            said = True
        await asyncio.sleep(max(0.0, min(pause, end - loop.time())))
        pause = min(pause * 2, LOOKS[1])


async def watch(
    client: Nats, required: List[Required], degraded: bool, tell: Tell, is_over: Callable[[], bool]
) -> None:
    """Looks again and again, and says what changed, until it is over."""
    while not is_over():
        await asyncio.sleep(AGAIN[1] if degraded else AGAIN[0])
        try:
            found = await missing(client, required)
        except (nats.errors.Error, OSError) as error:
            # Whoever was not heard is not gone.
            log.debug("required plugins could not be looked for: %s", error)
            if client.is_closed:
                return
            continue
        # Waiting for a message may swallow a cancellation.
        if is_over():
            return
        names = [str(one) for one in found if not one.optional]
        if bool(names) != degraded:
            degraded = bool(names)
            if degraded:
                log.warning("required plugins are gone: %s", ", ".join(names))
            else:
                log.info("all required plugins are there again")
        await tell("degraded" if degraded else "active", names)
