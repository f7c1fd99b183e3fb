"""A plugin as a process of its own: the environment, signals, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import nats
from nats.errors import Error
from world import PATIENCE, OnServer, Server, program, until

PACKAGE = Path(__file__).parent.parent

PLUGIN = """
import asyncio
from gearshift import Context, Plugin

plugin = Plugin("echo", "3.0.0")

@plugin.operation()
async def say(context: Context, value: str) -> str:
    if value == "late":
        print("working", flush=True)
        await asyncio.sleep(0.5)
    if value == "never":
        print("working", flush=True)
        await asyncio.Event().wait()
    return value

plugin.run()
"""


class Process(OnServer):
    async def start(self, source: str = PLUGIN, **environment: str) -> asyncio.subprocess.Process:
        known = {key: value for key, value in os.environ.items() if "NATS" not in key}
        known.update({"PYTHONPATH": str(PACKAGE), "NATS_URL": self.server.url, **environment})
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", source, env=known, stdout=pipe, stderr=pipe
        )

        async def end() -> None:
            if process.returncode is None:
                process.kill()
            await process.communicate()

        self.addAsyncCleanup(end)
        return process

    async def says(self, process: asyncio.subprocess.Process, words: str) -> str:
        """The line of its log that has these words."""
        assert process.stderr is not None
        while True:
            line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode()
            self.assertTrue(line, f"it ended without `{words}`")
            if words in line:
                return line

    async def ask(self, value: str, client: Optional[Any] = None) -> Any:
        asked = (client or self.caller).request(
            "gearshift.plugin.echo.v3.say", json.dumps(value).encode(), timeout=PATIENCE
        )
        return json.loads((await asked).data)

    async def works(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
        self.assertEqual(line, b"working\n")


class Signals(Process):
    async def test_it_answers_what_it_has_taken_and_ends_with_0(self) -> None:
        process = await self.start()
        line = await self.says(process, "plugin answers calls")
        self.assertIn("name=echo version=3.0.0", line)
        self.assertEqual(await self.ask("a"), "a")
        late = asyncio.ensure_future(self.ask("late"))
        await self.works(process)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(await late, "late")
        await self.says(process, "plugin ends once its calls are answered")
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 0)

    async def test_health_is_told_from_the_start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        async def ask(path: str) -> Tuple[int, str]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head, body = (await reader.read()).decode().split("\r\n\r\n")
            writer.close()
            return int(head.split()[1]), body.strip()

        nowhere = {"NATS_URL": "nats://127.0.0.1:9", "GEARSHIFT_HEALTH": f"127.0.0.1:{port}"}
        process = await self.start(**nowhere)
        await self.says(process, "NATS is not there yet")
        self.assertEqual(await ask("/livez"), (200, "ok"))
        self.assertEqual(await ask("/readyz"), (503, "initializing"))
        self.assertEqual((await ask("/"))[0], 404)
        process.kill()
        await process.wait()
        process = await self.start(GEARSHIFT_HEALTH=f"127.0.0.1:{port}")
        await self.says(process, "plugin answers calls")
        self.assertEqual(await ask("/readyz"), (200, "active"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\nX: " + b"y" * 9000 + b"\r\n\r\n")
        self.assertIn(b" 431 ", await reader.readline())
        writer.close()
        refused = await self.start(GEARSHIFT_HEALTH="somewhere")
        await self.says(refused, "`somewhere` is no address")
        self.assertEqual(await asyncio.wait_for(refused.wait(), PATIENCE), 1)

    async def test_the_second_signal_ends_it_at_once(self) -> None:
        process = await self.start()
        await self.says(process, "plugin answers calls")
        never = asyncio.ensure_future(self.ask("never"))
        await self.works(process)
        process.send_signal(signal.SIGINT)
        await self.says(process, "plugin ends once its calls are answered")
        process.send_signal(signal.SIGINT)
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 1)
        never.cancel()

    async def test_a_server_that_is_not_there_yet_is_waited_for(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = await self.start(GEARSHIFT_SERVER=f"nats://127.0.0.1:{port}")
        await self.says(process, "NATS is not there yet")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 0)
        process = await self.start(GEARSHIFT_SERVER=f"nats://127.0.0.1:{port}")
        await self.says(process, "NATS is not there yet")
        server = Server(port=port)
        self.addCleanup(server.stop)
        await self.says(process, "plugin answers calls")
        client = await nats.connect(server.url)
        self.addAsyncCleanup(client.close)
        self.assertEqual(await self.ask("b", client), "b")

    async def test_calls_go_on_when_the_server_is_back(self) -> None:
        server = Server()
        process = await self.start(NATS_URL=server.url)
        await self.says(process, "plugin answers calls")
        port = int(server.url.rsplit(":", 1)[1])
        server.stop()
        server = Server(port=port)
        self.addCleanup(server.stop)
        client = await nats.connect(server.url)
        self.addAsyncCleanup(client.close)

        async def answered() -> bool:
            try:
                return bool(await self.ask("c", client) == "c")
            except Error:
                return False

        await until(answered, "it answers again")


class Refusals(Process):
    @classmethod
    def setUpClass(cls) -> None:
        deaf = '{ user: deaf, password: pw, permissions: { subscribe: { deny: "gearshift.>" } } }'
        users = f"authorization {{ users: [{deaf}, {{ user: ann, password: pw }}] }}"
        cls.server = Server(users)
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self) -> None:
        """Nobody gets in without a login."""

    async def ends(self, words: str, **login: str) -> None:
        variables: Dict[str, str] = {f"GEARSHIFT_NATS_{key}": value for key, value in login.items()}
        process = await self.start(**variables)
        await self.says(process, words)
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 1)

    async def test_one_that_may_not_hear_its_calls_ends_and_says_so(self) -> None:
        await self.ends("does not let this login hear its calls", USER="deaf", PASSWORD="pw")

    async def test_one_that_is_not_let_in_ends_and_says_so(self) -> None:
        await self.ends("uthorization", USER="ann", PASSWORD="wrong")


VALIDATOR = """
from gearshift import Context, Plugin

plugin = Plugin("validator", "1.2.0", concurrency=1)

@plugin.operation(long=True, heartbeat=1)
async def scan(context: Context, value: int) -> int:
    context.heartbeat(50)
    return 2 * value

plugin.run()
"""


class ShippedRole(Process):
    """A login with no more than `gearshift bus config` gives a plugin."""

    @classmethod
    def setUpClass(cls) -> None:
        words = [program("GEARSHIFT_TEST_BIN"), "bus", "config"]
        config = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        for variable in set(re.findall(r"\$(NATS_PASSWORD_\w+)", config)):
            config = config.replace(f"${variable}", '"pw"')
        config = re.sub(r"(?m)^(listen|http|server_name): .*$|^ *store_dir: .*$", "", config)
        cls.server = Server(config)
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self) -> None:
        login = {"user": "engine", "password": "pw", "inbox_prefix": "_INBOX_engine"}
        self.caller = await nats.connect(self.server.url, **login)
        self.addAsyncCleanup(self.caller.close)

    async def test_it_is_enough_for_long_work(self) -> None:
        stream = self.caller.jetstream()
        await stream.add_stream(name="results", subjects=["gearshift.result.*"])
        announced = await self.heard("gearshift.announce.*")
        beats = await self.heard("gearshift.heartbeat.*")
        login = {"USER": "validator", "PASSWORD": "pw", "INBOX_PREFIX": "_INBOX_validator"}
        variables = {f"GEARSHIFT_NATS_{name}": value for name, value in login.items()}
        process = await self.start(VALIDATOR, **variables)
        line = await self.says(process, "")
        self.assertIn("plugin answers calls", line, "nothing was refused before")
        sent = {"Gearshift-Call-Id": "c1", "Gearshift-Result-To": "gearshift.result.c1"}
        reply = await self.call("gearshift.plugin.validator.v1.scan", 4, sent)
        assert reply.headers is not None
        self.assertEqual(reply.headers["Gearshift-Pending"], "true")

        async def stored() -> bool:
            return bool((await stream.stream_info("results")).state.messages)

        await until(stored, "the result is stored")
        self.assertEqual((await stream.get_msg("results", 1)).data, b"8")
        await until(lambda: beats and len(announced) > 1, "signs of life and announcements")
        process.send_signal(signal.SIGTERM)
        line = await self.says(process, "")
        self.assertIn("plugin ends once its calls are answered", line, "nothing was refused")
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 0)


if __name__ == "__main__":
    unittest.main()
