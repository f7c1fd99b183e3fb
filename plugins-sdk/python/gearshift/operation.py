"""One operation: a function, and what callers are told of it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import json
import logging
import typing
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

from . import wire
from .context import Context
from .failure import Failure
from .schema import from_json, schema_of, to_json

log = logging.getLogger("gearshift")


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
        """Reads the function's parameters; raises `TypeError` where they do not fit."""
        if not wire.is_name(name):
            raise ValueError(f"`{name}` is no operation's name: 1 to 64 letters, digits, `-`, `_`")
        if heartbeat is not None and not (long and heartbeat > 0):
            raise ValueError(f"`{name}`: `heartbeat=` is a number of seconds, beside `long=True`")
        parameters = list(inspect.signature(function).parameters.values())
        positional = [
            one
            for one in parameters
            if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
            and one.default is one.empty
        ]
        needed = [one for one in parameters if one.kind == one.KEYWORD_ONLY]
        if len(positional) > 2 or any(one.default is one.empty for one in needed):
            raise TypeError(
                f"operation `{name}`: a function takes `(input)` or `(context, input)`, "
                f"not `{inspect.signature(function)}`"
            )
        hints = _hints(function)
        first_is_context = bool(positional) and hints.get(positional[0].name) is Context
        takes_context = len(positional) == 2 or first_is_context
        takes_input = len(positional) == 2 or (len(positional) == 1 and not first_is_context)
        return cls(
            name=name,
            function=function,
            takes_context=takes_context,
            takes_input=takes_input,
            input_hint=hints.get(positional[-1].name, Any) if takes_input else Any,
            output_hint=hints.get("return", Any),
            idempotent=idempotent,
            timeout=timeout,
            heartbeat=(heartbeat or 30.0) if long else None,
        )

    def metadata(self) -> Dict[str, str]:
        """What the endpoint tells about itself."""
        told = {"gearshift.idempotent": "true" if self.idempotent else "false"}
        for key, hint in (("input", self.input_hint), ("output", self.output_hint)):
            schema = schema_of(hint)
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
                return to_json(await self.function(*arguments))
            return to_json(await in_thread(threads, self.function, *arguments))
        except Failure:
            raise
        except Exception as error:
            log.warning("`%s` failed", self.name, exc_info=True)
            failure = Failure.of(error)
            # It may have had its effect before.
            failure.is_retryable = self.idempotent
            raise failure from error


def _hints(function: Callable[..., Any]) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError) as error:
        # Hints that are only for type checkers, or of a newer Python.
        log.warning("`%s` has no schema: %s", getattr(function, "__name__", function), error)
        return {}


async def in_thread(
    threads: Optional[Executor], function: Callable[..., Any], *arguments: Any
) -> Any:
    """Runs a function that may block; a coroutine that it returns is awaited."""
    context = contextvars.copy_context()
    bound = functools.partial(context.run, function, *arguments)
    result = await asyncio.get_running_loop().run_in_executor(threads, bound)
    return await result if inspect.isawaitable(result) else result
