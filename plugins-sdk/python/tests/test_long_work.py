"""Operations whose result follows later, with an engine that is played."""

from __future__ import annotations

import asyncio
import json
import unittest
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

from world import OnServer, until

from gearshift import Context, Failure, Plugin

SUBJECT = "gearshift.plugin.scanner.v1.scan"


def call(name: str, attempt: int = 1, seconds: float = 60.0) -> Dict[str, str]:
    deadline = datetime.now(timezone.utc) + timedelta(seconds=seconds)
    return {
        "Gearshift-Call-Id": name,
        "Gearshift-Attempt": str(attempt),
        "Gearshift-Instance": "scan/a%20b",
        "Gearshift-Deadline": deadline.isoformat(timespec="milliseconds"),
        "Gearshift-Result-To": f"gearshift.result.{name}",
    }


class LongWork(OnServer):
    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.stream = self.caller.jetstream()
        self.go_on = asyncio.Event()
        self.runs: List[Context] = []
        self.scanner = Plugin("scanner", "1.0.0", concurrency=2)

        @self.scanner.operation(long=True, heartbeat=0.9)
        async def scan(context: Context, pages: Any) -> Dict[str, Any]:
            self.runs.append(context)
            context.heartbeat(140, "page 1\nof 2")
            gone = asyncio.ensure_future(context.wait_cancelled())
            going = asyncio.ensure_future(self.go_on.wait())
            await asyncio.wait([gone, going], return_when=asyncio.FIRST_COMPLETED)
            going.cancel()
            if context.cancelled():
                raise Failure.cancelled()
            return {"pages": pages}

    async def results(self, name: str) -> None:
        """The stream that the engine keeps for results; gone at the end of the test."""
        await self.stream.add_stream(name=name, subjects=["gearshift.result.>"])
        self.addAsyncCleanup(self.stream.delete_stream, name)

    async def test_the_result_follows_after_signs_of_life(self) -> None:
        await self.results("results")
        await self.serve(self.scanner)
        beats = await self.heard("gearshift.heartbeat.c1")
        reply = await self.call(SUBJECT, 2, call("c1"))
        self.assertEqual(reply.data, b"")
        told = {"Gearshift-Pending": "true", "Gearshift-Heartbeat": "900ms"}
        self.assertEqual(reply.headers, {**told, "Gearshift-Load": "1/2"})
        # Without a word of the operation, as often as was promised at least.
        began = asyncio.get_running_loop().time()
        await until(lambda: len(beats) >= 4, "signs of life")
        self.assertLess(asyncio.get_running_loop().time() - began, 4 * 0.9)
        self.assertEqual(beats[-1], {"attempt": 1, "percent": 100, "note": "page 1 of 2"})
        self.go_on.set()
        result = await until(lambda: self.stored("results"), "the result")
        self.assertEqual(json.loads(result.data), {"pages": 2})
        headers = result.headers
        self.assertEqual(headers["Nats-Msg-Id"], "c1.1")
        self.assertEqual(headers["Gearshift-Call-Id"], "c1")
        self.assertEqual(headers["Gearshift-Attempt"], "1")
        self.assertEqual(headers["Gearshift-Instance"], "scan/a%20b")
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Gearshift-Load"], "0/2")
        await self.caller.flush()
        silent = len(beats)
        await asyncio.sleep(0.7)
        self.assertLessEqual(len(beats), silent + 1, "who is done gives no sign of life")

    async def stored(self, name: str) -> Any:
        info = await self.stream.stream_info(name)
        return info.state.messages and await self.stream.get_msg(name, info.state.last_seq)

    async def test_a_result_is_stored_once_there_is_a_stream(self) -> None:
        await self.serve(self.scanner)
        self.go_on.set()
        with self.assertLogs("gearshift", "INFO") as logged:
            await self.call(SUBJECT, 3, call("c2"))
            await until(lambda: logged.output, "the first attempt is in vain")
        await self.results("late")
        result = await until(lambda: self.stored("late"), "the result")
        self.assertEqual(json.loads(result.data), {"pages": 3})

    async def test_a_result_is_given_up_at_the_deadline(self) -> None:
        running = await self.serve(self.scanner)
        self.go_on.set()
        with self.assertLogs("gearshift", "WARNING") as logged:
            await self.call(SUBJECT, 3, call("c3", seconds=0.6))
            await until(lambda: running.in_flight == 0, "it gives up")
        self.assertIn("the result of `c3` was not published", logged.output[-1])

    async def test_a_failure_and_a_cancellation_are_results_too(self) -> None:
        await self.results("failures")
        await self.serve(self.scanner)
        await self.call(SUBJECT, 1, call("c4"))
        await self.caller.publish("gearshift.cancel.c4", b"")
        result = await until(lambda: self.stored("failures"), "the result")
        self.assertEqual(result.headers["Nats-Service-Error-Code"], "499")
        self.assertEqual(result.headers["Gearshift-Error-Kind"], "permanent")

    async def test_an_attempt_asked_twice_is_worked_on_once(self) -> None:
        await self.results("repeats")
        running = await self.serve(self.scanner)
        same = call("c5")
        for reply in await asyncio.gather(*(self.call(SUBJECT, 1, same) for _ in range(8))):
            assert reply.headers is not None
            self.assertEqual(reply.headers["Gearshift-Pending"], "true")
        self.assertEqual((len(self.runs), running.in_flight), (1, 1))
        # Another attempt is another run, and nobody waits for the first one any more.
        await self.call(SUBJECT, 1, call("c5", attempt=2))
        await until(lambda: len(self.runs) == 2, "the second attempt runs")
        self.assertEqual([run.cancelled() for run in self.runs], [True, False])
        self.go_on.set()
        await until(lambda: running.in_flight == 0, "both are done")
        info = await self.stream.stream_info("repeats")
        self.assertEqual(info.state.messages, 2)

    async def test_a_result_goes_nowhere_but_to_results(self) -> None:
        await self.serve(self.scanner)
        for place in (
            "order.paid",
            "gearshift.result.>",
            "gearshift.result.",
            "gearshift.cancel.x",
        ):
            reply = await self.call(SUBJECT, 1, {**call("c7"), "Gearshift-Result-To": place})
            assert reply.headers is not None
            self.assertEqual(reply.headers["Nats-Service-Error-Code"], "400")
        self.assertEqual(self.runs, [])

    async def test_calls_without_an_id_do_not_cancel_each_other(self) -> None:
        await self.results("nameless")
        running = await self.serve(self.scanner)
        sent = {"Gearshift-Result-To": "gearshift.result.nameless"}
        for _ in range(2):
            await self.call(SUBJECT, 1, sent)
        await until(lambda: len(self.runs) == 2, "both run")
        self.assertEqual([run.cancelled() for run in self.runs], [False, False])
        self.go_on.set()
        await until(lambda: running.in_flight == 0, "both are done")
        self.assertEqual((await self.stream.stream_info("nameless")).state.messages, 2)

    async def test_a_call_by_hand_is_answered_at_once(self) -> None:
        await self.serve(self.scanner)
        self.go_on.set()
        reply = await self.call(SUBJECT, 4)
        self.assertEqual(json.loads(reply.data), {"pages": 4})

    async def test_a_drain_waits_for_the_result(self) -> None:
        await self.results("drained")
        running = await self.serve(self.scanner)
        await self.call(SUBJECT, 5, call("c6"))
        draining = asyncio.ensure_future(running.drain())
        await until(lambda: running.state == "deactivating", "it drains")
        self.go_on.set()
        await draining
        result = await self.stored("drained")
        self.assertEqual(json.loads(result.data), {"pages": 5})


if __name__ == "__main__":
    unittest.main()
