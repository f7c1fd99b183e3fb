"""Arguments of a wrong kind, which no type checker lets pass, are told where they are given."""

from __future__ import annotations

import unittest
from typing import Any, Callable, List
from unittest import mock

from gearshift import BadArgument, Client, Context, Failure, GearshiftError, Plugin, Workflow


def wrong_kinds(any_of: Any) -> List[Callable[[], Any]]:
    fail, plugin, context = any_of(Failure), any_of(Plugin), any_of(Context())
    good = any_of(Plugin("p", "1.0.0"))
    return [
        lambda: fail.permanent(None),
        lambda: fail.permanent("x", code=4.5),
        lambda: fail.retryable("x", retry_after="30s"),
        lambda: fail.retryable("x", retry_after=float("nan")),
        lambda: plugin(None, "1.0.0"),
        lambda: plugin("a", 1.0),
        lambda: plugin("a", "1.0.0", concurrency="4"),
        lambda: plugin("a", "1.0.0", weight=None),
        lambda: plugin("a", "1.0.0", reliability="1"),
        lambda: plugin("a", "1.0.0", requires_within="3s"),
        lambda: plugin("a", "1.0.0", interfaces=[5]),
        lambda: good.requires("q", 1.0),
        lambda: good.operation(5),
        lambda: good.operation("o", timeout="3s")(lambda: None),
        lambda: good.operation("o", long=True, heartbeat="3s")(lambda: None),
        lambda: any_of(Workflow("w")).add("a"),
        lambda: context.heartbeat("40%", "page 4"),
        lambda: context.heartbeat(40, 5),
        lambda: context.emit_blocking("", {}),
    ]


class Makings(unittest.TestCase):
    def test_what_is_made_of_a_wrong_kind_is_one_kind_of_error(self) -> None:
        for index, mistake in enumerate(wrong_kinds(lambda it: it)):
            with self.subTest(index), self.assertRaises(BadArgument) as made:
                mistake()
            self.assertIsInstance(made.exception, GearshiftError)


class Requests(unittest.IsolatedAsyncioTestCase):
    """Of a client without a server: nothing may be sent."""

    async def test_an_id_that_is_none_is_refused(self) -> None:
        client: Any = Client(mock.Mock(), user="ann")
        context: Any = Context()
        for event_id in ("", 5):
            for asked in (client.send, client.publish, context.emit):
                with self.assertRaisesRegex(BadArgument, "`event_id` is a text"):
                    await asked("paper.handed_in", {}, event_id=event_id)
            with self.assertRaisesRegex(BadArgument, "`event_id` is a text"):
                context.emit_blocking("a", {}, event_id=event_id)

    async def test_what_cannot_be_asked_is_one_kind_of_error(self) -> None:
        client: Any = Client(mock.Mock(), user="ann")
        context: Any = Context()
        for asked in (
            client.instances(limit="x"),
            client.wait("w/k", timeout="3s"),
            client.wait("w/k", timeout=None),
            client.wait("w/k", 5),
            client.start("w", wait="@end", timeout="3s"),
            client.start("w", timeout="3s"),
            client.start("w", wait=["@end"]),
            client.send("a", {}, timeout="3s"),
            client.send(None, {}),
            client.publish(5, {}),
            client.command("retry", {}, timeout="3s"),
            context.emit("", {}),
            context.emit("a b", {}),
            context.emit(5, {}),
        ):
            with self.assertRaises(BadArgument):
                await asked


if __name__ == "__main__":
    unittest.main()
