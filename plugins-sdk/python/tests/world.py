"""A nats-server of our own, and an engine, for tests.

NATS_SERVER_BIN and GEARSHIFT_TEST_BIN name the programs.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional

import nats
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg

from gearshift.connection import settle

#: Longer than anything takes that ends at all.
PATIENCE = 60.0


def program(variable: str) -> str:
    named = os.environ.get(variable)
    if not named:
        raise RuntimeError(f"{variable} names no program; `tests/run` sets it")
    return named


class Server:
    """A private nats-server with JetStream on a free port, ended with `stop`."""

    def __init__(self, config: str = "", port: int = -1) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gearshift-py-")
        folder = Path(self._folder.name)
        (folder / "server.conf").write_text(config)
        arguments = ["-c", str(folder / "server.conf"), "-a", "127.0.0.1", "-p", str(port), "-js"]
        arguments += ["-sd", str(folder / "js"), "--ports_file_dir", str(folder)]
        self._log = (folder / "log").open("wb")
        self._arguments = arguments
        self.url = self._begin(folder)

    def _begin(self, folder: Path) -> str:
        self._process = subprocess.Popen(
            [program("NATS_SERVER_BIN"), *self._arguments], stdout=self._log, stderr=self._log
        )
        return self._ready(folder)

    def kill(self) -> None:
        """What it has stored stays."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """On its port, with what it has stored."""
        folder = Path(self._folder.name)
        for ports in folder.glob("*.ports"):
            ports.unlink()
        port = self._arguments.index("-p") + 1
        self._arguments[port] = self.url.rsplit(":", 1)[1]
        self._begin(folder)

    def _ready(self, folder: Path) -> str:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for ports in folder.glob("*.ports"):
                try:
                    told = json.loads(ports.read_text())["nats"]
                except (ValueError, KeyError, IndexError):
                    continue  # It is being written.
                return str(told[0])
            if self._process.poll() is not None:
                break
            time.sleep(0.01)
        raise RuntimeError(f"nats-server did not start: {(folder / 'log').read_text()}")

    def stop(self) -> None:
        self.kill()
        self._log.close()
        self._folder.cleanup()


class Engine:
    """A gearshift engine on a server, with definitions from a text, ended with `stop`."""

    def __init__(self, server: Server, definitions: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="gearshift-py-")
        folder = Path(self._folder.name)
        (folder / "test.workflow.yaml").write_text(definitions)
        arguments = ["serve", "--no-wait", "-q", "--nats", server.url, str(folder)]
        self._process = subprocess.Popen(
            [program("GEARSHIFT_TEST_BIN"), *arguments], stdout=subprocess.PIPE, cwd=folder
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the engine ended before it was ready")

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


async def until(look: Callable[[], Any], what: str) -> Any:
    """Looks until there is something true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"in vain: {what}")


class OnServer(unittest.IsolatedAsyncioTestCase):
    """Tests on one server per class; each has two connections: a plugin's and a caller's."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self) -> None:
        self.nats: Nats = await nats.connect(self.server.url)
        self.caller: Nats = await nats.connect(self.server.url)
        self.addAsyncCleanup(self.nats.close)
        self.addAsyncCleanup(self.caller.close)

    async def serve(self, plugin: Any) -> Any:
        """Serves a plugin until the end of the test."""
        running = await plugin.serve(self.nats)

        async def end() -> None:
            if running.state != "stopped":
                await running.drain()

        self.addAsyncCleanup(end)
        return running

    async def call(self, subject: str, body: Any, headers: Optional[Dict[str, str]] = None) -> Msg:
        """Asks as the engine does."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.caller.request(subject, payload, timeout=PATIENCE, headers=headers)

    async def heard(self, subject: str) -> List[Any]:
        """What is published on a subject from now on, as it comes."""
        messages: List[Any] = []

        async def keep(message: Msg) -> None:
            messages.append(json.loads(message.data))

        await self.caller.subscribe(subject, cb=keep)
        await settle(self.caller)
        return messages
