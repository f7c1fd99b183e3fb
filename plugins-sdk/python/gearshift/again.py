"""Waiting that outlives restarts: what may have been lost is asked again, under the same id."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, Awaitable, Callable, Dict, Optional

from .asking import ENDED
from .errors import GearshiftError, OutcomeUnknown, Refused, Unreachable

#: Whoever waits looks again after so long, and up to a third more, so that many who began at once
#: do not look at once.
LOOK_AGAIN = 15.0
SPREAD = 5.0
#: How long one look may take.
LOOK_MAX = 5.0
#: How long the last look may take, where the time is up and no answer came.
LAST_LOOK_MAX = 2.0
#: Between an engine that broke a wait off and the next one.
BREATH = 0.25

#: Asks; the first number is how long the engine may wait, the second how long we do if that is not
#: the same and a bit.
Ask = Callable[[float, Optional[float]], Awaitable[Dict[str, Any]]]


def may_pass(error: GearshiftError) -> bool:
    """Is it worth asking again, as nothing is wrong with the question?"""
    if isinstance(error, Refused):
        return error.problem.status in (503, 504)
    return isinstance(error, (Unreachable, OutcomeUnknown))


async def waited(ask: Ask, patience: float) -> Dict[str, Any]:
    """Asks, and looks now and then how it stands.

    An answer that is sent while its asker has lost the server reaches nobody. Where an engine
    breaks the wait off, as it stops, another one waits on.
    """
    end = time.monotonic() + patience
    left = patience
    broken_off: Optional[Refused] = None
    while True:
        try:
            return await _looking(ask, left)
        except OutcomeUnknown as late:
            try:
                return await ask(0.0, LAST_LOOK_MAX)
            except GearshiftError:
                words = f"no answer within {patience:g} s"
                raise OutcomeUnknown(words) from late
        except Refused as error:
            if error.problem.status == 504 and time.monotonic() < end:
                broken_off = error
            elif broken_off is None:
                raise
            else:
                # Whoever was asked then knows less than the first one said.
                raise broken_off from error
        except GearshiftError as error:
            if broken_off is None:
                raise
            raise broken_off from error
        await asyncio.sleep(BREATH)
        left = max(0.0, end - time.monotonic())


async def _looking(ask: Ask, left: float) -> Dict[str, Any]:
    """The answer, or what a look beside it saw that settles it."""
    first = asyncio.ensure_future(ask(left, None))
    look: Optional[asyncio.Future[Dict[str, Any]]] = None
    try:
        while True:
            await asyncio.wait({first}, timeout=LOOK_AGAIN + random.uniform(0, SPREAD))
            if first.done():
                return first.result()
            look = asyncio.ensure_future(ask(0.0, LOOK_MAX))
            await asyncio.wait({first, look}, return_when=asyncio.FIRST_COMPLETED)
            if first.done():
                return first.result()
            # It waits on, or nobody answers just now; the first answer may still come.
            if look.exception() is None and _is_settled(look.result()):
                return look.result()
    finally:
        begun = [one for one in (first, look) if one is not None and not one.done()]
        for one in begun:
            one.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


def _is_settled(answer: Dict[str, Any]) -> bool:
    """Is there nothing more to wait for?"""
    verdicts = answer["verdicts"] if "verdicts" in answer else [answer["verdict"]]
    known = (one.get("status") for one in verdicts)
    over = all(status in (None, "stuck") or status in ENDED for status in known)
    return over or bool(answer.get("reached"))
