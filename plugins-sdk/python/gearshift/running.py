"""`Running`: a plugin that answers calls."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Coroutine,
    Dict,
    List,
    Optional,
    Set,
    Tuple,
)

import nats.errors
from nats.aio.client import Client as Nats
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from . import requires, wire
from .bodies import read_input, write_output
from .connection import leave, settle
from .context import Context
from .discovery import Endpoint, Service
from .failure import Failure
from .long_work import beat_until_done, heartbeat, publish_result
from .operation import Operation, in_thread

if TYPE_CHECKING:
    from .plugin import Plugin

log = logging.getLogger("gearshift")

#: How long a change of the load is kept back that follows another one, in seconds.
SETTLE = 0.25

#: Calls of one operation that wait for their turn; more are refused, and the caller's bus asks
#: another instance.
QUEUE_MAX = 1024

#: Body and headers of an answer.
Answer = Tuple[bytes, Dict[str, str]]


class Running:
    """A plugin that answers calls; made by `Plugin.serve`."""

    def __init__(self, plugin: Plugin, connection: Nats) -> None:
        self.plugin = plugin
        self.state = "initializing"
        #: Calls taken and not answered.
        self.in_flight = 0
        self._nats = connection
        self._permits = asyncio.Semaphore(plugin.concurrency)
        self._threads = ThreadPoolExecutor(plugin.concurrency, f"{plugin.name}-call")
        #: Calls of each operation that were not begun.
        self._waiting: Dict[str, int] = {}
        self._calls: Dict[str, List[Context]] = {}
        self._tasks: Set[asyncio.Task[None]] = set()
        self._subscriptions: List[Subscription] = []
        self._overloaded = False
        self._telling: Optional[asyncio.Future[None]] = None
        self._missing: List[str] = []
        self._watch: Optional[asyncio.Future[None]] = None
        self._endpoints = [
            Endpoint(
                one.name,
                wire.operation_subject(plugin.name, plugin.major, one.name),
                one.metadata(),
            )
            for one in plugin.operations.values()
        ]
        self._service = Service(
            connection, plugin.name, plugin.version, plugin.metadata(), self._endpoints, self.status
        )

    @property
    def id(self) -> str:
        """The id of this instance of the plugin."""
        return self._service.id

    def status(self) -> Dict[str, Any]:
        """State and load, as `$SRV.STATS` and announcements tell them."""
        capacity = self.plugin.concurrency
        return {"state": self.state, "in_flight": self.in_flight, "capacity": capacity}

    async def start(self) -> None:
        """Takes calls from when this returns."""
        # It is found from now on, and takes no calls yet.
        await self._service.start()
        initialized = False
        try:
            await settle(self._nats)
            await self._hook("initialize")
            initialized = True
            await self._activate()
        except BaseException:
            with suppress(nats.errors.Error):
                await self._service.stop()
            if initialized:
                await self._hook_at_the_end("cleanup")
            raise

    async def _activate(self) -> None:
        required, patience = self.plugin.required, self.plugin.requires_within
        missing = await requires.wait(self._nats, required, patience, self._become)
        await self._hook("activate")
        cancels = await self._nats.subscribe("gearshift.cancel.*", cb=self._cancelled)
        self._subscriptions.append(cancels)
        for endpoint, operation in zip(self._endpoints, self.plugin.operations.values()):
            take = self._taking(endpoint, operation)
            group = wire.PLUGIN_GROUP
            shared = await self._nats.subscribe(endpoint.subject, queue=group, cb=take)
            alone = await self._nats.subscribe(f"{endpoint.subject}.{self.id}", cb=take)
            self._subscriptions += [shared, alone]
        # Its operations are found once it answers, and a refused subscription is known after a
        # round trip.
        await settle(self._nats)
        self.state, self._missing = ("degraded" if missing else "active"), missing
        await self._announce("registered")
        if missing:
            log.warning("served without required plugins: %s", ", ".join(missing))
        if any(not one.optional for one in required):
            degraded, tell = bool(missing), self._become
            watch = requires.watch(self._nats, required, degraded, tell, self._is_over)
            self._watch = asyncio.ensure_future(watch)

    def _is_over(self) -> bool:
        return self.state in ("deactivating", "stopped")

    async def _become(self, state: str, missing: List[str]) -> None:
        """Is in this state from now on; told where it is another one."""
        if (state, missing) != (self.state, self._missing):
            self.state, self._missing = state, missing
            await self._announce("state")

    async def drain(self) -> None:
        """Takes no more calls, answers those it has, and returns when all is done."""
        for companion in (self._watch, self._telling):
            if companion is not None:
                companion.cancel()
        self.state = "deactivating"
        self._service.since(self.state)
        await self._announce("unregistered")
        drains = (leave(self._nats, one) for one in self._subscriptions[1:])
        await asyncio.gather(*drains, return_exceptions=True)
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        with suppress(nats.errors.Error):
            await self._subscriptions[0].unsubscribe()
        await self._hook_at_the_end("deactivate")
        await self._hook_at_the_end("cleanup")
        self._threads.shutdown(wait=False)
        # It is shown until here; without a connection nobody finds it either.
        with suppress(nats.errors.Error):
            await self._service.stop()
        self.state = "stopped"
        await self._announce("state")
        with suppress(nats.errors.Error):
            await settle(self._nats)

    async def _hook(self, name: str) -> None:
        hook = self.plugin.hooks.get(name)
        if hook is None:
            return
        if inspect.iscoroutinefunction(hook):
            await hook()
        else:
            await in_thread(self._threads, hook)

    async def _hook_at_the_end(self, name: str) -> None:
        """A hook on the way out, where a failure is only told."""
        try:
            await self._hook(name)
        except Exception:
            log.warning("`on_%s` failed; the plugin ends all the same", name, exc_info=True)

    async def _announce(self, event: str) -> None:
        told = {"event": event, "id": self.id, "version": self.plugin.version, **self.status()}
        if self._missing:
            told["missing"] = self._missing
        try:
            subject = f"gearshift.announce.{self.plugin.name}"
            await self._nats.publish(subject, json.dumps(told).encode())
        except nats.errors.Error as error:
            # Engines look for themselves as well.
            log.debug("not announced: %s: %s", event, error)

    def _weigh(self, change: int) -> None:
        """Counts a call, and tells so where that makes a difference to callers."""
        self.in_flight += change
        if self._telling is None and self._crossed() is not None:
            self._telling = asyncio.ensure_future(self._tell_load())

    def _crossed(self) -> Optional[str]:
        """What is to be told of the load, if anything."""
        capacity = self.plugin.concurrency
        if not self._overloaded and self.in_flight * 10 > capacity * 9:
            return "overloaded"
        if self._overloaded and self.in_flight * 4 < capacity * 3:
            return "available"
        return None

    async def _tell_load(self) -> None:
        while True:
            event = self._crossed()
            if event is None:
                break
            self._overloaded = event == "overloaded"
            await self._announce(event)
            # A change that follows at once is kept back, or every call of a plugin that answers
            # few at once would be told to everybody.
            await asyncio.sleep(SETTLE)
        self._telling = None

    async def _cancelled(self, message: Msg) -> None:
        for context in self._calls.get(message.subject.rsplit(".", 1)[-1], []):
            context._cancel()

    def _taking(
        self, endpoint: Endpoint, operation: Operation
    ) -> Callable[[Msg], Coroutine[Any, Any, None]]:
        async def take(message: Msg) -> None:
            if self._waiting.get(operation.name, 0) >= QUEUE_MAX:
                await self._refuse(message)
                return
            context = self._context(message)
            is_late = operation.heartbeat is not None and context.result_to is not None
            if not self._enter(context, is_late):
                await self._respond(message, self._pending(operation))
                return
            left = context.remaining()
            # Nobody waits for the answer behind the deadline: the handler is told so, and a call
            # that still waits for its turn is not made. A deadline that was over when the call came
            # says nothing: it may be that clocks differ.
            if left is not None and left > 0:
                loop = asyncio.get_running_loop()
                context._over = loop.call_later(left, context._cancel)
            # At once: the next calls may be here before the task begins.
            self._waiting[operation.name] = self._waiting.get(operation.name, 0) + 1
            task = asyncio.create_task(self._in_turn(message, context, endpoint, operation))
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._done(done, context, operation.name))

        return take

    async def _in_turn(
        self, message: Msg, context: Context, endpoint: Endpoint, operation: Operation
    ) -> None:
        """Answers a call once there is room for it."""
        await self._permits.acquire()
        self._waiting[operation.name] -= 1
        context._begun = True
        self._weigh(1)
        is_late = operation.heartbeat is not None and context.result_to is not None
        serve = self._work if is_late and not context.cancelled() else self._serve
        await serve(message, context, endpoint, operation)

    async def _refuse(self, message: Msg) -> None:
        """Answers as a full queue does."""
        if message.reply:
            headers = {
                wire.FULL: str(QUEUE_MAX),
                wire.SERVICE_ERROR_CODE: "503",
                wire.SERVICE_ERROR: f"the queue of {QUEUE_MAX} calls is full",
            }
            await self._nats.publish(message.reply, b"", headers=headers)

    def _done(self, task: asyncio.Task[None], context: Context, operation: str) -> None:
        self._tasks.discard(task)
        if context._begun:
            self._permits.release()
        else:
            self._waiting[operation] -= 1
        if context._over is not None:
            context._over.cancel()
        if context in self._calls.get(context.call_id, []):
            self._leave(context)
        if not task.cancelled() and task.exception() is not None:
            log.error("an answer could not be sent", exc_info=task.exception())

    def _enter(self, context: Context, is_late: bool) -> bool:
        """Adds a call to those under way, which can be cancelled; false where it is one already."""
        same = self._calls.get(context.call_id, [])
        if is_late and context.call_id:
            if any(one.attempt == context.attempt for one in same):
                return False
            for earlier in same:
                # Another attempt is made, so nobody waits for this one any more.
                earlier._cancel()
        self._calls.setdefault(context.call_id, []).append(context)
        return True

    def _leave(self, context: Context) -> None:
        """The call is answered, or its answer is about to leave."""
        same = self._calls[context.call_id]
        same.remove(context)
        if not same:
            del self._calls[context.call_id]
        if context._begun:
            self._weigh(-1)

    def _pending(self, operation: Operation) -> Answer:
        interval = wire.format_duration(operation.heartbeat or 30.0)
        return b"", {wire.PENDING: "true", wire.HEARTBEAT: interval}

    async def _serve(
        self, message: Msg, context: Context, endpoint: Endpoint, operation: Operation
    ) -> None:
        began = time.perf_counter_ns()
        answer, error = await self._answer_or_why_not(message, context, operation)
        self._leave(context)
        endpoint.count(time.perf_counter_ns() - began, error)
        await self._respond(message, answer)

    async def _work(
        self, message: Msg, context: Context, endpoint: Endpoint, operation: Operation
    ) -> None:
        """Says that the result comes later, then works."""
        place = context.result_to or ""
        # Whoever asks names the subject, and it is our login that publishes to it.
        if not re.fullmatch(r"gearshift\.result(\.[^.*>\s]+)+", place):
            words = f"`{place}` is no place for results: it needs `gearshift.result.`"
            failure = Failure.permanent(words, code=400)
            await self._respond(message, (b"", wire.failure_headers(failure)))
            return
        await self._respond(message, self._pending(operation))
        began = time.perf_counter_ns()
        async with beat_until_done(context, self._beat, operation.heartbeat or 30.0):
            answer, error = await self._answer_or_why_not(message, context, operation)
            endpoint.count(time.perf_counter_ns() - began, error)
            load = {wire.LOAD: f"{self.in_flight - 1}/{self.plugin.concurrency}"}
            await publish_result(self._nats, context, (answer[0], {**answer[1], **load}))

    def _context(self, message: Msg) -> Context:
        context = Context(message.headers)
        context._loop = asyncio.get_running_loop()
        context._nats = self._nats
        context._source = f"plugin/{self.plugin.name}"
        context._beat = self._beat
        return context

    def _beat(self, context: Context) -> None:
        if context.call_id:
            self._spawn(heartbeat(self._nats, context))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(
        self, message: Msg, context: Context, operation: Operation
    ) -> Tuple[Answer, str]:
        """The answer, and what went wrong where it tells of a failure."""
        try:
            if context.cancelled():
                # It had to wait for its turn, and meanwhile whoever asked has gone.
                raise Failure.expired() if context.is_over() else Failure.cancelled()
            packed = wire.is_msgpack(wire.header(message.headers, wire.CONTENT_TYPE))
            value = await read_input(self._nats, message.data, packed)
            output = await operation.run(context, value, self._threads)
            body, kind = await write_output(self._nats, output, packed)
            return (body, {wire.CONTENT_TYPE: kind}), ""
        except Failure as failure:
            return (b"", wire.failure_headers(failure)), f"{failure.code}: {failure.message}"

    async def _answer_or_why_not(
        self, message: Msg, context: Context, operation: Operation
    ) -> Tuple[Answer, str]:
        """The answer; where it cannot be made, one that says so: somebody waits for it."""
        try:
            return await self._answer(message, context, operation)
        except Exception as error:
            log.error("no answer of `%s` can be made", operation.name, exc_info=True)
            words = f"the answer could not be made: {type(error).__name__}"
            failure = Failure.permanent(words, code=500)
            return (b"", wire.failure_headers(failure)), f"500: {words}"

    async def _respond(self, message: Msg, answer: Answer) -> None:
        if message.reply:
            body, headers = answer
            load = {wire.LOAD: f"{self.in_flight}/{self.plugin.concurrency}"}
            await self._nats.publish(message.reply, body, headers={**headers, **load})
