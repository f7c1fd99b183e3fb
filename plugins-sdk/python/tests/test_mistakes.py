"""What an author gets wrong first: functions of a wrong form, exits, logins, addresses."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import unittest
from dataclasses import dataclass
from typing import Any, AsyncIterator, Dict, Iterator, List, Literal, Optional, Union
from unittest import mock

import nats
from test_process import Process
from world import PATIENCE, OnServer, Server

from gearshift import (
    BadArgument,
    Context,
    Failure,
    GearshiftError,
    Plugin,
    Step,
    Unreachable,
    Workflow,
    connect,
    options_from_environment,
)


@dataclass
class Login:
    password: str
    kind: Literal["user", "robot"] = "user"
    level: Optional[int] = None
    keys: Union[List[int], Dict[str, int], None] = None


class Forms(unittest.IsolatedAsyncioTestCase):
    async def test_parentheses_are_not_needed(self) -> None:
        plugin = Plugin("p", "1.0.0")

        @plugin.operation
        async def double(value: int) -> int:
            return 2 * value

        self.assertEqual(await plugin.call("double", 4), 8)
        self.assertEqual(await double(3), 6)

    async def test_a_parameter_with_a_default_takes_the_input_too(self) -> None:
        plugin = Plugin("p", "1.0.0")

        @plugin.operation()
        def alone(value: int = 7) -> int:
            return value

        @plugin.operation()
        def second(context: Context, value: int = 7) -> int:
            return value + context.attempt

        @plugin.operation()
        def other(value: int, factor: int = 2) -> int:
            return value * factor

        for name, answer in (("alone", 3), ("second", 4), ("other", 6)):
            self.assertEqual(await plugin.call(name, 3), answer, name)

    def test_functions_that_would_get_or_give_the_wrong_thing_are_refused(self) -> None:
        plugin = Plugin("p", "1.0.0")

        def turned(value: int, context: Context) -> int:
            return value

        def unhinted(value, context):  # type: ignore[no-untyped-def]
            return value

        def anything(*values: int) -> None: ...

        def yields(value: int) -> Iterator[int]:
            yield value

        async def streams(value: int) -> AsyncIterator[int]:
            yield value

        for function in (turned, unhinted, anything):
            with self.assertRaisesRegex(TypeError, r"takes `\(input\)` or `\(context, input\)`"):
                plugin.operation()(function)
        for generator in (yields, streams):
            with self.assertRaisesRegex(TypeError, "a function with `yield` gives no answer"):
                plugin.operation()(generator)
        with self.assertRaisesRegex(ValueError, "plugin `p` has no operation"):
            plugin.run()

    async def test_what_cannot_be_made_is_one_kind_of_error(self) -> None:
        def twice(plugin: Plugin) -> None:
            plugin.operation("a")(lambda: None)
            plugin.operation("a")(lambda: None)

        def yields(value: int) -> Iterator[int]:
            yield value

        steps = Workflow("w").add(Step("a", "p", "o"))
        for mistake in (
            lambda: Plugin("no name", "1.0.0"),
            lambda: Plugin("p", "1"),
            lambda: Plugin("p", "1.0.0", weight=0),
            lambda: Plugin("p", "1.0.0").requires("q", "newest"),
            lambda: Plugin("p", "1.0.0").operation("no name")(lambda: None),
            lambda: Plugin("p", "1.0.0").operation("o", heartbeat=3)(lambda: None),
            lambda: Plugin("p", "1.0.0").operation("o")(yields),
            lambda: twice(Plugin("p", "1.0.0")),
            lambda: Plugin("p", "1.0.0").run(),
            lambda: steps.add(Step("a", "p", "o")),
        ):
            with self.assertRaises(BadArgument) as made:
                mistake()
            self.assertIsInstance(made.exception, GearshiftError)
            self.assertEqual(made.exception.code, "bad_argument")
        with self.assertRaisesRegex(BadArgument, "`p` has no operation `o`; it has none"):
            await Plugin("p", "1.0.0").call("o")

    async def test_what_is_wrong_with_an_input_is_told_without_its_value(self) -> None:
        plugin = Plugin("p", "1.0.0")

        @plugin.operation()
        def log_in(value: Dict[str, Login]) -> None: ...

        for given, words in (
            ({"password": 83726451}, "`a.password` is not of type `string`: it came as `integer`"),
            ({"password": {"x": "83726451"}}, "of type `string`: it came as `object`"),
            ({"password": "", "kind": "83726451"}, "'robot': it came as `string`"),
            ({"password": "", "level": "83726451"}, "of type `integer`: it came as `string`"),
            ({"password": "", "keys": {"x": "83726451"}}, "it came as `object`"),
            ([83726451], "`a` is not an object: it came as `array`"),
            # As MessagePack may bring it.
            (b"83726451", "`a` is not an object: it came as `bytes`"),
        ):
            with self.assertRaises(Failure) as failed:
                await plugin.operations["log_in"].run(Context(), {"a": given})
            self.assertIn(words, failed.exception.message)
            self.assertNotIn("83726451", failed.exception.message)

    async def test_what_leaves_the_function_otherwise_ends_its_attempt(self) -> None:
        plugin = Plugin("p", "1.0.0")

        class Odd(BaseException):
            pass

        @plugin.operation()
        async def leave(value: str) -> None:
            sys.exit(value)

        @plugin.operation()
        def leave_thread(value: str) -> None:
            sys.exit(value)

        @plugin.operation()
        async def odd(value: str) -> None:
            raise Odd(value)

        with self.assertLogs("gearshift", "WARNING"):
            for name, words in (
                ("leave", "SystemExit: bye"),
                ("leave_thread", "SystemExit: bye"),
                ("odd", "Odd: bye"),
            ):
                with self.assertRaises(Failure) as failed:
                    await plugin.call(name, "bye")
                self.assertEqual(
                    (failed.exception.message, failed.exception.kind), (words, "retryable")
                )

    async def test_a_call_that_is_cancelled_from_outside_stays_cancelled(self) -> None:
        plugin, began = Plugin("p", "1.0.0"), asyncio.Event()

        @plugin.operation()
        async def wait(_value: Any) -> None:
            began.set()
            await asyncio.Event().wait()

        call = asyncio.ensure_future(plugin.call("wait"))
        await began.wait()
        call.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await call


LEAVES = """
import sys
from gearshift import Plugin

plugin = Plugin("echo", "3.0.0")

@plugin.operation
async def say(value: str) -> str:
    if value == "exit":
        sys.exit(3)
    return value

plugin.run()
"""


class Exits(Process):
    async def test_an_exit_in_an_operation_is_answered_and_the_others_go_on(self) -> None:
        process = await self.start(LEAVES)
        await self.says(process, "plugin answers calls")
        reply = await self.caller.request(
            "gearshift.plugin.echo.v3.say", b'"exit"', timeout=PATIENCE
        )
        assert reply.headers is not None
        self.assertEqual(reply.headers["Nats-Service-Error"], "SystemExit: 3")
        self.assertEqual(await self.ask("a"), "a")
        self.assertIsNone(process.returncode)


class NoStore(OnServer):
    """A login that may not use JetStream."""

    @classmethod
    def setUpClass(cls) -> None:
        poor = '{ user: poor, password: pw, permissions: { publish: { deny: ["$JS.>"] } } }'
        rich = "{ user: rich, password: pw }"
        cls.server = Server(f"authorization {{ users: [{poor}, {rich}] }}")
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self) -> None:
        self.complaints: Dict[str, int] = {}

        async def complain(error: Exception) -> None:
            self.complaints[str(error)] = self.complaints.get(str(error), 0) + 1

        url, login = self.server.url, {"password": "pw"}
        self.nats = await nats.connect(url, user="poor", error_cb=complain, **login)
        self.caller = await nats.connect(url, user="rich", **login)
        self.addAsyncCleanup(self.nats.close)
        self.addAsyncCleanup(self.caller.close)

    async def test_a_large_output_fails_for_good_and_at_once(self) -> None:
        plugin = Plugin("large", "1.0.0")

        @plugin.operation()
        async def fill(size: int) -> str:
            return "x" * size

        await self.serve(plugin)
        # Well below the time that the store is waited for.
        with mock.patch("gearshift.bodies.PATIENCE", PATIENCE * 10):
            for _ in range(2):
                asked = self.call("gearshift.plugin.large.v1.fill", 100_000)
                told = (await asyncio.wait_for(asked, PATIENCE)).headers
                assert told is not None
                self.assertEqual(told["Nats-Service-Error-Code"], "413")
                self.assertEqual(told["Gearshift-Error-Kind"], "permanent")
                self.assertIn("may not use the object store", told["Nats-Service-Error"])
        reply = await self.call("gearshift.plugin.large.v1.fill", 3)
        self.assertEqual(json.loads(reply.data), "xxx")
        self.assertTrue(self.complaints, "who listened before goes on hearing it")


class Ways(Process):
    """To servers: what is wrong with a login or an address is said, with the server's name."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("authorization { user: ann, password: pw }")
        cls.addClassCleanup(cls.server.stop)

    async def asyncSetUp(self) -> None:
        """Nobody gets in without a login."""

    async def ends(self, *words: str, **variables: str) -> None:
        process = await self.start(LEAVES, **variables)
        line = await self.says(process, words[0])
        for word in words:
            self.assertIn(word, line)
        self.assertEqual(await asyncio.wait_for(process.wait(), PATIENCE), 1)

    async def test_a_refused_login_is_told_with_server_and_user(self) -> None:
        login = {"GEARSHIFT_NATS_USER": "bob", "GEARSHIFT_NATS_PASSWORD": "secret-word"}
        known = self.server.url
        await self.ends(known, "as user `bob`", "`GEARSHIFT_NATS_USER`", **login)
        await self.ends(known, "no login was given")
        with self.assertRaisesRegex(Unreachable, "refuses the login as user `bob`") as refused:
            options = {"servers": known, "user": "bob", "password": "secret-word"}
            async with connect(options):
                pass
        self.assertNotIn("secret-word", str(refused.exception))

    async def test_what_is_no_address_of_a_nats_server_is_not_waited_for(self) -> None:
        await self.ends("`http://foo` is no address of a NATS server", NATS_URL="http://foo")
        with self.assertRaisesRegex(ValueError, "`http://foo` is no address"):
            async with connect({"servers": ["nats://127.0.0.1:4222", "http://a:b@foo"]}):
                pass

    async def test_an_address_alone_is_enough_and_the_login_is_that_of_the_environment(
        self,
    ) -> None:
        login = {"NATS_URL": "nats://nowhere:1", "NATS_USER": "ann", "NATS_PASSWORD": "pw"}
        with mock.patch.dict(os.environ, login):
            for servers in (self.server.url, [self.server.url], f" {self.server.url} "):
                async with connect(servers) as client:
                    self.assertEqual(client.timeout, 30.0)
        with self.assertRaisesRegex(Unreachable, "no login was given"):
            async with connect(self.server.url):
                pass
        for nonsense in (4222, [4222], b"nats://x:1"):
            with self.assertRaisesRegex(TypeError, "servers such as `nats://127.0.0.1:4222`"):
                async with connect(nonsense):  # type: ignore[arg-type]
                    pass

    async def test_no_address_at_all_is_told_as_such_and_waited_for_by_nobody(self) -> None:
        nowhere: List[Any] = ["", " , ", [], [""], {"servers": []}, {"servers": ""}]
        for nothing in nowhere:
            with self.assertRaisesRegex(BadArgument, "no address of a NATS server is given: write"):
                async with connect(nothing):
                    pass
        for broken in ("nats://", "nats://h:port", "nats://a b:1", "a:1,http://b"):
            with self.assertRaisesRegex(BadArgument, "is no address of a NATS server"):
                async with connect(broken):
                    pass
        with mock.patch.dict(os.environ, {"NATS_USER": "ann", "NATS_PASSWORD": "pw"}):
            async with connect(f"{self.server.url},") as client:  # A comma too many.
                self.assertEqual(client.timeout, 30.0)
        await self.ends("`nats://h:port` is no address of a NATS server", NATS_URL="nats://h:port")

    async def test_certificates_that_are_not_there_are_named(self) -> None:
        with mock.patch.dict(os.environ, {"GEARSHIFT_NATS_CA": "/no/such/ca.pem"}):
            with self.assertRaisesRegex(BadArgument, "`/no/such/ca.pem` cannot be used"):
                async with connect(self.server.url):
                    pass
        with self.assertRaisesRegex(BadArgument, "unexpected keyword argument 'sevrers'"):
            async with connect({"sevrers": "a"}):
                pass

    async def test_a_login_that_needs_another_package_says_which(self) -> None:
        options = options_from_environment({"GEARSHIFT_NATS_CREDENTIALS": "/no/such/file.creds"})
        with mock.patch.dict(sys.modules, {"nkeys": None}):
            with self.assertRaisesRegex(Unreachable, r"pip install 'gearshift-sdk\[nkeys\]'"):
                async with connect(options):
                    pass


if __name__ == "__main__":
    unittest.main()
