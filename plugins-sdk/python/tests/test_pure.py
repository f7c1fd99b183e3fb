"""What needs no server: bodies, headers, schemas, durations, the environment."""

from __future__ import annotations

import enum
import json
import unittest
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, TypedDict, Union

from gearshift import Context, Failure, Plugin, Step, Workflow, options_from_environment, wire
from gearshift.schema import from_json, schema_of, to_json
from gearshift.versions import Requirement


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    count: int = 1


@dataclass
class Order:
    items: List[Item]
    color: Color
    note: Optional[str] = None
    more: Dict[str, float] = field(default_factory=dict)
    inner: Optional[Order] = None


class Point(TypedDict):
    x: float
    y: float


class Wire(unittest.TestCase):
    def test_header_values_travel_like_those_of_the_engine(self) -> None:
        for text in ("a/b", "größe 7 %", '"x"', ""):
            self.assertEqual(wire.ce_decode(wire.ce_encode(text)), text)
        self.assertEqual(wire.ce_encode('ü "%'), "%C3%BC%20%22%25")
        self.assertEqual(wire.ce_decode("100% of %C3%BC"), "100% of ü")

    def test_any_text_is_one_subject_token(self) -> None:
        self.assertEqual(wire.escape("ann@x.org"), "ann@x=2Eorg")
        self.assertEqual(wire.escape("ü"), "=C3=BC")
        self.assertEqual(wire.escape(""), "=")

    def test_messages_of_failures_are_one_short_line(self) -> None:
        self.assertEqual(wire.one_line(" a\r\nb\x00 ", 10), "a  b")
        cut = wire.one_line("ü" * 600, 1024)
        self.assertLessEqual(len(cut.encode()), 1024)
        self.assertTrue(cut.endswith("ü…"))

    def test_a_failure_says_whether_to_ask_again_and_when(self) -> None:
        told = wire.failure_headers(Failure.retryable("busy", code=503, retry_after=1.5))
        self.assertEqual(told["Gearshift-Error-Kind"], "retryable")
        self.assertEqual(told["Nats-Service-Error-Code"], "503")
        self.assertEqual(told["Gearshift-Retry-After"], "1500ms")
        told = wire.failure_headers(Failure.permanent("no"))
        self.assertEqual(
            (told["Gearshift-Error-Kind"], told["Nats-Service-Error-Code"]), ("permanent", "422")
        )
        self.assertEqual(Failure.of(KeyError("x")).message, "KeyError: 'x'")
        self.assertTrue(Failure.of(ValueError()).is_retryable)

    def test_the_content_type_names_the_encoding(self) -> None:
        for kind in (None, "", "application/json; charset=utf-8", "application/x+json"):
            self.assertFalse(wire.is_msgpack(kind))
        self.assertTrue(wire.is_msgpack("Application/MsgPack"))
        with self.assertRaises(Failure) as refused:
            wire.is_msgpack("text/plain")
        self.assertEqual(refused.exception.code, "415")

    def test_bodies_that_are_none_are_refused_and_never_sent(self) -> None:
        for body, packed in ((b"{", False), (b"\xc1", True), (b"\x01\x02", True)):
            with self.assertRaises(Failure) as refused:
                wire.decode(body, packed)
            self.assertEqual((refused.exception.code, refused.exception.kind), ("400", "permanent"))
        self.assertIsNone(wire.decode(b"", False))
        for value in (float("nan"), {"a": object()}):
            with self.assertRaises(Failure):
                wire.encode(value, False)
        value = {"a": [1, None, 2.5, "ü"]}
        for packed in (False, True):
            self.assertEqual(wire.decode(wire.encode(value, packed), packed), value)

    def test_an_object_stands_for_a_body(self) -> None:
        self.assertEqual(wire.object_place(b'{"$object": "bodies/a-1.b"}'), ("bodies", "a-1.b"))
        for body in (b'{"$object": "a/../b"}', b'{"$object": "x", "y": 1}', b"[]", b'{"$object'):
            self.assertIsNone(wire.object_place(body))


class Schemas(unittest.TestCase):
    def test_hints_become_json_schema(self) -> None:
        schema = schema_of(Order)
        assert schema is not None
        self.assertEqual(schema["required"], ["items", "color"])
        self.assertEqual(schema["properties"]["color"], {"enum": ["red", "blue"]})
        self.assertEqual(schema["properties"]["note"], {"type": ["string", "null"]})
        self.assertEqual(schema["properties"]["items"]["items"]["required"], ["name"])
        self.assertEqual(schema["properties"]["inner"], {}, "what holds itself is not unrolled")
        self.assertIsNone(schema_of(Any))
        point = schema_of(Point)
        assert point is not None
        self.assertEqual(point["required"], ["x", "y"])
        json.dumps(schema)

    def test_values_become_what_the_hints_ask_for(self) -> None:
        told = {"items": [{"name": "lamp", "unknown": 1}], "color": "red", "more": {"a": 1}}
        order = from_json(Order, told)
        self.assertEqual(order, Order([Item("lamp")], Color.RED, more={"a": 1.0}))
        self.assertEqual(to_json(order)["color"], "red")
        self.assertEqual(from_json(Order, {**told, "inner": told}).inner, order)
        self.assertEqual(from_json(Union[int, str], "x"), "x")

    def test_what_does_not_fit_is_named(self) -> None:
        wrong = {
            "`color` is missing": {"items": []},
            "`items[0].count` is not of type `integer`": {
                "items": [{"name": "a", "count": True}],
                "color": "red",
            },
            "`color` is not one of 'red', 'blue'": {"items": [], "color": "green"},
            "`items` is not a list": {"items": 1, "color": "red"},
            "the input is not an object": [],
        }
        for words, value in wrong.items():
            with self.assertRaises(ValueError) as refused:
                from_json(Order, value)
            self.assertIn(words, str(refused.exception))


class Operations(unittest.IsolatedAsyncioTestCase):
    async def test_functions_of_every_shape_are_operations(self) -> None:
        plugin = Plugin("shapes", "1.0.0")

        @plugin.operation()
        def plain(item: Item) -> Item:
            return Item(item.name, item.count + 1)

        @plugin.operation()
        async def both(context: Context, value: int) -> int:
            return value + context.attempt

        @plugin.operation("alone")
        async def only_context(context: Context) -> int:
            return context.attempt

        @plugin.operation()
        def nothing() -> str:
            return "ok"

        self.assertEqual(await plugin.call("plain", {"name": "a"}), {"name": "a", "count": 2})
        again = Context({"gearshift-attempt": "3"})
        self.assertEqual(await plugin.call("both", 4, context=again), 7)
        self.assertEqual(await plugin.call("alone"), 1)
        self.assertEqual(await plugin.call("nothing", {"x": 1}), "ok")
        with self.assertRaises(Failure) as refused:
            await plugin.call("plain", {"name": 7})
        self.assertEqual((refused.exception.code, refused.exception.kind), ("400", "permanent"))

    async def test_an_exception_is_retryable_unless_the_call_must_not_be_repeated(self) -> None:
        plugin = Plugin("raises", "1.0.0")

        def broken() -> None:
            raise OSError("the disk is away")

        plugin.operation("again")(broken)
        plugin.operation("once", idempotent=False)(broken)
        with self.assertLogs("gearshift", "WARNING"):
            for name, kind in (("again", "retryable"), ("once", "permanent")):
                with self.assertRaises(Failure) as failed:
                    await plugin.call(name)
                self.assertEqual(failed.exception.kind, kind)
                self.assertEqual(failed.exception.message, "OSError: the disk is away")

    def test_what_is_wrong_with_a_plugin_is_said_at_once(self) -> None:
        plugin = Plugin("p", "1.0.0")
        for wrong in (
            lambda: Plugin("no name", "1.0.0"),
            lambda: Plugin("p", "1.0"),
            lambda: Plugin("p", "1.0.0", reliability=2.0),
            lambda: plugin.operation("a.b")(lambda x: x),
            lambda: plugin.operation("a", heartbeat=3)(lambda x: x),
            lambda: plugin.requires("a b"),
        ):
            with self.assertRaises(ValueError):
                wrong()
        with self.assertRaisesRegex(TypeError, r"takes `\(input\)` or `\(context, input\)`"):
            plugin.operation("three")(lambda a, b, c: a)
        plugin.operation("twice")(lambda x: x)
        with self.assertRaisesRegex(ValueError, "`twice` is there twice"):
            plugin.operation("twice")(lambda x: x)

    def test_a_plugin_tells_about_itself(self) -> None:
        plugin = Plugin(
            "p", "2.1.0", concurrency=4, interfaces=["checker"], weight=3, reliability=0.99
        )
        plugin.requires("parser", ">=1.0.0").requires("cache", optional=True)
        told = plugin.metadata()
        self.assertEqual(told["gearshift.plugin"], "1")
        self.assertEqual(json.loads(told["gearshift.interfaces"]), ["checker"])
        self.assertEqual(
            json.loads(told["gearshift.requires"])[0],
            {"plugin": "parser", "version": ">=1.0.0", "optional": False},
        )
        self.assertEqual(
            [told[f"gearshift.{key}"] for key in ("weight", "reliability", "concurrency")],
            ["3", "0.99", "4"],
        )
        self.assertNotIn("gearshift.priority", told)

        @plugin.operation(long=True, heartbeat=2.5, timeout=60)
        def work(item: Item) -> None: ...

        told = plugin.operations["work"].metadata()
        self.assertEqual(told["gearshift.heartbeat"], "2500ms")
        self.assertEqual(told["gearshift.timeout"], "60s")
        self.assertEqual(json.loads(told["gearshift.input"])["title"], "Item")

    def test_a_context_reads_the_headers_of_a_call(self) -> None:
        context = Context(
            {
                "Gearshift-Call-Id": "c-1",
                "Gearshift-Instance": "order/a%20b",
                "Gearshift-Deadline": "2026-01-02T03:04:05.678Z",
            }
        )
        self.assertEqual(
            (context.call_id, context.instance, context.attempt), ("c-1", "order/a b", 1)
        )
        self.assertEqual(
            context.deadline, datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
        )
        self.assertIsNone(Context({"Gearshift-Deadline": "soon"}).deadline)
        for attempt in ("", "0", "-1", "²", "x", "1" * 11):
            self.assertEqual(Context({"Gearshift-Attempt": attempt}).attempt, 1)


class Versions(unittest.TestCase):
    def test_requirements_mean_what_they_mean_to_the_engine(self) -> None:
        rows = {
            "^1.2": (["1.2.0", "1.9.3"], ["1.1.9", "2.0.0", "2.0.0-rc.1", "1.3.0-rc.1"]),
            "1.2.3": (["1.2.3", "1.4.0"], ["1.2.2", "2.0.0"]),
            "^0.2.3": (["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
            "^0.0.3": (["0.0.3"], ["0.0.4"]),
            "^0.0": (["0.0.7"], ["0.1.0"]),
            "^0": (["0.7.1"], ["1.0.0"]),
            "~1.2.3": (["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
            "~1": (["1.9.0"], ["2.0.0"]),
            ">=1.0.0, <2": (["1.0.0", "1.99.0"], ["0.9.0", "2.0.0"]),
            ">1.2": (["1.3.0"], ["1.2.9"]),
            "<=1.2": (["1.2.9", "0.1.0"], ["1.3.0"]),
            "=1.2": (["1.2.0", "1.2.7"], ["1.3.0"]),
            "1.*": (["1.0.0", "1.8.0"], ["2.0.0"]),
            "*": (["0.0.1", "7.0.0"], ["1.0.0-rc.1"]),
            ">=1.0.0-rc.2": (
                ["1.0.0-rc.2", "1.0.0-rc.10", "1.0.0", "1.1.0"],
                ["1.0.0-rc.1", "1.1.0-rc.3"],
            ),
        }
        for text, (good, bad) in rows.items():
            requirement = Requirement(text)
            for version in good:
                self.assertTrue(requirement.accepts(version), f"{text} {version}")
            for version in [*bad, "1", "x"]:
                self.assertFalse(requirement.accepts(version), f"{text} {version}")
        for text in ("", "newest", ">=", "1.2.3.4", "1,"):
            with self.assertRaises(ValueError):
                Requirement(text)


class Environment(unittest.TestCase):
    def test_the_server_is_that_of_the_command_else_that_of_nats_else_the_local_one(self) -> None:
        def servers(**known: str) -> Any:
            return options_from_environment(known)["servers"]

        self.assertEqual(servers(), ["nats://127.0.0.1:4222"])
        self.assertEqual(servers(NATS_URL="nats://a:1"), ["nats://a:1"])
        both = servers(NATS_URL="nats://a:1", GEARSHIFT_SERVER="tls://b:2, tls://c:3")
        self.assertEqual(both, ["tls://b:2", "tls://c:3"])
        door = servers(NATS_URL="nats://a:1", GEARSHIFT_SERVER="http://127.0.0.1:4500")
        self.assertEqual(door, ["nats://a:1"], "an engine's HTTP door is no NATS server")

    def test_a_login_is_not_put_together_from_both_kinds_of_variables(self) -> None:
        theirs = {"NATS_USER": "eve", "NATS_PASSWORD": "pw"}
        told = options_from_environment(theirs)
        self.assertEqual((told["user"], told["password"]), ("eve", "pw"))
        told = options_from_environment({**theirs, "GEARSHIFT_NATS_TOKEN": "t"})
        self.assertEqual((told.get("user"), told["token"]), (None, "t"))
        told = options_from_environment({"GEARSHIFT_NATS_INBOX_PREFIX": "_INBOX_pay.>"})
        self.assertEqual(told["inbox_prefix"], "_INBOX_pay")


class Workflows(unittest.TestCase):
    def test_a_workflow_is_what_a_file_would_say(self) -> None:
        workflow = Workflow("w", "Title", mode="sequential")
        workflow.add(Step("a", "p", "op", {"x": 1}, timeout="5s")).add(
            Step("b", "p", "op", needs=["a"])
        )
        self.assertEqual(
            json.loads(workflow.to_json()),
            {
                "workflow": "w",
                "version": 1,
                "title": "Title",
                "mode": "sequential",
                "steps": {
                    "a": {"call": "p.op", "with": {"x": 1}, "timeout": "5s"},
                    "b": {"call": "p.op", "needs": ["a"]},
                },
            },
        )
        with self.assertRaises(ValueError):
            workflow.add(Step("a", "p", "op"))


if __name__ == "__main__":
    unittest.main()
