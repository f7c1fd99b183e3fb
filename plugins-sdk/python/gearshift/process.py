"""A plugin as a process: connect, serve, drain at the first signal."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any, List, Optional

import nats.errors
from nats.aio.client import Client as Nats

from .connection import Complaints, Options, connect, explain
from .health import open_door

if TYPE_CHECKING:
    from .plugin import Plugin
    from .running import Running

log = logging.getLogger("gearshift")

#: The state before it is served.
STARTS = "initializing"


class _Ends:
    """What ends the process: a signal, a second one, or a server that refuses our calls."""

    def __init__(self, plugin: Plugin) -> None:
        self.signals = 0
        self.told = asyncio.Event()
        self.refused: Optional[str] = None
        self.running: Optional[Running] = None
        self._complaints = Complaints()
        self._own = f"gearshift.plugin.{plugin.name}."

    def signal(self) -> None:
        self.signals += 1
        if self.signals > 1:
            log.error("ended by a second signal before all calls were answered")
            os._exit(1)
        self.told.set()

    async def complain(self, error: Exception) -> None:
        words = str(error)
        if "permissions violation for subscription" in words.lower() and self._own in words:
            self.refused = words
            self.told.set()
        else:
            self._complaints.tell(error)


async def run_process(plugin: Plugin, options: Optional[Options]) -> int:
    """The exit code of the process."""
    ends = _Ends(plugin)
    address = os.environ.get("GEARSHIFT_HEALTH")
    if address:
        try:
            door = await open_door(address, lambda: ends.running.state if ends.running else STARTS)
        except (ValueError, OSError) as error:
            log.error("health cannot be told: %s", error)
            return 1
        log.info("health is told at `/livez` and `/readyz` address=%s", address)
        async with door:
            return await _run(plugin, options, ends)
    return await _run(plugin, options, ends)


async def _run(plugin: Plugin, options: Optional[Options], ends: _Ends) -> int:
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        # Windows has none; there an interrupt is an exception.
        with suppress(NotImplementedError):
            loop.add_signal_handler(one, ends.signal)
    name = f"plugin {plugin.name} {plugin.version}"
    connecting = asyncio.ensure_future(connect(name, options, error_cb=ends.complain))
    if not await _before(connecting, ends.told):
        return 0
    try:
        client = connecting.result()
    except Exception as error:
        log.error("no way to the NATS server: %s", explain(error, options))
        return 1
    return await _serve(plugin, client, ends)


async def _serve(plugin: Plugin, client: Nats, ends: _Ends) -> int:
    serving = asyncio.ensure_future(plugin.serve(client))
    if await _before(serving, ends.told):
        try:
            running = ends.running = serving.result()
        except Exception:
            log.exception("the plugin cannot be served")
            await _close(client)
            return 1
        if ends.refused is None:
            log.info("plugin answers calls name=%s version=%s", plugin.name, plugin.version)
        await ends.told.wait()
    elif ends.refused is None:
        await _close(client)
        return 0
    if ends.refused is not None:
        log.error("the server does not let this login hear its calls: %s", ends.refused)
        await _close(client)
        return 1
    log.info("plugin ends once its calls are answered name=%s", plugin.name)
    await running.drain()
    await _close(client)
    return 0


async def _close(client: Nats) -> None:
    """Closes the connection; the server may be away, which changes nothing any more."""
    with suppress(nats.errors.Error, OSError):
        await client.close()


async def _before(work: asyncio.Future[Any], end: asyncio.Event) -> bool:
    """Was the work done before the end was told? Else it is cancelled."""
    ending = asyncio.ensure_future(end.wait())
    pending: List[asyncio.Future[Any]] = [work, ending]
    await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if work.done():
        return True
    work.cancel()
    await asyncio.wait([work])
    return False
