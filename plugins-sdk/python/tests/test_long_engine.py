"""Long work with a real engine, which is killed meanwhile."""

from __future__ import annotations

import asyncio
import unittest
from typing import Dict, List

from world import Engine, OnServer, program, until

from gearshift import Client, Context, Plugin

DEFINITIONS = """
workflow: scan
version: 1
correlate: data.id
events: { scan.wanted: { start: true } }
vars: { pages: 0 }
initial: scanning
states:
  scanning:
    entry: { call: scanner.scan, with: { pages: 10 }, timeout: 120s, set: { pages: output.pages } }
    done: scanned
  scanned: { final: true, output: { pages: "${ vars.pages }" } }
"""


class Scans(OnServer):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.engine = Engine(self.server, DEFINITIONS)
        self.addCleanup(lambda: self.engine.stop())
        self.client = Client(self.caller, user="rita", timeout=60)
        self.go_on = asyncio.Event()
        self.runs: List[Context] = []
        scanner = Plugin("scanner", "1.0.0")

        @scanner.operation(long=True, heartbeat=2)
        async def scan(context: Context, wanted: Dict[str, int]) -> Dict[str, int]:
            self.runs.append(context)
            context.heartbeat(40, "page 4 of 10")
            await self.go_on.wait()
            return wanted

        self.running = await self.serve(scanner)

    async def test_progress_is_shown_and_the_result_follows(self) -> None:
        await self.client.send("scan.wanted", {"id": "s-1"})
        await until(lambda: self.runs, "it is called")
        await until(lambda: self.shows_progress("s-1"), "its progress is shown")
        self.go_on.set()
        ended = await self.client.wait("s-1")
        self.assertEqual(ended["output"], {"pages": 10})
        self.assertEqual(len(self.runs), 1)

    async def test_a_result_is_applied_that_was_stored_while_no_engine_ran(self) -> None:
        await self.client.send("scan.wanted", {"id": "s-2"})
        await until(lambda: self.runs, "it is called")
        # The engine knows that the result comes later, and so does the next one.
        await until(lambda: self.shows_progress("s-2"), "the call is under way")
        self.engine.stop()
        self.go_on.set()
        await until(lambda: self.running.in_flight == 0, "the result is stored")
        self.engine = Engine(self.server, DEFINITIONS)
        ended = await self.client.wait("s-2")
        self.assertEqual(ended["output"], {"pages": 10})
        self.assertEqual([run.attempt for run in self.runs], [1])

    async def test_the_conformance_kit_finds_nothing(self) -> None:
        self.go_on.set()
        words = ["plugin", "check", "scanner", "--nats", self.server.url, "-d", "pages=10"]
        checking = await asyncio.create_subprocess_exec(
            program("GEARSHIFT_TEST_BIN"), *words, stdout=asyncio.subprocess.PIPE
        )
        said = (await checking.communicate())[0].decode()
        self.assertEqual(checking.returncode, 0, said)
        self.assertIn("all is well", said)
        self.assertIn("result       it was published", said)

    async def shows_progress(self, key: str) -> bool:
        return "page 4 of 10" in str((await self.client.show(key))["calls"])


if __name__ == "__main__":
    unittest.main()
