"""The client and plugins against a real engine, from end to end."""

from __future__ import annotations

import asyncio
import hashlib
import json
import unittest
from typing import Any, Dict, List

import nats
from world import Engine, OnServer, until

import gearshift
from gearshift import Client, Context, Failure, Plugin, Step, Workflow
from gearshift.connection import settle

DEFINITIONS = """
workflow: paper
version: 1
correlate: data.id
events: { paper.handed_in: { start: true }, user.action: {} }
vars: { words: 0, code: "" }
initial: new
states:
  new:
    on:
      paper.handed_in:
        do: count
        to: review
        failed: { do: { set: { code: error.code } }, to: refused }
  review:
    approval: { title: "Read it", assign: rita, choices: [approve, reject] }
    on:
      user.action:
        - { when: data.action == 'approve', to: approved }
        - { when: data.action == 'reject', to: refused }
  approved: { final: true, output: { words: "${ vars.words }" } }
  refused: { final: true, output: { code: "${ vars.code }" } }
actions:
  count:
    call: counter.count
    timeout: 20s
    retry: { attempts: 4, backoff: 20ms..100ms }
    set: { words: output.words }
---
workflow: nap
version: 1
correlate: data.id
events: { nap.taken: { start: true } }
initial: asleep
states:
  asleep: { entry: { call: counter.sleep, timeout: 60s }, done: awake }
  awake: { final: true }
---
workflow: book
version: 1
correlate: data.id
events: { book.wanted: { start: true } }
vars: { pages: [], weight: 0 }
initial: printing
states:
  printing:
    entry: { call: counter.print, timeout: 20s, set: { pages: output.pages } }
    done: weighing
  weighing:
    entry:
      call: counter.weigh
      with: { book: "${ key }", pages: "${ vars.pages }" }
      timeout: 20s
      set: { weight: output }
    done: printed
  printed: { final: true, output: { pages: "${ size(vars.pages) }", weight: "${ vars.weight }" } }
"""


class Papers(OnServer):
    engine: Engine

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.engine = Engine(cls.server, DEFINITIONS)
        cls.addClassCleanup(cls.engine.stop)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.client = Client(self.caller, user="rita", timeout=60)
        self.attempts: List[Context] = []
        self.cancelled: List[str] = []
        counter = Plugin("counter", "1.0.0")

        @counter.operation()
        async def count(context: Context, paper: Dict[str, Any]) -> Dict[str, int]:
            self.attempts.append(context)
            if context.attempt <= paper.get("busy", 0):
                raise OSError("the counter is busy")
            if not paper.get("text"):
                raise Failure.permanent("no text", code="no_text")
            return {"words": len(paper["text"].split())}

        @counter.operation()
        async def sleep(context: Context, value: Any) -> None:
            self.attempts.append(context)
            await context.wait_cancelled()
            self.cancelled.append(context.call_id)
            raise Failure.cancelled()

        @counter.operation("print")
        async def print_book(value: Any) -> Dict[str, List[str]]:
            return {"pages": ["x" * 1000] * 200}

        @counter.operation()
        async def weigh(context: Context, book: Dict[str, Any]) -> int:
            self.attempts.append(context)
            return sum(len(page) for page in book["pages"])

        await self.serve(counter)

    async def test_a_paper_goes_from_event_to_decision(self) -> None:
        seen: List[Any] = []

        async def watch() -> None:
            async for notice in self.client.watch(workflow="paper", key="p-1"):
                seen.append(notice["kind"])

        watching = asyncio.ensure_future(watch())
        self.addCleanup(watching.cancel)
        await asyncio.sleep(0)
        await settle(self.caller)
        paper = {"id": "p-1", "text": "a b c"}
        reply = await self.client.send("paper.handed_in", paper, event_id="e-1", wait="review")
        self.assertTrue(reply["reached"])
        self.assertEqual(reply["verdicts"][0]["instance"], "paper/p-1")
        again = await self.client.send("paper.handed_in", paper, event_id="e-1")
        self.assertEqual(again["verdicts"][0]["verdict"], "duplicate")
        [context] = self.attempts
        self.assertEqual((context.instance, context.workflow), ("paper/p-1", "paper@1"))
        self.assertTrue(0 < (context.remaining() or 0) <= 20)
        [task] = [one for one in await self.client.tasks(assign="rita") if "p-1" in one["id"]]
        self.assertEqual(task["title"], "Read it")
        with self.assertRaises(gearshift.Refused) as wrong:
            await self.client.decide("p-1", "burn")
        self.assertRegex(wrong.exception.code, "^GS4")
        ended = asyncio.ensure_future(self.client.wait("p-1"))
        verdict = await self.client.approve("p-1", reason="well written")
        self.assertEqual(verdict["verdict"], "transitioned")
        self.assertEqual((await ended)["output"], {"words": 3})
        history = await self.client.history("paper/p-1")
        self.assertTrue(any(one.get("by") == "rita" for one in history), history)
        await until(lambda: "completed" in seen, f"notices: {seen}")
        self.assertIn("approval_requested", seen)

    async def test_failures_of_a_plugin_are_retried_or_final(self) -> None:
        started = {"id": "p-2", "text": "a b", "busy": 2}
        with self.assertLogs("gearshift", "WARNING"):
            await self.client.send("paper.handed_in", started, wait="review")
        self.assertEqual([one.attempt for one in self.attempts], [1, 2, 3])
        self.assertEqual(len({one.call_id for one in self.attempts}), 1)
        await self.client.publish("paper.handed_in", {"id": "p-3"}, event_id="e-3")
        await until(lambda: len(self.attempts) == 4, "the published event is applied")
        self.assertEqual((await self.client.wait("p-3"))["output"], {"code": "no_text"})

    async def test_large_bodies_travel_by_the_object_store_both_ways(self) -> None:
        info = json.loads((await self.call("$SRV.INFO.counter", b"")).data)
        self.assertEqual(info["metadata"]["gearshift.objects"], "true")
        reply = await self.client.send("book.wanted", {"id": "b-1"}, wait="@end")
        self.assertTrue(reply["reached"], await self.client.why("book/b-1"))
        output = {"pages": 200, "weight": 200_000}
        self.assertEqual((await self.client.show("book/b-1"))["output"], output)
        self.assertEqual([one.attempt for one in self.attempts], [1])
        store = await self.caller.jetstream().object_store("gearshift-bodies")
        self.assertEqual(len(await store.list()), 2, "the answer, and the input made of it")
        # Storing the same again leaves one of it.
        answer = await self.call("gearshift.plugin.counter.v1.print", 1)
        self.assertEqual(len(await store.list()), 2)
        [place] = json.loads(answer.data).values()
        bucket, name = place.split("/")
        # An input may be such an object too.
        paper = json.dumps({"text": "a b " * 50_000}).encode()
        name = hashlib.sha256(paper).hexdigest()
        await store.put(name, paper)
        body = {"$object": f"{bucket}/{name}"}
        answer = await self.call("gearshift.plugin.counter.v1.count", body)
        self.assertEqual(json.loads(answer.data), {"words": 100_000}, answer.headers)
        missing = {"$object": f"{bucket}/{'0' * 64}"}
        refused = (await self.call("gearshift.plugin.counter.v1.count", missing)).headers
        assert refused is not None
        self.assertEqual(refused["Nats-Service-Error-Code"], "410")
        self.assertEqual(refused["Gearshift-Error-Kind"], "retryable")

    async def test_cancelling_an_instance_cancels_its_call(self) -> None:
        await self.client.send("nap.taken", {"id": "n-1"})
        await until(lambda: self.attempts, "it is called")
        detail = await self.client.show("n-1")
        self.assertEqual(detail["calls"][0]["operation"], "counter.sleep")
        self.assertIn("counter.sleep", str(await self.client.why("n-1")))
        await self.client.cancel("n-1", reason="it is noon")
        await until(lambda: self.cancelled, "the call is cancelled")
        self.assertEqual(self.cancelled, [self.attempts[0].call_id])
        self.assertEqual((await self.client.show("n-1"))["status"], "cancelled")
        with self.assertRaises(gearshift.NotReached) as ended:
            await self.client.wait("n-1", "awake")
        self.assertEqual(ended.exception.code, "cancelled")

    async def test_a_start_brings_the_trace_of_whoever_asks(self) -> None:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        traced = self.client.in_trace(parent, "v=1")
        self.assertEqual(traced.user, "rita")
        await traced.start("nap", {"id": "n-4"}, key="n-4")

        async def called() -> List[Context]:
            return self.attempts

        context = (await until(called, "it is called"))[0]
        self.assertEqual((context.traceparent, context.tracestate), (parent, "v=1"))
        await self.client.kill("n-4")

    async def test_a_start_that_waits_for_what_there_never_is_is_refused(self) -> None:
        body = {"workflow": "nap", "key": "n-9", "wait": {"state": "@never"}}
        with self.assertRaisesRegex(gearshift.Refused, "`@never` is none of a state"):
            await self.client.command("start", body)
        with self.assertRaises(gearshift.Refused) as unknown:
            await self.client.show("n-9")
        self.assertEqual(unknown.exception.problem.status, 404, "it was not started")

    async def test_a_workflow_of_steps_is_built_deployed_and_started(self) -> None:
        workflow = Workflow("built", "Built in Python", mode="sequential")
        workflow.add(Step("first", "counter", "count", {"text": "${ input.text }"}))
        workflow.add(Step("second", "counter", "count", {"text": "${ input.text + ' d' }"}))
        deployed = await self.client.deploy(workflow)
        self.assertEqual(deployed["definitions"][0]["name"], "built")
        reply = await self.client.start("built", {"text": "a b"}, key="b-1", wait="@end")
        self.assertTrue(reply["reached"])
        detail = await self.client.show("built/b-1")
        steps = {one["id"]: one["result"] for one in detail["steps"]}
        self.assertEqual(steps, {"first": {"words": 2}, "second": {"words": 3}})
        again = await self.client.start("built", {"text": "a b"}, key="b-1")
        self.assertIn(again["verdict"]["verdict"], ("duplicate", "started"))

        # Lists may lag behind by a moment.
        async def listed() -> List[Any]:
            return await self.client.instances(where="status == 'done'", workflow="built", limit=9)

        found = await until(listed, "it is listed")
        self.assertEqual([one["id"] for one in found], ["built/b-1"])

    async def test_what_is_refused_has_a_code(self) -> None:
        with self.assertRaises(gearshift.Refused) as missing:
            await self.client.show("nobody/x")
        self.assertEqual(missing.exception.problem.status, 404)
        self.assertEqual(missing.exception.code, missing.exception.problem.code)
        with self.assertRaises(gearshift.Refused) as invalid:
            await self.client.deploy("workflow: broken\nversion: 1\nstates: { a: { to: b } }\n")
        first = invalid.exception.problem.diagnostics[0]["message"]
        self.assertIn(first, str(invalid.exception))
        with self.assertRaises(gearshift.OutcomeUnknown):
            await self.client.send("nap.taken", {"id": "n-2"})
            await self.client.wait("n-2", "awake", timeout=0.2)
        await self.client.kill("n-2")
        with self.assertRaises(gearshift.Refused) as ended:
            await self.client.kill("n-2")
        self.assertEqual(ended.exception.problem.instance, "nap/n-2")
        await self.client.start("nap", {"id": "n-3"}, key="n-3")
        same = await self.client.start("nap", {"id": "n-3"}, key="n-3")
        self.assertEqual(same["verdict"]["verdict"], "duplicate")
        with self.assertRaises(gearshift.Refused) as other:
            await self.client.start("nap", {"id": "other"}, key="n-3")
        self.assertEqual(other.exception.problem.name, "exists_with_other_input")
        await self.client.kill("n-3")
        named = {"key": "n-4", "id": "s-1"}
        await self.client.start("nap", {"id": "n-4"}, **named)
        await self.client.kill("n-4")
        again = await self.client.start("nap", {"id": "n-4"}, **named)
        self.assertEqual(again["verdict"]["verdict"], "duplicate")
        anew = await self.client.start("nap", {"id": "n-4"}, key="n-4")
        self.assertEqual(anew["verdict"]["verdict"], "started")
        await self.client.kill("n-4")
        with self.assertRaises(gearshift.BadArgument):
            await self.client.start("nap", {"id": "n-5"}, id="s-2")

    async def test_whatever_goes_wrong_is_an_error_of_the_package(self) -> None:
        circle: List[Any] = []
        circle.append(circle)
        for data in ({1, 2}, float("nan"), circle, "\ud800"):
            for way in (self.client.send, self.client.publish):
                with self.assertRaisesRegex(gearshift.BadArgument, "is no JSON"):
                    await way("nap.taken", data)
        for name in ("", "nap taken", "nap.*", "nap..taken", "nap.>"):
            for way in (self.client.send, self.client.publish):
                with self.assertRaisesRegex(gearshift.BadArgument, "is no subject of NATS"):
                    await way(name, {})
        with self.assertRaisesRegex(gearshift.BadArgument, "is too large"):
            await self.client.send("nap.taken", {"id": "x" * 2_000_000})
        notices = self.client.watch(workflow="strange")
        read = asyncio.ensure_future(notices.__anext__())

        async def unreadable() -> bool:
            await self.caller.publish("gearshift.notice.strange.x", b"{")
            await asyncio.sleep(0)
            return read.done()

        await until(unreadable, "a notice that cannot be read is told")
        self.assertIsInstance(read.exception(), gearshift.Protocol)
        connection = await nats.connect(self.server.url)
        gone = Client(connection)
        await connection.close()
        for asked in (gone.show("x"), gone.publish("nap.taken", {}), gone.watch().__anext__()):
            with self.assertRaises(gearshift.Unreachable):
                await asked

    async def test_without_a_server_or_an_engine_nobody_is_reached(self) -> None:
        with self.assertRaises(gearshift.Unreachable):
            async with gearshift.connect({"servers": ["nats://127.0.0.1:9"]}):
                self.fail("nobody is there")
        connection = await nats.connect(self.server.url)
        await connection.close()
        with self.assertRaises(gearshift.Unreachable):
            await Client(connection).show("x")


if __name__ == "__main__":
    unittest.main()
