"""Whoever waits outlives a restart, and an answer that nobody heard."""

from __future__ import annotations

import asyncio
import json
import unittest
from typing import Any, Dict, List, Optional
from unittest import mock

import nats
from nats.aio.msg import Msg
from world import PATIENCE, Engine, OnServer, Server, until

import gearshift
from gearshift import Client

ONE = """
workflow: light
version: 1
correlate: data.id
events: { light.on: { start: true }, light.off: {} }
initial: lit
states:
  lit: { on: { light.off: dark } }
  dark: { final: true }
"""

#: Of the fake engine: silence.
SILENCE: Dict[str, Any] = {}


class Lost(OnServer):
    """An engine that says what a test tells it."""

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.client = Client(self.caller, user="ann", timeout=PATIENCE)
        self.asked: List[Msg] = []

    async def answers(self, subject: str, *answers: Dict[str, Any]) -> None:
        left = list(answers)

        async def answer(message: Msg) -> None:
            self.asked.append(message)
            told = left.pop(0) if len(left) > 1 else left[0]
            headers: Optional[Dict[str, str]] = None
            if "code" in told:
                headers = {"Nats-Service-Error-Code": str(told["status"])}
            if told:
                body = json.dumps(told).encode()
                await self.nats.publish(message.reply, body, headers=headers)

        await self.nats.subscribe(subject, cb=answer)
        await self.nats.flush()

    def said(self, status: str) -> Dict[str, Any]:
        verdict = {"instance": "a/k", "verdict": "duplicate", "status": status}
        return {"verdict": verdict, "verdicts": [verdict], "reached": status == "done"}

    async def test_an_answer_that_is_lost_is_looked_for_under_the_same_id(self) -> None:
        running, done = self.said("running"), self.said("done")
        await self.answers("gearshift.command.ann.start", SILENCE, running, done)
        await self.answers("gearshift.event.a.b", SILENCE, done)
        with mock.patch.multiple("gearshift.again", LOOK_AGAIN=0.01, SPREAD=0.0):
            reply = await self.client.start("a", {}, wait="@end")
            self.assertTrue(reply["reached"])
            asked = [json.loads(message.data) for message in self.asked]
            self.assertEqual(len({(one["key"], one["id"]) for one in asked}), 1)
            limits = [one["timeout_ms"] for one in asked]
            self.assertEqual(limits, [round(PATIENCE * 1000), 0, 0])
            self.asked.clear()
            self.assertTrue((await self.client.send("a.b", {}, wait="@end"))["reached"])
            ids = {(message.headers or {})["Nats-Msg-Id"] for message in self.asked}
            self.assertEqual((len(self.asked), len(ids)), (2, 1))

    async def test_where_no_answer_came_in_time_it_is_told_how_things_stand(self) -> None:
        await self.answers("gearshift.command.ann.start", SILENCE, self.said("running"))
        with mock.patch("gearshift.client.GRACE", 0.0):
            reply = await self.client.start("a", {}, wait="@end", timeout=0.1)
        self.assertFalse(reply["reached"])

    async def test_a_wait_that_an_engine_breaks_off_goes_on_with_the_next_one(self) -> None:
        stops = {"code": "GS5003", "status": 504, "detail": "the engine stops"}
        away = {"code": "GS5002", "status": 503, "detail": "nobody serves it"}
        await self.answers("gearshift.command.ann.start", stops, stops, self.said("done"))
        self.assertTrue((await self.client.start("a", {}, wait="@end"))["reached"])
        await self.answers("gearshift.event.a.b", stops, away)
        with self.assertRaisesRegex(gearshift.Refused, "the engine stops"):
            await self.client.send("a.b", {}, wait="@end")

    async def test_wait_outlives_what_passes_and_ends_with_what_does_not(self) -> None:
        away = {"code": "GS5002", "status": 503, "detail": "nobody serves it"}
        lit = {"id": "a/k", "workflow": "a", "key": "k", "status": "running", "active": ["lit"]}
        seen = (away, lit, away, away, {**lit, "status": "done"})
        await self.answers("gearshift.query.instance", *seen)
        with mock.patch("gearshift.client.LOOK_AGAIN", 0.01):
            self.assertEqual((await self.client.wait("k", timeout=PATIENCE))["status"], "done")
        client = Client(await nats.connect(self.server.url))
        await client._nats.close()
        with self.assertRaises(gearshift.Unreachable):
            await asyncio.wait_for(client.wait("k", timeout=10 * PATIENCE), PATIENCE)

    async def test_where_nobody_ever_answers_that_is_said(self) -> None:
        with self.assertRaisesRegex(gearshift.Unreachable, "no engine answers"):
            await self.client.wait("k", timeout=0.1)


class Restarted(unittest.IsolatedAsyncioTestCase):
    async def test_a_wait_outlives_a_restart_of_the_server(self) -> None:
        server = Server()
        self.addCleanup(server.stop)
        engine = Engine(server, ONE)
        self.addCleanup(engine.stop)
        async with gearshift.connect(server.url, user="ann") as client:
            for key in ("hall", "attic"):
                await client.start("light", {}, key=key, id=f"start-{key}")
            waiting = asyncio.ensure_future(client.wait("light/hall", timeout=4 * PATIENCE))
            started = asyncio.ensure_future(
                client.start(
                    "light", {}, key="attic", id="start-attic", wait="@end", timeout=4 * PATIENCE
                )
            )
            await asyncio.sleep(0)
            server.kill()
            server.restart()
            async with gearshift.connect(server.url, user="ann") as other:

                async def sent() -> bool:
                    try:
                        for key in ("hall", "attic"):
                            named = {"event_id": f"off-{key}"}
                            await other.send("light.off", {"id": key}, timeout=5, **named)
                    except gearshift.GearshiftError:
                        return False
                    return True

                await until(sent, "the engine is there again")
            self.assertEqual((await waiting)["status"], "done")
            self.assertTrue((await started)["reached"])


if __name__ == "__main__":
    unittest.main()
