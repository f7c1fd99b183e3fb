"""One operation: a function, and what callers are told of it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import logging
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from . import checks, hints, wire
from .base import BadArgument
from .context import Context
from .failure import Failure
from .schema import from_json, misfit, schema_of, to_json

log = logging.getLogger("gearshift")

Schema = Optional[Dict[str, Any]]


@dataclass
class Operation:
    """One operation of a plugin."""

    name: str
    function: Callable[..., Any]
    takes_context: bool
    takes_input: bool
    input_hint: Any
    output_hint: Any
    idempotent: bool
    timeout: Optional[float]
    #: How often a sign of life comes, of long work; else `None`.
    heartbeat: Optional[float]
    _schemas: Optional[Tuple[Schema, Schema]] = None

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[..., Any],
        *,
        idempotent: bool = True,
        timeout: Optional[float] = None,
        long: bool = False,
        heartbeat: Optional[float] = None,
    ) -> Operation:
        """Reads the function's parameters; raises `BadArgument` where they do not fit."""
        if not wire.is_name(name):
            raise BadArgument(f"`{name}` is no operation's name: 1 to 64 letters, digits, `-`, `_`")
        if timeout is not None:
            checks.seconds(f"`{name}`: `timeout=`", timeout)
        if heartbeat is not None and not (long and checks.is_number(heartbeat) and heartbeat > 0):
            raise BadArgument(f"`{name}`: `heartbeat=` is a number of seconds, beside `long=True`")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise BadArgument(
                f"operation `{name}`: a function with `yield` gives no answer; tell of what is "
                f"done so far by `context.heartbeat`"
            )
        known = hints.hints_of(name, function)
        takes_context, taken = _taken(name, function, known)
        made = cls(
            name=name,
            function=function,
            takes_context=takes_context,
            takes_input=taken is not None,
            input_hint=Any if taken is None else known.get(taken, Any),
            output_hint=known.get("return", Any),
            idempotent=idempotent,
            timeout=timeout,
            heartbeat=(heartbeat or 30.0) if long else None,
        )
        hints.check(name, "input", made.input_hint)
        hints.check(name, "output", made.output_hint)
        with suppress(NameError):
            # Of a class that is defined further down it is told at the start.
            made.schemas()
        return made

    def schemas(self) -> Tuple[Schema, Schema]:
        """Of input and output; `NameError` where a hint names what is not there yet."""
        if self._schemas is None:
            try:
                self._schemas = (schema_of(self.input_hint), schema_of(self.output_hint))
            except (ValueError, TypeError) as error:
                words = f"operation `{self.name}`: no schema can be made of its hints"
                raise BadArgument(f"{words}: {error}") from error
        return self._schemas

    def check(self) -> None:
        """Raises `BadArgument` where a hint names what is not there."""
        try:
            self.schemas()
        except NameError as error:
            raise BadArgument(f"operation `{self.name}`: a hint is no type: {error}") from error

    def metadata(self) -> Dict[str, str]:
        """What the endpoint tells about itself."""
        told = {"gearshift.idempotent": "true" if self.idempotent else "false"}
        self.check()
        for key, schema in zip(("input", "output"), self.schemas()):
            if schema is not None:
                told[f"gearshift.{key}"] = json.dumps(schema)
        if self.timeout is not None:
            told["gearshift.timeout"] = wire.format_duration(self.timeout)
        if self.heartbeat is not None:
            told["gearshift.heartbeat"] = wire.format_duration(self.heartbeat)
        return told

    async def run(self, context: Context, value: Any, threads: Optional[Executor] = None) -> Any:
        """Runs the function on a JSON value; gives one. Raises `Failure`, and nothing else."""
        try:
            read = from_json(self.input_hint, value) if self.takes_input else None
        except ValueError as error:
            raise Failure.permanent(f"invalid_input: {error}", code=400) from error
        given = [context] if self.takes_context else []
        arguments = [*given, read] if self.takes_input else given
        try:
            if inspect.iscoroutinefunction(self.function):
                output = await self.function(*arguments)
            else:
                output = await in_thread(threads, self.function, *arguments)
        except Failure:
            raise
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A handler that leaves by `sys.exit` ends its attempt, not the others' process.
            if isinstance(error, asyncio.CancelledError) and _is_cancelled():
                raise
            log.warning("`%s` failed", self.name, exc_info=True)
            failure = Failure.of(error)
            # It may have had its effect before.
            failure.is_retryable = self.idempotent
            raise failure from error
        return self._judged(output)

    def _judged(self, output: Any) -> Any:
        """The answer as JSON has it. Raises `Failure` for one that callers were not told of."""
        try:
            told = to_json(output)
            schema = self.schemas()[1]
            problem = misfit(schema, told) if schema else None
        except RecursionError:
            problem = "it holds itself, or is nested too deep"
        except ValueError as error:
            problem = str(error)
        if problem is None:
            return told
        log.warning("`%s` gave an answer that is none: %s", self.name, problem)
        raise Failure.permanent(f"invalid_output: {problem}", code=500)


def _is_cancelled() -> bool:
    """Is it our task that is to end, and not one that the function waited for?"""
    cancelling = getattr(asyncio.current_task(), "cancelling", None)
    # Before Python 3.11 nobody tells.
    return cancelling is None or cancelling() > 0


def _taken(
    name: str, function: Callable[..., Any], known: Dict[str, Any]
) -> Tuple[bool, Optional[str]]:
    """Whether the function takes the context, and the parameter that takes the input, if any."""
    parameters = list(inspect.signature(function).parameters.values())
    places = [
        one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    needed = [one for one in places if one.default is one.empty]
    named = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    # Names tell where hints do not.
    in_wrong_place = [
        one
        for one in places[1:]
        if known.get(one.name) is Context
        or (one.name in ("context", "ctx") and one.name not in known and one in needed)
    ]
    if (
        len(needed) > 2
        or in_wrong_place
        or any(one.default is one.empty for one in named)
        or (parameters and not places)
    ):
        raise BadArgument(
            f"operation `{name}`: a function takes `(input)` or `(context, input)`, "
            f"not `{inspect.signature(function)}`"
        )
    is_first = bool(places) and known.get(places[0].name) is Context
    takes_context = is_first or len(needed) == 2
    rest = places[1:] if takes_context else places
    return takes_context, rest[0].name if rest else None


async def in_thread(
    threads: Optional[Executor], function: Callable[..., Any], *arguments: Any
) -> Any:
    """Runs a function that may block; a coroutine that it returns is awaited."""
    context = contextvars.copy_context()
    bound = functools.partial(context.run, function, *arguments)
    result = await asyncio.get_running_loop().run_in_executor(threads, bound)
    return await result if inspect.isawaitable(result) else result
