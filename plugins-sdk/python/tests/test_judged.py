"""What is judged before it is sent: answers, hints, workflows, and what is waited for."""

from __future__ import annotations

import ast
import asyncio
import datetime
import enum
import json
import subprocess
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Literal, Optional, Tuple, TypedDict, Union
from unittest import mock

import msgpack
from world import PATIENCE, OnServer, program

from gearshift import BadArgument, Client, Context, Failure, Plugin, Step, Trial, Workflow
from gearshift.schema import from_json, misfit, schema_of
from gearshift.workflow import FIELDS, MODES


PACKED = "application/msgpack"


class Size(enum.Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Parcel:
    size: Size
    weight: float
    notes: List[str]


class Place(TypedDict):
    x: float


#: No note, whatever type checkers think.
SEVEN: Any = 7
Cyclic: List[Any] = []
Cyclic.append(Cyclic)

#: Hint of the answer, what is answered, and why that is none; `None` where it is one.
ANSWERS: List[Tuple[Any, Any, Optional[str]]] = [
    (Any, object(), "it is of type `object`, which JSON has not"),
    (Any, float("nan"), "it is `nan`, which JSON has not"),
    (Any, {"a": [1, float("inf")]}, "`a[1]` is `inf`, which JSON has not"),
    (Any, {"at": datetime.date(2026, 1, 2)}, "`at` is of type `date`, which JSON has not"),
    (Any, b"abc", "it is of type `bytes`, which JSON has not"),
    (Any, {(1, 2): 3}, "it has a key of type `tuple`, which JSON has not"),
    (Any, Cyclic, "it holds itself"),
    (Any, "\ud800", "surrogates not allowed"),
    (Any, {1: "a", Size.LARGE: "b", True: "c"}, None),
    (int, "7", "it is not of type `integer`: it came as `string`"),
    (int, True, "it is not of type `integer`: it came as `boolean`"),
    (int, 1.5, "it is not of type `integer`: it came as `number`"),
    (int, 1.0, None),
    (float, 1, None),
    (str, None, "it is not of type `string`: it came as `null`"),
    (Optional[str], None, None),
    (None, 7, "it is not of type `null`: it came as `integer`"),
    (Dict[str, int], {"a": 1, "b": "x"}, "`b` is not of type `integer`"),
    (List[Place], [{"x": 1, "y": 2}], None),
    (List[Place], [{"y": 2}], "`[0].x` is missing"),
    (Union[List[int], Dict[str, int]], ["a"], "it is nothing that the schema allows"),
    (Literal["a", "b"], "c", "it is none of the values that the schema allows"),
    (Literal[1], True, "it is none of the values that the schema allows"),
    (Parcel, Parcel(Size.SMALL, 2, ["a"]), None),
    (Parcel, Parcel(Size.SMALL, 2, [SEVEN]), "`notes[0]` is not of type `string`"),
    (Parcel, {"size": 3, "weight": 1, "notes": []}, "`size` is none of the values"),
]


def answering(plugin: Plugin, name: str, hint: Any, answer: Any) -> None:
    def give(_value: Any) -> Any:
        return answer

    give.__annotations__["return"] = hint
    plugin.operation(name)(give)


class Answers(OnServer):
    async def test_tests_judge_answers_as_callers_of_a_running_plugin_see_them(self) -> None:
        plugin = Plugin("answers", "1.0.0")
        for number, (hint, answer, _) in enumerate(ANSWERS):
            answering(plugin, f"o{number}", hint, answer)
        await self.serve(plugin)
        with self.assertLogs("gearshift", "WARNING") as told:
            for number, (_, _, reason) in enumerate(ANSWERS):
                with self.subTest(ANSWERS[number]):
                    await self.judged(plugin, f"o{number}", reason)
        self.assertIn("`o0` gave an answer that is none: it is of type `object`", told.output[0])

    async def judged(self, plugin: Plugin, name: str, reason: Optional[str]) -> None:
        subject, packed = f"gearshift.plugin.answers.v1.{name}", {"Content-Type": PACKED}
        replies = [await self.call(subject, b"null")]
        replies += [await self.call(subject, msgpack.packb(None), packed)]
        if reason is None:
            given = await plugin.call(name)
            answers = [json.loads(replies[0].data), msgpack.unpackb(replies[1].data)]
            self.assertEqual(answers, [given, given])
            return
        with self.assertRaises(Failure) as failed:
            await plugin.call(name)
        error = failed.exception
        self.assertEqual((error.code, error.kind), ("500", "permanent"))
        self.assertTrue(error.message.startswith("invalid_output: "), error.message)
        self.assertIn(reason, error.message)
        for reply in replies:
            assert reply.headers is not None
            self.assertEqual(reply.headers["Nats-Service-Error-Code"], "500")
            self.assertEqual(reply.headers["Gearshift-Error-Kind"], "permanent")
            self.assertIn("invalid_output: ", reply.headers["Nats-Service-Error"])
        self.assertIn(error.message[:60], (replies[0].headers or {})["Nats-Service-Error"])

    async def test_what_is_too_large_is_so_in_a_test_as_well(self) -> None:
        plugin = Plugin("large", "1.0.0")
        answering(plugin, "fill", str, "x" * (8 * 1024 * 1024))
        with self.assertRaisesRegex(Failure, "exceeds the limit") as failed:
            await plugin.call("fill")
        self.assertEqual(failed.exception.code, "413")

    async def test_what_a_test_gives_is_what_a_caller_could_send(self) -> None:
        plugin = Plugin("echo", "1.0.0")

        @plugin.operation()
        def say(value: Any) -> Any:
            return value

        self.assertEqual(await plugin.call("say", {"a": (1, 2)}), {"a": [1, 2]})
        for nothing in (object(), float("nan"), Parcel(Size.SMALL, 1.0, [])):
            with self.assertRaisesRegex(BadArgument, "what is given to `say` is no JSON"):
                await plugin.call("say", nothing)
        await self.serve(plugin)
        for body in (b"NaN", b"[-Infinity]"):
            told = (await self.call("gearshift.plugin.echo.v1.say", body)).headers
            assert told is not None
            self.assertEqual(told["Nats-Service-Error-Code"], "400")


class Trials(unittest.IsolatedAsyncioTestCase):
    async def test_a_trial_keeps_what_an_operation_told_and_published(self) -> None:
        plugin = Plugin("pages", "1.0.0")

        @plugin.operation(long=True)
        async def scan(context: Context, pages: int) -> Dict[str, Any]:
            for page in range(pages):
                context.heartbeat(100 * page / pages, f"page {page}")
            await context.emit("page.scanned", Parcel(Size.LARGE, 1.5, []))
            return {"attempt": context.attempt, "by": context.instance, "step": context.step}

        @plugin.operation
        def scan_blocking(context: Context) -> bool:
            context.emit_blocking("page.scanned", {"at": 1})
            return 0 < (context.remaining() or 0) <= 60

        trial = Trial(attempt=3, instance="w/ä")
        told = await plugin.call("scan", 2, context=trial)
        self.assertEqual(told, {"attempt": 3, "by": "w/ä", "step": "test"})
        self.assertEqual(trial.heartbeats, [(0, "page 0"), (50, "page 1")])
        parcel = {"size": 2, "weight": 1.5, "notes": []}
        self.assertEqual(trial.events, [("page.scanned", parcel)])
        trial = Trial(time_left=60)
        self.assertIs(await plugin.call("scan_blocking", context=trial), True)
        self.assertEqual(trial.events, [("page.scanned", {"at": 1})])

    async def test_a_trial_is_cancelled_before_or_meanwhile(self) -> None:
        plugin, trial = Plugin("sleeper", "1.0.0"), Trial()

        @plugin.operation
        async def wait(context: Context) -> None:
            trial.cancel()
            await context.wait_cancelled()
            raise Failure.cancelled()

        for _ in range(2):
            with self.assertRaises(Failure) as failed:
                await plugin.call("wait", context=trial)
            self.assertEqual(failed.exception.code, "499")

        @plugin.operation
        async def wait_on(context: Context) -> None:
            await context.wait_cancelled()
            raise Failure.cancelled()

        with self.assertRaises(Failure):
            await asyncio.wait_for(plugin.call("wait_on", context=Trial(time_left=0.01)), PATIENCE)

    async def test_an_event_that_json_has_not_fails_in_a_test_as_well(self) -> None:
        plugin = Plugin("odd", "1.0.0")

        @plugin.operation
        async def emit(context: Context) -> None:
            await context.emit("page.scanned", {"at": datetime.date(2026, 1, 2)})

        @plugin.operation
        def emit_blocking(context: Context) -> None:
            context.emit_blocking("page.scanned", object())

        for name in ("emit", "emit_blocking"):
            with self.assertRaisesRegex(Failure, "`page.scanned` .* which JSON has not") as failed:
                await plugin.call(name, context=Trial())
            self.assertEqual((failed.exception.code, failed.exception.kind), ("500", "permanent"))


class Numbers(unittest.TestCase):
    def test_a_whole_number_is_an_integer_however_it_is_written(self) -> None:
        rows: List[Tuple[Any, Any, Any]] = [
            (int, 1.0, 1),
            (int, -3e2, -300),
            (float, 2, 2.0),
            (Optional[int], 4.0, 4),
            (Literal[1, 2], 2.0, 2),
            (Size, 2.0, Size.LARGE),
        ]
        for hint, value, read in rows:
            found = from_json(hint, value)
            self.assertEqual((found, type(found)), (read, type(read)))
            self.assertIsNone(misfit(schema_of(hint) or {}, value))
        for hint, value in ((int, 1.5), (int, True), (float, True), (Literal[1], True)):
            with self.assertRaises(ValueError):
                from_json(hint, value)
            self.assertIsNotNone(misfit(schema_of(hint) or {}, value))
        for value in (True, 3, None):
            with self.assertRaisesRegex(ValueError, "is not one of 1, 2"):
                from_json(Size, value)


class Hints(unittest.TestCase):
    def refused(self, hint: Any, words: str) -> None:
        def take(value: Any) -> None: ...

        def give(value: Any) -> Any: ...

        take.__annotations__["value"] = hint
        give.__annotations__["return"] = hint
        for function in (take, give):
            with self.assertRaisesRegex(BadArgument, words):
                Plugin("p", "1.0.0").operation("o")(function)

    def test_what_is_no_type_is_refused_where_the_function_becomes_an_operation(self) -> None:
        self.refused(5, "hint of its (input|output) is no type: `5`")
        self.refused([int], "is no type: ")
        self.refused((int, str), "is no type: ")
        self.refused({"a": int}, "is no type: ")
        self.refused(any, "is no type: `any`")
        self.refused(json, "is no type: `json`")
        self.refused(Optional[Dict[str, "5"]], "is no type")  # type: ignore[valid-type]

        @dataclass
        class Wrong:
            count: 7  # type: ignore[valid-type]

        self.refused(Wrong, "`Wrong[`.]")

        class Odd(enum.Enum):
            ONE = object()

        self.refused(Odd, "no schema can be made of its hints")

    def test_what_json_has_not_is_warned_of(self) -> None:
        def take(at: datetime.date) -> None: ...

        def give() -> Optional[bytes]: ...

        with self.assertLogs("gearshift", "WARNING") as told:
            Plugin("p", "1.0.0").operation("o")(take)
            Plugin("p", "1.0.0").operation("o")(give)
        self.assertIn("no `date` is made of the input", told.output[0])
        self.assertIn("a `bytes` is nothing that JSON has", told.output[1])

    def test_a_class_may_be_defined_further_down_but_not_nowhere(self) -> None:
        plugin = Plugin("p", "1.0.0")

        @plugin.operation("o")
        def take(value: Outer) -> None: ...

        with self.assertRaisesRegex(BadArgument, "a hint is no type: .*`?Inner"):
            asyncio.run(plugin.call("o", {"inner": {"a": 1}}))
        with mock.patch.dict(globals(), {"Inner": Place}):
            self.assertIsNone(asyncio.run(plugin.call("o", {"inner": {"x": 1}})))

    def test_functions_that_are_objects_have_hints_too(self) -> None:
        class Doubles:
            def __call__(self, value: int) -> int:
                return 2 * value

        plugin = Plugin("p", "1.0.0")
        plugin.operation("double")(Doubles())
        self.assertEqual(asyncio.run(plugin.call("double", 4)), 8)
        self.assertIn("gearshift.input", plugin.operations["double"].metadata())


@dataclass
class Outer:
    inner: Inner  # type: ignore[name-defined]


class Workflows(unittest.TestCase):
    def test_what_no_engine_takes_is_refused_where_it_is_made(self) -> None:
        step: Any = Step
        rows: List[Tuple[str, Callable[[], Any]]] = [
            ("`x y` is no workflow's name", lambda: Workflow("x y")),
            ("`` is no workflow's name", lambda: Workflow("")),
            ("the version counts from 1", lambda: Workflow("w", version=0)),
            ("is a whole number", lambda: Workflow("w", version=1.0)),  # type: ignore[arg-type]
            ("is it `sequential`", lambda: Workflow("w", mode="sequental")),
            ("the title is a text", lambda: Workflow("w", 5)),  # type: ignore[arg-type]
            ("has no step: give it one", lambda: Workflow("w").to_json()),
            ("`` is no step's name", lambda: Step("", "p", "o")),
            ("`1a` is no step's name", lambda: Step("1a", "p", "o")),
            ("`a-b` is no step's name", lambda: Step("a-b", "p", "o")),
            ("`p.q` is no plugin's name", lambda: Step("a", "p.q", "o")),
            ("`` is no operation's name", lambda: Step("a", "p", "")),
            ("newest", lambda: Step("a", "p@newest", "o")),
            ("has no field `timeot`; is it `timeout`?", lambda: step("a", "p", "o", timeot="1s")),
            ("has no field `publish`", lambda: step("a", "p", "o", publish="x")),
            ("`when=` is no JSON", lambda: step("a", "p", "o", when=object())),
            ("is given is no JSON: `x`", lambda: Step("a", "p", "o", {"x": float("nan")})),
            ("`needs=` is a step's name", lambda: step("a", "p", "o", needs=5)),
            ("a step's name is a text", lambda: step("a", "p", "o", needs=[5])),
        ]
        for words, mistake in rows:
            with self.subTest(words), self.assertRaises(BadArgument) as made:
                mistake()
            self.assertIn(words, str(made.exception))

    def test_what_an_engine_takes_is_made(self) -> None:
        self.assertEqual(Step("a", "p@^1.2", "o").fields["call"], "p@^1.2.o")
        self.assertEqual(Step("b", "p", "o", needs="load").fields["needs"], ["load"])
        any_of = {"any": ["x", "y"]}
        self.assertEqual(Step("b", "p", "o", needs=any_of).fields["needs"], any_of)
        self.assertEqual(Workflow("1-a_B").name, "1-a_B")

    def test_fields_and_modes_are_those_of_the_format(self) -> None:
        told = subprocess.run(
            [program("GEARSHIFT_TEST_BIN"), "schema"], capture_output=True, check=True
        )
        schema = json.loads(told.stdout)
        others = {"call", "with", "needs", "id"} | {"approval", "publish", "route", "run", "wait"}
        self.assertEqual(set(schema["$defs"]["step"]["properties"]), FIELDS | others)
        self.assertEqual(set(schema["properties"]["mode"]["enum"]), set(MODES))


class Waits(unittest.IsolatedAsyncioTestCase):
    async def test_what_no_instance_is_ever_at_is_not_waited_for(self) -> None:
        client = Client(mock.Mock(), user="ann")
        for never in ("@never", "@End", "under review", "under-review", "1", ""):
            for asked in (
                client.start("w", wait=never),
                client.send("a", {}, wait=never),
                client.wait("w/k", never),
                client.start("w", wait="@end", timeout=-1),
            ):
                with self.assertRaises(BadArgument):
                    await asyncio.wait_for(asked, PATIENCE)


class Syntax(unittest.TestCase):
    def test_the_package_is_written_in_the_oldest_python_it_promises(self) -> None:
        files = list(Path(__file__).parent.parent.glob("gearshift/*.py"))
        self.assertGreater(len(files), 10)
        for file in files:
            ast.parse(file.read_text(), str(file), feature_version=(3, 9))


if __name__ == "__main__":
    unittest.main()
