"""`Client`: start, send, wait, watch, decide, over NATS, to whichever engine answers."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import time
import uuid
from contextlib import asynccontextmanager, suppress
from typing import Any, AsyncIterator, Dict, List, Optional, Union

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.subscription import Subscription

from . import checks, wire
from .again import may_pass, waited
from .asking import Errors, check_subject, notice_of, read_notice, settled
from .connection import Options
from .connection import connect as connect_nats
from .connection import explain
from .errors import BadArgument, GearshiftError, OutcomeUnknown, Unreachable, answer_of
from .events import store_event
from .orders import Json, Orders, given
from .workflow import Workflow

#: How much longer than the engine the client waits, so that the engine's own answer to a wait
#: that was in vain still arrives.
GRACE = 1.0
#: Notices may be lost, so look again after so long without one.
LOOK_AGAIN = 1.0
#: How long one look may take, for a request that was lost on the way has no answer.
LOOK_MAX = 10.0


@asynccontextmanager
async def connect(
    options: Optional[Options] = None,
    *,
    user: Optional[str] = None,
    timeout: float = 30.0,
) -> AsyncIterator[Client]:
    """A client as long as the block lasts: `async with gearshift.connect() as client:`.

    Servers and login come from the environment, or are the options of `nats.connect`; an address
    alone, such as `nats://127.0.0.1:4222`, or a list of them, leaves the login to the environment.
    It raises `BadArgument` for what is no address and no option, else `Unreachable`.
    """
    try:
        client = await connect_nats("gearshift client", options, patient=False)
    except GearshiftError:
        raise
    except TypeError as error:
        # The client's own words for an option that it does not know.
        raise BadArgument(f"options of `nats.connect`: {error}") from error
    except Exception as error:
        # Libraries of logins and of TLS have errors of their own.
        raise Unreachable(f"no way to the NATS server: {explain(error, options)}") from error
    try:
        yield Client(client, user=user, timeout=timeout)
    finally:
        with suppress(nats.errors.Error, OSError):
            await client.close()


class Client(Orders):
    """The way to the engines behind a NATS connection.

    Commands are sent, and recorded, for `user`: `GEARSHIFT_USER`, else the login's name, else who
    runs this process. Instances are named by their full id (`workflow/key`), by the key alone, or
    by a unique suffix. Every request has a deadline, `timeout` seconds.
    """

    def __init__(
        self, connection: Nats, *, user: Optional[str] = None, timeout: float = 30.0
    ) -> None:
        self._nats = connection
        self.user = user or _whoami()
        self.timeout = timeout
        self._trace: Dict[str, str] = {}

    def in_trace(self, traceparent: str, tracestate: Optional[str] = None) -> Client:
        """The same way, in a trace (W3C trace context).

        Events, and instances that are started by command, go on with it. What is no `traceparent`
        counts as absent.
        """
        traced = Client(self._nats, user=self.user, timeout=self.timeout)
        traced._trace = given(traceparent=traceparent, tracestate=tracestate)
        return traced

    # Definitions

    async def deploy(self, definition: Union[str, Workflow], *, origin: str = "") -> Json:
        """Makes the definitions of a text, or a workflow built here, available."""
        if isinstance(definition, Workflow):
            text, kind = definition.to_json(), "json"
        else:
            text, kind = definition, "yaml"
        return await self.command("deploy", {"text": text, "origin": origin, "format": kind})

    # Instances

    async def start(
        self,
        workflow: str,
        data: Any = None,
        *,
        key: Optional[str] = None,
        id: Optional[str] = None,
        version: Optional[int] = None,
        transaction: Optional[str] = None,
        wait: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Json:
        """Begins the life of an instance; `wait` is a state, `@end` or `@quiescent`.

        The answer has `verdict`, `reached`, and the `output` of an instance that ended. A key that
        runs already answers `duplicate`; with another input it is refused. One that has ended
        begins anew, unless this start has an `id`, which needs a `key`: the same `id` again
        answers `duplicate` as long as the instance is kept. So what is repeated after
        `OutcomeUnknown` needs an `id`. What was not reached in
        `timeout` seconds is answered as well, with `reached` false. In a `transaction` it becomes
        its member, and begins once that has it.

        A start that waits looks how things stand every 15 to 20 seconds, and where no answer came
        in time, for an answer that was sent while the connection was lost reaches nobody. So it is
        sent with a key and an `id` of its own where it has none; `verdict` may be `duplicate` then.
        """
        patience = self.timeout if timeout is None else timeout
        checks.seconds("`timeout`", patience)
        body: Json = {"workflow": workflow, "input": data, "wait": _wait(wait)}
        if id is not None and key is None:
            raise BadArgument("a start with an `id` needs a `key`: one made up is new each time")
        if wait is None and transaction is None:
            body.update(given(key=key, id=id, version=version))
            return await self.command("start", body, timeout=patience)
        # What may have to be asked again has a name.
        body.update(key=key or str(uuid.uuid4()), id=id or str(uuid.uuid4()))
        body.update(given(version=version, transaction=transaction))
        subject = f"gearshift.command.{wire.escape(self.user)}.start"

        async def ask(engine: float, own: Optional[float]) -> Json:
            sent = {**body, "timeout_ms": round(engine * 1000)}
            answer: Json = await self._ask(subject, sent, engine, own=own)
            return answer

        return await waited(ask, patience)

    async def show(self, instance: str, *, min_step: Optional[int] = None) -> Json:
        """All there is to show of one instance."""
        return await self.query("instance", {"id": instance, **given(min_step=min_step)})

    async def history(self, instance: str) -> List[Json]:
        """What happened to one instance, oldest first."""
        return await self._items("history", {"id": instance})

    async def why(self, instance: str) -> Json:
        """Why an instance is where it is."""
        return await self.query("why", {"id": instance})

    async def instances(
        self,
        *,
        where: Optional[str] = None,
        workflow: Optional[str] = None,
        limit: Optional[int] = None,
    ) -> List[Json]:
        """Instances, newest change first; `where` is an expression over their fields."""
        return await self._items(
            "instances", {**({"where": where} if where else {}), **given(workflow=workflow)}, limit
        )

    async def tasks(self, *, assign: Optional[str] = None) -> List[Json]:
        """Open approvals, the earliest due first."""
        return await self._items("tasks", given(assign=assign))

    async def wait(self, instance: str, until: str = "@end", *, timeout: float = 60.0) -> Json:
        """Waits until the instance is in a state, is `@quiescent` or is at its `@end`.

        Gives the instance as it is then. It raises `NotReached` where it is stuck or ended
        elsewhere, and `OutcomeUnknown` after `timeout` seconds. It only reads: where nobody
        answers, as while a server or an engine restarts, it goes on until its time is up.
        """
        checks.awaited("`until`", until)
        checks.seconds("`timeout`", timeout)
        end = time.monotonic() + timeout
        seen: Optional[Json] = None
        watch: Optional[Subscription] = None
        try:
            while True:
                away: Optional[GearshiftError] = None
                left = end - time.monotonic()
                asked = instance if seen is None else seen["id"]
                try:
                    seen = await self._look(asked, min(self.timeout, LOOK_MAX, max(left, 1.0)))
                    if settled(seen, until):
                        return seen
                    if watch is None:
                        # Looked at again behind the subscription: no change falls in between.
                        watch = await self._notices(seen["workflow"])
                        continue
                except GearshiftError as error:
                    if not may_pass(error) or self._nats.is_closed:
                        raise
                    away = error
                left = end - time.monotonic()
                if left <= 0:
                    if seen is None and away is not None:
                        raise away
                    words = f"`{asked}` is not at `{until}` in {timeout:g} s"
                    raise OutcomeUnknown(words) from away
                if watch is None or seen is None or away is not None:
                    await asyncio.sleep(min(left, LOOK_AGAIN))
                else:
                    await notice_of(watch, seen["key"], min(left, LOOK_AGAIN))
        finally:
            if watch is not None:
                await _take_back(watch)

    async def _look(self, instance: str, timeout: float) -> Json:
        answer: Json = await self._ask("gearshift.query.instance", {"id": instance}, timeout)
        return answer

    async def _notices(self, workflow: str) -> Subscription:
        subject = f"gearshift.notice.{wire.escape(workflow)}.*"
        with Errors(subject, self.timeout):
            return await self._nats.subscribe(subject)

    async def watch(
        self, *, workflow: Optional[str] = None, key: Optional[str] = None
    ) -> AsyncIterator[Json]:
        """Notices from now on; some may be lost, so they are for people and to look again."""
        token = "*" if workflow is None else wire.escape(workflow)
        subject = f"gearshift.notice.{token}.*"
        with Errors(subject, self.timeout):
            subscription = await self._nats.subscribe(subject)
            try:
                async for message in subscription.messages:
                    notice = read_notice(message)
                    if key is None or notice.get("key") == key:
                        yield notice
            finally:
                await _take_back(subscription)

    # Events

    async def send(
        self,
        event_type: str,
        data: Any,
        *,
        event_id: Optional[str] = None,
        instance: Optional[str] = None,
        wait: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Json:
        """Asks the engine about an event; the answer comes after the commit.

        It has one verdict per instance in `verdicts`, and whether what was waited for is `reached`.
        With an id it is safe to send it again after `OutcomeUnknown`. What is waited for is looked
        at as for `start`.
        """
        patience = self.timeout if timeout is None else timeout
        checks.seconds("`timeout`", patience)
        check_subject(event_type)
        if wait is not None:
            checks.awaited("`wait`", wait)
            event_id = str(uuid.uuid4()) if event_id is None else event_id
        headers = self._event_headers(event_id, instance)

        async def ask(engine: float, own: Optional[float]) -> Json:
            subject = f"gearshift.event.{event_type}"
            answer: Json = await self._ask(subject, data, engine, headers, own=own)
            return answer

        if wait is None:
            return await ask(patience, None)
        headers[wire.WAIT_FOR] = wait
        return await waited(ask, patience)

    async def publish(
        self,
        event_type: str,
        data: Any,
        *,
        event_id: Optional[str] = None,
        instance: Optional[str] = None,
    ) -> None:
        """Publishes an event one way: it is stored when this returns, and applied later.

        It goes to the subject that is its type, as any other client would publish it. Where nobody
        listens there the engine is asked, which knows the subject of a type.
        """
        headers = self._event_headers(event_id, instance)
        check_subject(event_type)
        with Errors(event_type, self.timeout):
            if await store_event(self._nats, event_type, data, headers, self.timeout):
                return
        await self._ask(f"gearshift.publish.{event_type}", data, self.timeout, headers)

    def _event_headers(self, event_id: Optional[str], instance: Optional[str]) -> Dict[str, str]:
        headers = {**self._trace, wire.USER: wire.ce_encode(self.user)}
        if event_id is not None:
            checks.text("`event_id`", event_id)
            headers[wire.MESSAGE_ID] = wire.ce_encode(event_id)
        if instance:
            headers[wire.INSTANCE] = wire.ce_encode(instance)
        return headers

    # What everything else is made of

    async def command(self, verb: str, body: Any, *, timeout: Optional[float] = None) -> Json:
        """Sends an operator's command in the name of `user`."""
        subject = f"gearshift.command.{wire.escape(self.user)}.{verb}"
        answer: Json = await self._ask(subject, body, timeout or self.timeout)
        return answer

    async def query(self, what: str, body: Any) -> Json:
        """Asks a query."""
        answer: Json = await self._ask(f"gearshift.query.{what}", body, self.timeout)
        return answer

    async def _items(self, what: str, body: Json, limit: Optional[int] = None) -> List[Json]:
        """All items of a list, page after page; at most `limit`."""
        if limit is not None:
            checks.count("`limit`", limit)
        items: List[Json] = []
        after: Optional[str] = None
        while limit is None or len(items) < limit:
            left = None if limit is None else limit - len(items)
            page = await self.query(what, {**body, **given(after=after, limit=left)})
            items += page["items"]
            after = page.get("next")
            if after is None:
                break
        return items

    async def _ask(
        self,
        subject: str,
        body: Any,
        timeout: float,
        headers: Optional[Dict[str, str]] = None,
        *,
        own: Optional[float] = None,
    ) -> Any:
        """The engine may wait `timeout` seconds; we wait a bit longer, or `own` seconds."""
        if own is None:
            checks.seconds("`timeout`", timeout)
        sent = {
            **self._trace,
            **(headers or {}),
            wire.CONTENT_TYPE: wire.JSON,
            wire.TIMEOUT_MS: str(round(timeout * 1000)),
        }
        check_subject(subject)
        with Errors(subject, timeout):
            payload = wire.encode(body, False)
            limit = timeout + GRACE if own is None else own
            reply = await self._nats.request(subject, payload, timeout=limit, headers=sent)
        return answer_of(reply)


async def _take_back(subscription: Subscription) -> None:
    """Ends a subscription; with the connection gone there is none, and no other end is hidden."""
    with suppress(nats.errors.Error, OSError):
        await subscription.unsubscribe()


def _whoami() -> str:
    names = ("GEARSHIFT_USER", "GEARSHIFT_NATS_USER", "NATS_USER")
    told = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if told:
        return told
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "local"


def _wait(wait: Optional[str]) -> Any:
    if wait is not None:
        checks.awaited("`wait`", wait)
    known = {None: "none", "@end": "end", "@quiescent": "quiescent"}
    return known.get(wait, {"state": wait})
