"""Orders of the client against a real engine: rollback, variables, forks, timers, transactions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

from world import Engine, OnServer, until

import gearshift
from gearshift import Client, Context, Plugin

DEFINITIONS = """
workflow: trip
version: 1
vars: { seats: 1 }
steps:
  book: { call: trips.book, undo: trips.unbook }
  paid: { needs: book, wait: trip.paid }
  told: { needs: paid, set: { seats: vars.seats + 1 } }
events: { trip.paid: {} }
---
workflow: bell
version: 1
initial: quiet
states:
  quiet: { after: { 1h: rung } }
  rung: { final: true }
"""


class Orders(OnServer):
    engine: Engine

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.engine = Engine(cls.server, DEFINITIONS)
        cls.addClassCleanup(cls.engine.stop)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.client = Client(self.caller, user="rita", timeout=60)
        self.calls: List[Context] = []
        trips = Plugin("trips", "1.0.0")

        @trips.operation()
        async def book(context: Context, value: Any) -> Dict[str, str]:
            self.calls.append(context)
            return {"seat": "4a"}

        @trips.operation()
        async def unbook(context: Context, value: Any) -> None:
            self.calls.append(context)

        await self.serve(trips)

    async def booked(self, key: str, **more: Any) -> str:
        """A trip that waits for its money."""
        await self.client.start("trip", {}, key=key, **more)

        async def waits() -> bool:
            steps = (await self.client.show(f"trip/{key}"))["steps"]
            return any((step["id"], step["status"]) == ("book", "completed") for step in steps)

        await until(waits, "the seat is booked")
        return f"trip/{key}"

    async def test_what_was_done_is_taken_back_and_done_again(self) -> None:
        trip = await self.booked("t-1")
        rehearsed = await self.client.rollback(trip, reason="no money", dry_run=True)
        self.assertEqual(rehearsed["instance"], trip)
        self.assertEqual(len(self.calls), 1, "nothing was done")
        await self.client.rollback(trip, down_to="book", reason="no money")

        async def stands() -> bool:
            return bool((await self.client.show(trip))["status"] == "stuck")

        await until(stands, "it is taken back")
        done = [(context.step, context.purpose) for context in self.calls]
        self.assertEqual(done, [("book", ""), ("book", "undo")])
        await self.client.retry(trip)
        await until(lambda: len(self.calls) == 3, "it is booked again")

    async def test_variables_checkpoints_and_forks(self) -> None:
        trip = await self.booked("t-2")
        await self.client.set(trip, {"seats": 7}, reason="a school class")
        self.assertEqual((await self.client.show(trip))["vars"], {"seats": 7})
        with self.assertRaises(gearshift.Refused):
            await self.client.set(trip, {"sets": 7})
        with self.assertRaises(gearshift.BadArgument):
            await self.client.set(trip, 7)  # type: ignore[arg-type]
        await self.client.checkpoint(trip, "booked")
        forked = await self.client.fork(trip, "booked", key="t-2b")
        self.assertEqual((forked["origin"], forked["instance"]), (trip, "trip/t-2b"))
        await self.client.send("trip.paid", {}, instance="trip/t-2b")
        ended = await self.client.wait("trip/t-2b")
        self.assertEqual((ended["status"], ended["vars"]), ("done", {"seats": 8}))
        await self.client.pause(trip, timers="keep")
        await self.client.resume(trip)
        more = "steps: { last: { set: { seats: 0 } } }"
        added = await self.client.add_steps(trip, more, dry_run=True)
        self.assertEqual(added["steps"], ["last"])

    async def test_timers_are_listed_moved_and_fired(self) -> None:
        await self.client.start("bell", key="b-1")
        [timer] = await self.client.timers("bell/b-1")
        before = datetime.fromisoformat(timer["due"].replace("Z", "+00:00"))
        await self.client.move_timer("bell/b-1", timer["id"], by=60)
        [moved] = await self.client.timers("bell/b-1")
        due = datetime.fromisoformat(moved["due"].replace("Z", "+00:00"))
        self.assertEqual(due - before, timedelta(seconds=60))
        later = datetime.now(timezone.utc) + timedelta(days=1)
        await self.client.move_timer("bell/b-1", timer["id"], to=later)
        for wrong in ({}, {"by": 1, "to": later}, {"to": datetime(2026, 1, 1)}):
            with self.assertRaises(gearshift.BadArgument):
                await self.client.move_timer("bell/b-1", timer["id"], **wrong)
        await self.client.fire_timer("bell/b-1", timer["id"])
        self.assertEqual((await self.client.wait("bell/b-1"))["status"], "done")

    async def test_a_transaction_takes_back_what_its_members_did(self) -> None:
        begun = await self.client.begin_transaction("tour", timeout=600)
        self.assertEqual(begun["instance"], "transaction/tour")
        trip = await self.booked("t-3", transaction="tour")
        shown = await self.client.transaction("tour")
        self.assertIn(trip, str(shown))
        await self.client.rollback_transaction("tour", reason="no bus")
        await self.client.wait("transaction/tour", "rolled_back")
        self.assertEqual([context.purpose for context in self.calls], ["", "undo"])
        await self.client.begin_transaction("stay")
        await self.booked("t-4", transaction="stay")
        await self.client.commit_transaction("stay")
        await self.client.wait("transaction/stay", "committed")
