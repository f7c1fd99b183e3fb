"""Calls that wait for their turn in a plugin."""

from __future__ import annotations

import asyncio
import json
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List
from unittest import mock

from world import OnServer

from gearshift import Context, Failure, Plugin


class Waiting(OnServer):
    async def test_a_deadline_cancels_its_call_and_one_that_waited_is_not_made(self) -> None:
        plugin = Plugin("sleeper", "1.0.0", concurrency=1)
        started: List[str] = []

        @plugin.operation()
        async def wait(context: Context, value: Any) -> None:
            started.append(context.call_id)
            await context.wait_cancelled()
            raise Failure.cancelled()

        await self.serve(plugin)
        deadline = datetime.now(timezone.utc) + timedelta(seconds=5)
        headers = {"Gearshift-Deadline": deadline.isoformat()}
        subject = "gearshift.plugin.sleeper.v1.wait"
        calls = (self.call(subject, b"null", headers) for _ in range(4))
        words = []
        for reply in await asyncio.gather(*calls):
            self.assertEqual((reply.headers or {})["Nats-Service-Error-Code"], "499")
            words.append((reply.headers or {})["Nats-Service-Error"])
        waited = "it waited in the plugin's queue until its deadline was over"
        self.assertEqual(sorted(words), ["cancelled", waited, waited, waited])
        self.assertEqual(len(started), 1)

    async def test_long_work_that_waited_past_its_deadline_is_refused_and_not_promised(
        self,
    ) -> None:
        plugin = Plugin("sleeper", "1.0.0", concurrency=1)
        started: List[str] = []

        @plugin.operation(long=True)
        async def wait(context: Context, value: Any) -> None:
            started.append(context.call_id)
            await context.wait_cancelled()
            raise Failure.cancelled()

        running = await self.serve(plugin)
        subject = "gearshift.plugin.sleeper.v1.wait"
        deadline = datetime.now(timezone.utc) + timedelta(seconds=5)

        def sent(call: str) -> Dict[str, str]:
            return {
                "Gearshift-Deadline": deadline.isoformat(),
                "Gearshift-Call-Id": call,
                "Gearshift-Result-To": f"gearshift.result.{call}",
            }

        first = (await self.call(subject, b"null", sent("c1"))).headers or {}
        self.assertEqual(first["Gearshift-Pending"], "true")
        calls = (self.call(subject, b"null", sent(f"w{number}")) for number in range(3))
        for reply in await asyncio.gather(*calls):
            told = reply.headers or {}
            self.assertEqual(told.get("Nats-Service-Error-Code"), "499")
            self.assertNotIn("Gearshift-Pending", told)
        self.assertEqual(started, ["c1"])
        stats = json.loads((await self.call(f"$SRV.STATS.sleeper.{running.id}", b"")).data)
        [counted] = stats["endpoints"]
        self.assertEqual(counted["num_errors"], 4)

    async def test_a_full_queue_refuses_as_the_bus_does(self) -> None:
        plugin = Plugin("narrow", "1.0.0", concurrency=1)
        entered, go_on = asyncio.Event(), asyncio.Event()

        @plugin.operation()
        async def wait(value: Any) -> None:
            entered.set()
            await go_on.wait()

        with mock.patch("gearshift.running.QUEUE_MAX", 2):
            await self.serve(plugin)
            subject = "gearshift.plugin.narrow.v1.wait"
            inside = asyncio.ensure_future(self.call(subject, b"null"))
            await entered.wait()
            waiting = [asyncio.ensure_future(self.call(subject, b"null")) for _ in range(3)]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            [refused] = done
            told = refused.result().headers or {}
            self.assertEqual(told["Gearshift-Full"], "2")
            self.assertEqual(told["Nats-Service-Error-Code"], "503")
            go_on.set()
            for answered in [inside, *(one for one in waiting if one is not refused)]:
                self.assertEqual((await answered).data, b"null")


if __name__ == "__main__":
    unittest.main()
