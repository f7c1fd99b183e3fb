"""A plugin on a real server, asked as the engine asks it."""

from __future__ import annotations

import asyncio
import json
import threading
import unittest
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Dict, List
from unittest import mock

import msgpack
import nats.errors
from nats.errors import NoRespondersError
from world import OnServer, until

from gearshift import Context, Failure, Plugin, requires

JSON = "application/json"
PACKED = "application/msgpack"


@dataclass
class Document:
    title: str


def validator() -> Plugin:
    plugin = Plugin("validator", "1.2.0", interfaces=["document-validator"])

    @plugin.operation("validate_document", timeout=5)
    async def validate(context: Context, document: Document) -> Dict[str, Any]:
        if not document.title:
            raise Failure.permanent("title is missing")
        if document.title == "busy":
            raise Failure.retryable("busy\nnow", code=503, retry_after=0.25)
        return {"words": len(document.title.split()), "for": context.instance}

    return plugin


class Calls(OnServer):
    subject = "gearshift.plugin.validator.v1.validate_document"

    async def test_a_call_is_answered_in_its_own_encoding_with_the_load(self) -> None:
        await self.serve(validator())
        sent = {
            "Gearshift-Instance": "w/a%20b",
            "Gearshift-Call-Id": "c1",
            "Gearshift-Attempt": "2",
        }
        reply = await self.call(self.subject, {"title": "a b"}, sent)
        self.assertEqual(json.loads(reply.data), {"words": 2, "for": "w/a b"})
        self.assertEqual(reply.headers, {"Content-Type": JSON, "Gearshift-Load": "0/16"})
        body = msgpack.packb({"title": "a b c"})
        reply = await self.call(self.subject, body, {"content-type": PACKED})
        self.assertEqual(msgpack.unpackb(reply.data), {"words": 3, "for": ""})
        assert reply.headers is not None
        self.assertEqual(reply.headers["Content-Type"], PACKED)

    async def test_failures_say_whether_to_ask_again(self) -> None:
        await self.serve(validator())
        for body, code, kind, words in (
            ({"title": ""}, "422", "permanent", "title is missing"),
            ({"title": "busy"}, "503", "retryable", "busy now"),
            ({}, "400", "permanent", "invalid_input: `title` is missing"),
            (b"{", "400", "permanent", "invalid_input"),
            # It travels inline where not everybody reads objects.
            ({"name": "x" * 70_000}, "400", "permanent", "invalid_input: `title` is missing"),
        ):
            told = (await self.call(self.subject, body)).headers
            assert told is not None
            self.assertEqual(told["Nats-Service-Error-Code"], code)
            self.assertEqual(told["Gearshift-Error-Kind"], kind)
            self.assertIn(words, told["Nats-Service-Error"])
            self.assertEqual(told.get("Gearshift-Retry-After"), "250ms" if code == "503" else None)

    async def test_an_answer_that_cannot_be_made_is_answered_too(self) -> None:
        plugin = Plugin("odd", "1.0.0")

        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        @plugin.operation()
        async def fail(how: str) -> None:
            failure = Failure.permanent("no", code=how)
            if how == "late":
                failure.retry_after = "30s"  # type: ignore[assignment]
            raise Mute if how == "mute" else failure

        await self.serve(plugin)
        with self.assertLogs("gearshift", "WARNING"):
            for how, code, words in (
                ("late", "500", "the answer could not be made: TypeError"),
                ("mute", "500", "the answer could not be made: RuntimeError"),
                ("no\nstock", "no stock", "no"),
                ("x" * 100, "x" * 61 + "…", "no"),
            ):
                told = (await self.call("gearshift.plugin.odd.v1.fail", how)).headers
                assert told is not None
                self.assertEqual(told["Nats-Service-Error-Code"], code)
                self.assertEqual(told["Nats-Service-Error"], words)
                self.assertEqual(told["Gearshift-Error-Kind"], "permanent")

    async def test_it_is_found_with_its_schemas_and_counts_its_calls(self) -> None:
        running = await self.serve(validator())
        info = json.loads((await self.call("$SRV.INFO.validator", b"")).data)
        self.assertEqual((info["id"], info["version"]), (running.id, "1.2.0"))
        self.assertEqual(info["type"], "io.nats.micro.v1.info_response")
        self.assertEqual(info["metadata"]["gearshift.interfaces"], '["document-validator"]')
        [endpoint] = info["endpoints"]
        self.assertEqual((endpoint["subject"], endpoint["queue_group"]), (self.subject, "q"))
        schema = json.loads(endpoint["metadata"]["gearshift.input"])
        self.assertEqual(schema["properties"], {"title": {"type": "string"}})
        await self.call(self.subject, {"title": "a"})
        await self.call(f"{self.subject}.{running.id}", {"title": ""})
        stats = json.loads((await self.call(f"$SRV.STATS.validator.{running.id}", b"")).data)
        [counted] = stats["endpoints"]
        self.assertEqual((counted["num_requests"], counted["num_errors"]), (2, 1))
        self.assertEqual(counted["last_error"], "422: title is missing")
        self.assertEqual(counted["data"], {"state": "active", "in_flight": 0, "capacity": 16})
        ping = json.loads((await self.call("$SRV.PING", b"")).data)
        self.assertEqual(ping["name"], "validator")

    async def test_a_cancelled_call_is_told_so(self) -> None:
        plugin = Plugin("sleeper", "1.0.0")
        started: List[str] = []

        @plugin.operation()
        async def wait(context: Context, value: Any) -> None:
            started.append(context.call_id)
            await context.wait_cancelled()
            raise Failure.cancelled()

        @plugin.operation()
        def block(context: Context, value: Any) -> None:
            started.append(context.call_id)
            while not context.cancelled():
                threading.Event().wait(0.005)
            raise Failure.cancelled()

        await self.serve(plugin)
        for operation in ("wait", "block"):
            subject, sent = f"gearshift.plugin.sleeper.v1.{operation}", operation
            asked = asyncio.ensure_future(self.call(subject, 1, {"Gearshift-Call-Id": sent}))
            await until(partial(started.__contains__, sent), f"`{sent}` is called")
            await self.caller.publish("gearshift.cancel.another", b"")
            await self.caller.publish(f"gearshift.cancel.{sent}", b"")
            told = (await asked).headers
            assert told is not None
            self.assertEqual(told["Nats-Service-Error-Code"], "499")

    async def test_what_exceeds_the_concurrency_waits_and_load_is_announced(self) -> None:
        plugin = Plugin("narrow", "1.0.0", concurrency=4)
        inside = threading.Semaphore(0)
        most: List[int] = []
        count = [0]
        lock = threading.Lock()

        @plugin.operation()
        def block(value: int) -> int:
            with lock:
                count[0] += 1
                most.append(count[0])
            inside.acquire()
            with lock:
                count[0] -= 1
            return value

        told = await self.heard("gearshift.announce.narrow")
        running = await self.serve(plugin)
        asked = [
            asyncio.ensure_future(self.call("gearshift.plugin.narrow.v1.block", number))
            for number in range(9)
        ]
        await until(lambda: running.in_flight == 4, "four calls are under way")
        for _ in range(9):
            inside.release()
        answers = [json.loads(reply.data) for reply in await asyncio.gather(*asked)]
        self.assertEqual(answers, list(range(9)))
        self.assertEqual(max(most), 4)
        await until(lambda: told and told[-1]["event"] == "available", "there is room again")
        self.assertEqual(told[0]["event"], "registered")
        self.assertEqual((told[0]["id"], told[0]["state"]), (running.id, "active"))
        self.assertEqual(told[1]["event"], "overloaded")
        self.assertEqual((told[1]["in_flight"], told[1]["capacity"]), (4, 4))

    async def test_an_event_of_another_attempt_is_stored_once(self) -> None:
        stream = self.caller.jetstream()
        await stream.add_stream(name="scans", subjects=["document.scanned"])
        plugin = Plugin("scanner", "1.0.0")

        @plugin.operation()
        async def scan(context: Context, pages: int) -> None:
            for page in range(pages):
                await context.emit("document.scanned", {"page": page})

        @plugin.operation()
        def scan_blocking(context: Context, pages: int) -> None:
            context.emit_blocking("document.scanned", {"page": pages}, event_id="mine")

        await self.serve(plugin)
        for attempt in ("1", "2"):
            sent = {"Gearshift-Call-Id": "call-7", "Gearshift-Attempt": attempt}
            reply = await self.call("gearshift.plugin.scanner.v1.scan", 2, sent)
            self.assertEqual(reply.data, b"null", reply.headers)
        reply = await self.call("gearshift.plugin.scanner.v1.scan_blocking", 9)
        self.assertEqual(reply.data, b"null", reply.headers)
        stored = [await stream.get_msg("scans", number) for number in (1, 2, 3)]
        self.assertEqual((await stream.stream_info("scans")).state.messages, 3)
        self.assertEqual([json.loads(one.data or b"")["page"] for one in stored], [0, 1, 9])
        headers = [one.headers or {} for one in stored]
        self.assertEqual([one["ce-id"] for one in headers], ["call-7.1", "call-7.2", "mine"])
        self.assertEqual(headers[0]["ce-source"], "plugin/scanner")


class Lives(OnServer):
    async def shown(self, name: str) -> Any:
        """Id, state and operations of the one instance, as everybody finds it."""
        info = json.loads((await self.call(f"$SRV.INFO.{name}", b"")).data)
        return info["id"], info["metadata"].get("gearshift.state"), info["endpoints"]

    async def test_hooks_run_in_order_and_calls_under_way_are_answered(self) -> None:
        plugin = Plugin("life", "1.0.0")
        happened: List[str] = []
        go_on = asyncio.Event()

        @plugin.on_initialize
        async def initialize() -> None:
            happened.append("initialize")
            self.assertEqual((await self.shown("life"))[1:], ("initializing", []))
            info = json.loads((await self.call("$SRV.INFO.life", b"")).data)
            self.assertRegex(info["metadata"]["gearshift.since"], r"^20\d\d-.*Z$")

        @plugin.on_activate
        def activate() -> None:
            happened.append("activate")

        @plugin.on_deactivate
        async def deactivate() -> None:
            happened.append("deactivate")

        @plugin.on_cleanup
        def cleanup() -> None:
            happened.append("cleanup")

        @plugin.operation()
        async def work(value: int) -> int:
            happened.append("called")
            await go_on.wait()
            happened.append("answered")
            return value

        told = await self.heard("gearshift.announce.life")
        running = await self.serve(plugin)
        subject = "gearshift.plugin.life.v1.work"
        asked = asyncio.ensure_future(self.call(subject, 5))
        await until(lambda: "called" in happened, "it is called")
        draining = asyncio.ensure_future(running.drain())

        async def is_gone() -> bool:
            try:
                await self.caller.request(subject, b"no number", timeout=0.05)
            except NoRespondersError:
                return True
            except nats.errors.TimeoutError:
                pass
            return False

        await until(is_gone, "it takes no more calls")
        self.assertEqual(await self.shown("life"), (running.id, "deactivating", []))
        self.assertEqual(running.state, "deactivating")
        go_on.set()
        self.assertEqual(json.loads((await asked).data), 5)
        await draining
        self.assertEqual(
            happened,
            ["initialize", "activate", "called", "answered", "deactivate", "cleanup"],
        )
        await until(lambda: len(told) == 3, "it takes leave")
        said = [(one["event"], one["state"]) for one in told[1:]]
        self.assertEqual(said, [("unregistered", "deactivating"), ("state", "stopped")])
        self.assertEqual(running.state, "stopped")
        with self.assertRaises(NoRespondersError):
            await self.call("$SRV.INFO.life", b"")

    async def test_a_required_plugin_is_waited_for(self) -> None:
        told = await self.heard("gearshift.announce.reader")
        reader = Plugin("reader", "1.0.0").requires("parser", "^1.2")
        reader.requires("cache", optional=True)
        served = asyncio.ensure_future(self.serve(reader))
        await until(lambda: told, "it says what it waits for")
        self.assertEqual((told[0]["event"], told[0]["state"]), ("state", "initializing"))
        self.assertEqual(told[0]["missing"], ["parser ^1.2"])
        self.assertEqual(await self.shown("reader"), (told[0]["id"], "initializing", []))
        # Whoever waits for it goes on waiting.
        wanted = [requires.Required("reader", "*", False)]
        self.assertEqual(await requires.missing(self.caller, wanted), wanted)
        old = await self.serve(Plugin("parser", "1.1.0"))
        await self.serve(Plugin("parser", "1.3.0"))
        running = await served
        self.assertEqual(running.state, "active")
        self.assertEqual(await self.shown("reader"), (running.id, None, []))
        self.assertEqual(await requires.missing(self.caller, wanted), [])
        await until(lambda: told[-1]["event"] == "registered", "it is registered")
        self.assertNotIn("missing", told[-1])
        await old.drain()

    async def test_without_what_it_requires_it_is_served_as_degraded(self) -> None:
        told = await self.heard("gearshift.announce.reader")
        reader = Plugin("reader", "1.0.0", requires_within=0.0).requires("parser", ">=1.0.0")

        @reader.operation()
        async def read(page: int) -> int:
            return page

        with mock.patch.object(requires, "AGAIN", (0.05, 0.05)):
            running = await self.serve(reader)
            self.assertEqual(running.state, "degraded")
            reply = await self.call("gearshift.plugin.reader.v1.read", 7)
            self.assertEqual(reply.data, b"7")
            parser = await self.serve(Plugin("parser", "1.0.0"))
            await until(lambda: running.state == "active", "all is there")
            await parser.drain()
            await until(lambda: running.state == "degraded", "it is gone again")
        await until(lambda: len(told) == 3, "it tells so")
        said = [(one["event"], one["state"], one.get("missing")) for one in told]
        gone = ["parser >=1.0.0"]
        self.assertEqual(
            said,
            [
                ("registered", "degraded", gone),
                ("state", "active", None),
                ("state", "degraded", gone),
            ],
        )

    async def test_a_plugin_that_cannot_start_cleans_up(self) -> None:
        plugin = Plugin("broken", "1.0.0")
        cleaned: List[bool] = []

        @plugin.on_activate
        def activate() -> None:
            raise OSError("the disk is away")

        @plugin.on_cleanup
        def cleanup() -> None:
            cleaned.append(True)

        with self.assertRaisesRegex(OSError, "the disk is away"):
            await plugin.serve(self.nats)
        self.assertEqual(cleaned, [True])

    async def test_no_call_is_lost_while_instances_come_and_go(self) -> None:
        lives = 12
        subject = "gearshift.plugin.passing.v1.work"
        answered = 0
        over = False

        async def ask() -> None:
            nonlocal answered
            while not over:
                reply = await self.caller.request(subject, b"1", timeout=10)
                self.assertEqual(reply.data, b"1")
                answered += 1

        def passing() -> Plugin:
            plugin = Plugin("passing", "1.0.0")

            @plugin.operation()
            async def work(value: int) -> int:
                return value

            return plugin

        running = await passing().serve(self.nats)
        asking = [asyncio.ensure_future(ask()) for _ in range(8)]
        for _ in range(lives):
            before = answered
            following = await passing().serve(self.nats)
            await running.drain()
            running = following

            def went_on(before: int = before) -> bool:
                return answered > before + 20

            await until(went_on, "calls are answered")
        over = True
        await asyncio.gather(*asking)
        await running.drain()


if __name__ == "__main__":
    unittest.main()
