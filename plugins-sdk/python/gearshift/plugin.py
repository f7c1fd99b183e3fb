"""`Plugin`: a name, a version and operations."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import (
    Any,
    Callable,
    Coroutine,
    Dict,
    List,
    Optional,
    TypeVar,
    Union,
    overload,
)

from nats.aio.client import Client as Nats

from . import checks, wire
from .base import BadArgument
from .bodies import within
from .connection import Options
from .context import Context
from .failure import Failure
from .operation import Operation
from .process import run_process
from .requires import Required
from .running import Running
from .versions import Requirement

Function = TypeVar("Function", bound=Callable[..., Any])

HOOKS = ("initialize", "activate", "deactivate", "cleanup")


class Plugin:
    """A plugin in the making.

    The name has letters, digits, `-` and `_`; the version is `major.minor.patch`, and its major
    version is part of the subject that callers use. `concurrency` is how many calls are answered
    at once; the others wait. `requires_within` is how many seconds it waits for the plugins that it
    requires; then it is served all the same, as `degraded`.
    """

    def __init__(
        self,
        name: str,
        version: str,
        *,
        concurrency: int = 16,
        requires_within: float = 30.0,
        interfaces: Optional[List[str]] = None,
        priority: int = 0,
        weight: int = 1,
        performance: int = 0,
        reliability: Optional[float] = None,
    ) -> None:
        if not wire.is_name(name):
            raise BadArgument(f"`{name}` is no plugin's name: 1 to 64 letters, digits, `-`, `_`")
        for interface in interfaces or []:
            if not wire.is_name(interface):
                raise BadArgument(f"`{interface}` is no interface's name")
        checks.count(f"`{name}`: concurrency", concurrency)
        checks.count(f"`{name}`: weight", weight)
        checks.seconds(f"`{name}`: `requires_within`", requires_within)
        if reliability is not None:
            checks.number(f"`{name}`: reliability", reliability)
        if concurrency < 1 or weight < 1:
            raise BadArgument(f"`{name}`: concurrency and weight are at least 1")
        if reliability is not None and not 0 <= reliability <= 1:
            raise BadArgument(f"`{name}`: reliability `{reliability}` is not between 0 and 1")
        self.name = name
        self.version = version
        self.major = wire.major_of(version)
        self.concurrency = concurrency
        self.operations: Dict[str, Operation] = {}
        self.hooks: Dict[str, Callable[[], Any]] = {}
        self.required: List[Required] = []
        self.requires_within = requires_within
        self._told = {
            "interfaces": json.dumps(interfaces) if interfaces else None,
            "priority": str(priority) if priority else None,
            "weight": str(weight) if weight != 1 else None,
            "performance": str(performance) if performance else None,
            "reliability": None if reliability is None else str(reliability),
        }

    @overload
    def operation(self, name: Function) -> Function: ...

    @overload
    def operation(
        self,
        name: Optional[str] = None,
        *,
        idempotent: bool = True,
        timeout: Optional[float] = None,
        long: bool = False,
        heartbeat: Optional[float] = None,
    ) -> Callable[[Function], Function]: ...

    def operation(
        self,
        name: Union[str, Callable[..., Any], None] = None,
        *,
        idempotent: bool = True,
        timeout: Optional[float] = None,
        long: bool = False,
        heartbeat: Optional[float] = None,
    ) -> Any:
        """Makes a function an operation; definitions call it as `plugin.operation`.

        Without parentheses, or without a name, the operation has that of the function.
        The function takes `(input)` or `(context, input)` and may be a coroutine; one that is not
        runs in a thread. Its type hints become the schemas that callers see. `idempotent=False`:
        it is asked once, and where its answer is lost a person decides. `long=True`: the result
        follows later, with a sign of life every `heartbeat` seconds (30) meanwhile.
        """

        if name is not None and not callable(name) and not wire.is_name(name):
            raise BadArgument(f"`{name}` is no operation's name: 1 to 64 letters, digits, `-`, `_`")

        def add(function: Function) -> Function:
            known = (None if callable(name) else name) or function.__name__
            if known in self.operations:
                raise BadArgument(f"operation `{known}` is there twice")
            options: Dict[str, Any] = {"timeout": timeout, "long": long, "heartbeat": heartbeat}
            self.operations[known] = Operation.of(known, function, idempotent=idempotent, **options)
            return function

        return add(name) if callable(name) else add

    def requires(self, plugin: str, version: str = "*", *, optional: bool = False) -> Plugin:
        """Says that this plugin needs another one, in versions such as `>=1.0.0`."""
        if not wire.is_name(plugin):
            raise BadArgument(f"`{plugin}` is no plugin's name")
        checks.text(f"the version required of `{plugin}`", version)
        Requirement(version)
        self.required.append(Required(plugin, version, optional))
        return self

    def on_initialize(self, function: Function) -> Function:
        """Called first, before anything is answered: open what is needed."""
        return self._hook("initialize", function)

    def on_activate(self, function: Function) -> Function:
        """Called when all is ready, just before the first call is taken."""
        return self._hook("activate", function)

    def on_deactivate(self, function: Function) -> Function:
        """Called in a drain, after the last call was answered."""
        return self._hook("deactivate", function)

    def on_cleanup(self, function: Function) -> Function:
        """Called last, also where the start failed: close what was opened."""
        return self._hook("cleanup", function)

    def _hook(self, name: str, function: Function) -> Function:
        if name in self.hooks:
            raise BadArgument(f"`on_{name}` is there twice")
        self.hooks[name] = function
        return function

    def metadata(self) -> Dict[str, str]:
        """What the service tells about itself."""
        told = {"gearshift.plugin": "1"}
        if self.required:
            told["gearshift.requires"] = json.dumps([one.told() for one in self.required])
        told.update({f"gearshift.{key}": text for key, text in self._told.items() if text})
        told["gearshift.concurrency"] = str(self.concurrency)
        told["gearshift.instance"] = "true"
        told["gearshift.objects"] = "true"
        return told

    async def serve(self, nats: Nats) -> Running:
        """Answers calls over this connection, until the returned `Running` is drained."""
        running = Running(self, nats)
        await running.start()
        return running

    def run(self, options: Optional[Options] = None) -> None:
        """Answers calls until the process is told to end: the `main` of a plugin.

        Servers and login come from the environment (`options_from_environment`), or are the
        options of `nats.connect`; an address alone leaves the login to the environment. At the
        first SIGTERM or Ctrl-C the plugin takes itself off and
        answers what it has taken; at the second one it ends at once.
        """
        if not self.operations:
            words = "nobody could call it: give it a function by `@plugin.operation()`"
            raise BadArgument(f"plugin `{self.name}` has no operation, so {words}")
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        code = asyncio.run(run_process(self, options))
        if code:
            sys.exit(code)

    async def call(
        self, operation: str, value: Any = None, *, context: Optional[Context] = None
    ) -> Any:
        """Calls an operation without a bus, for tests; raises `Failure` where it fails.

        What is given and what comes back is JSON, and is judged as by a plugin that runs. A `Trial`
        as the context says who calls, and keeps what the operation told and published.
        """
        if operation not in self.operations:
            has = ", ".join(f"`{one}`" for one in self.operations) or "none"
            raise BadArgument(f"plugin `{self.name}` has no operation `{operation}`; it has {has}")
        known = self.operations[operation]
        known.check()
        try:
            given = wire.encode(value, False)
        except Failure as error:
            words = error.message.partition(": ")[2]
            raise BadArgument(f"what is given to `{operation}` is no JSON: {words}") from error
        within("input", len(given), wire.OBJECT_BYTES_MAX)
        it = context or Context()
        if it.cancelled():
            raise Failure.expired() if it.is_over() else Failure.cancelled()
        output = await _in_time(known.run(it, wire.decode(given, False)), it)
        body = wire.encode(output, False)
        within("output", len(body), wire.OBJECT_BYTES_MAX)
        return wire.decode(body, False)


async def _in_time(work: Coroutine[Any, Any, Any], context: Context) -> Any:
    """What the work gives; it is told when its deadline is over, as by a plugin that runs."""
    left = context.remaining()
    if left is None or left <= 0:
        return await work
    ending = asyncio.get_running_loop().call_later(left, context._cancel)
    try:
        return await work
    finally:
        ending.cancel()
