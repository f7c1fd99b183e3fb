"""Orders to instances and transactions: what a client asks of an engine in somebody's name."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Optional, Union

from . import checks
from .errors import BadArgument

#: What the engine tells of an instance, a verdict or a list, as JSON.
Json = Dict[str, Any]


class Orders:
    """The part of a `Client` that orders; each order is recorded with who gave it and why.

    With `dry_run` the engine only tells what would become of it: the answer is that of the order,
    and nothing is done.
    """

    # Approvals

    async def decide(
        self, instance: str, choice: str, *, reason: str = "", data: Optional[Json] = None
    ) -> Json:
        """Decides an open approval by one of its choices."""
        return await self._order("decide", instance, reason, choice=choice, data=data)

    async def approve(self, instance: str, *, reason: str = "") -> Json:
        """Decides an open approval by the choice `approve`."""
        return await self.decide(instance, "approve", reason=reason)

    async def reject(self, instance: str, *, reason: str = "") -> Json:
        """Decides an open approval by the choice `reject`."""
        return await self.decide(instance, "reject", reason=reason)

    # Instances

    async def cancel(self, instance: str, *, reason: str = "", dry_run: bool = False) -> Json:
        """Ends an instance softly: exit actions run."""
        return await self._order("cancel", instance, reason, **_only(dry_run))

    async def kill(self, instance: str, *, reason: str = "", dry_run: bool = False) -> Json:
        """Ends an instance at once: nothing runs."""
        return await self._order("kill", instance, reason, **_only(dry_run))

    async def retry(self, instance: str, *, reason: str = "", dry_run: bool = False) -> Json:
        """Re-runs what made an instance stuck, and only that; behind a rollback by hand, what was
        taken back."""
        return await self._order("retry", instance, reason, **_only(dry_run))

    async def skip(self, instance: str, *, reason: str = "", dry_run: bool = False) -> Json:
        """Leaves behind what made an instance stuck: a call, a step, an undo."""
        return await self._order("skip", instance, reason, **_only(dry_run))

    async def pause(
        self,
        instance: str,
        *,
        timers: Optional[str] = None,
        reason: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Holds an instance until it is resumed; `timers` is `freeze`, the default, or `keep`.

        Frozen ones are due later by as long as the pause was; of those that are kept, what became
        due meanwhile fires at the resume.
        """
        return await self._order("pause", instance, reason, timers=timers, **_only(dry_run))

    async def resume(self, instance: str, *, reason: str = "", dry_run: bool = False) -> Json:
        """Lets a paused instance go on."""
        return await self._order("resume", instance, reason, **_only(dry_run))

    async def rollback(
        self,
        instance: str,
        *,
        down_to: Optional[str] = None,
        reason: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Takes back what an instance has done, newest first, down to a step, it included.

        Afterwards it waits for a person: `retry` does what was taken back again, `cancel` ends it.
        """
        more = {"from": down_to, **_only(dry_run)}
        return await self._order("rollback", instance, reason, **more)

    async def set(
        self, instance: str, vars: Json, *, reason: str = "", dry_run: bool = False
    ) -> Json:
        """Writes to variables, by path (`{"order.items": 3}`): all of them, or none."""
        if not isinstance(vars, dict):
            raise BadArgument(f"`vars` has values by path, and is not `{vars!r}`")
        return await self._order("set", instance, reason, vars=vars, **_only(dry_run))

    async def checkpoint(self, instance: str, name: str, *, reason: str = "") -> Json:
        """Saves a point that a fork can begin from; an earlier one of that name is replaced."""
        return await self._order("checkpoint", instance, reason, name=name)

    async def fork(
        self, instance: str, start: str, *, key: Optional[str] = None, reason: str = ""
    ) -> Json:
        """Begins a new instance where another one was, which stays as it is.

        `start` is a checkpoint, or a step, which runs again with all that needs it. Without a
        `key` the engine makes one: the answer has the new `instance`.
        """
        return await self._order("fork", instance, reason, **{"from": start, "key": key})

    async def add_steps(
        self,
        instance: str,
        text: str,
        *,
        state: Optional[str] = None,
        origin: str = "",
        reason: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Gives an instance that runs further steps: `steps:` as YAML, as a definition has it.

        They join those of the `state`, or those that run.
        """
        more = {"text": text, "origin": origin, "format": "yaml", "state": state}
        return await self._order("add_steps", instance, reason, **more, **_only(dry_run))

    # Timers

    async def timers(self, instance: str) -> List[Json]:
        """The timers of an instance that are armed: `id`, what for, and when each is `due`."""
        shown = await self.query("instance", {"id": instance})
        return list(shown.get("timers", []))

    async def fire_timer(
        self, instance: str, timer: Union[int, str], *, reason: str = ""
    ) -> Json:
        """Lets a timer fire now: its id, its name, or a part of it that no other has."""
        return await self._order("timer_fire", instance, reason, timer=str(timer))

    async def move_timer(
        self,
        instance: str,
        timer: Union[int, str],
        *,
        to: Optional[Union[datetime, str]] = None,
        by: Optional[float] = None,
        reason: str = "",
    ) -> Json:
        """Lets a timer be due at another time: `to` a moment, or `by` so many seconds later.

        A moment is a `datetime` with a time zone, or RFC 3339 text; less than 0 is earlier.
        """
        if (to is None) == (by is None):
            raise BadArgument("a timer is moved either `to` a moment or `by` so many seconds")
        more: Json = {"timer": str(timer)}
        if by is not None:
            checks.number("`by`", by)
            more["by_ms"] = round(by * 1000)
        elif isinstance(to, datetime):
            if to.tzinfo is None:
                raise BadArgument(f"`to` has no time zone: `{to}`")
            more["to"] = to.isoformat()
        else:
            more["to"] = to
        return await self._order("timer_move", instance, reason, **more)

    # Transactions

    async def begin_transaction(
        self, name: str, *, timeout: Optional[float] = None, reason: str = ""
    ) -> Json:
        """Begins a transaction, which is the instance `transaction/NAME`.

        It is rolled back by itself where nobody ends it within `timeout` seconds; an hour, where
        that is absent. Begun again with the same timeout while it is open, it answers
        `duplicate`. Instances become members by being started in it:
        `start(…, transaction=name)`.
        """
        more: Json = {}
        if timeout is not None:
            checks.seconds("`timeout`", timeout)
            more["timeout_ms"] = round(timeout * 1000)
        return await self._transaction("begin", name, reason, **more)

    async def commit_transaction(self, name: str, *, reason: str = "") -> Json:
        """Lets stay what the members of a transaction did."""
        return await self._transaction("commit", name, reason)

    async def rollback_transaction(self, name: str, *, reason: str = "") -> Json:
        """Takes back what the members of a transaction did, newest first over all of them.

        The answer comes when that has begun; `wait("transaction/NAME", "rolled_back")` waits for
        its end.
        """
        return await self._transaction("rollback", name, reason)

    async def transaction(self, name: str) -> Json:
        """All there is to show of a transaction, with its members."""
        return await self.query("instance", {"id": f"transaction/{name}"})

    async def _transaction(self, verb: str, name: str, reason: str, **more: Any) -> Json:
        checks.text("`name`", name)
        return await self.command(f"transaction_{verb}", {"name": name, "reason": reason, **more})

    async def _order(self, verb: str, instance: str, reason: str, **more: Any) -> Json:
        body = {"instance": instance, "reason": reason, **given(**more)}
        return await self.command(verb, body)

    # What everything else is made of: the client has the way.

    async def command(self, verb: str, body: Any, *, timeout: Optional[float] = None) -> Json:
        """Sends an operator's command in the name of `user`."""
        raise NotImplementedError

    async def query(self, what: str, body: Any) -> Json:
        """Asks a query."""
        raise NotImplementedError


def given(**fields: Any) -> Json:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _only(dry_run: bool) -> Json:
    return {"dry_run": True} if dry_run else {}
