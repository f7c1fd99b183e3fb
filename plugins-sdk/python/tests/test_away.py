"""The server goes away: what a process and a client make of it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import unittest

from test_process import Process
from world import PATIENCE, OnServer, Server

import gearshift
from gearshift.connection import COMPLAINT_SPACING, Complaints


class Away(Process):
    async def asyncSetUp(self) -> None:
        """Nobody else is connected to a server that goes away."""

    async def test_a_process_ends_well_while_the_server_is_away(self) -> None:
        server = Server()
        self.addCleanup(server.stop)
        process = await self.start(NATS_URL=server.url)
        await self.says(process, "plugin answers calls")
        server.stop()
        await self.says(process, "NATS: ")
        await self.says(process, "Connect call failed")
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE)
        self.assertNotIn("Traceback", said.decode())
        self.assertEqual(process.returncode, 0, said.decode())

    async def test_a_process_tells_when_the_server_is_back(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(port=port)
        process = await self.start(NATS_URL=server.url)
        await self.says(process, "plugin answers calls")
        server.stop()
        await self.says(process, "Connect call failed")
        again = Server(port=port)
        self.addCleanup(again.stop)
        await self.says(process, "the connection to the NATS server is back")


class Told(unittest.TestCase):
    def test_the_same_complaint_is_told_once_in_a_while(self) -> None:
        complaints = Complaints()
        with self.assertLogs("gearshift", logging.WARNING) as told:
            for _ in range(100):
                complaints.tell(OSError("nobody is there"))
                complaints.tell(OSError())
        self.assertEqual(len(told.output), 2, told.output)
        self.assertIn("OSError()", told.output[1])
        complaints._told = {words: at - COMPLAINT_SPACING for words, at in complaints._told.items()}
        with self.assertLogs("gearshift", logging.WARNING):
            complaints.tell(OSError("nobody is there"))


class Watching(OnServer):
    async def test_a_watch_that_is_cancelled_with_its_connection_stays_cancelled(self) -> None:
        began = asyncio.Event()

        async def watch(client: gearshift.Client) -> None:
            notices = client.watch(workflow="paper")
            began.set()
            async for _ in notices:
                pass

        async with gearshift.connect(self.server.url, user="ann") as client:
            watching = asyncio.ensure_future(watch(client))
            await began.wait()
            # Its subscription is made, and it waits.
            await client._nats.flush()
            watching.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asyncio.wait_for(watching, PATIENCE)


class Ends(unittest.TestCase):
    def test_who_waited_in_vain_hears_how_the_instance_ended(self) -> None:
        known = {"id": "w/k", "status": "cancelled", "active": ["open"]}
        for more, words in (
            ({"end": {"words": "cancelled by ann: too late"}}, "is cancelled by ann: too late"),
            ({"end": {"words": "killed by ann"}}, "is cancelled: killed by ann"),
            ({"status": "stuck", "stuck_reason": "no card"}, "is stuck: no card"),
            ({}, "is cancelled: in open"),
        ):
            self.assertIn(words, str(gearshift.NotReached({**known, **more})))


if __name__ == "__main__":
    unittest.main()
