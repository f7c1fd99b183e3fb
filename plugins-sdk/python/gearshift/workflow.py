"""Building a workflow of steps in code; everything a file can say is in docs/FORMAT.md."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Union

from .base import BadArgument


class Step:
    """One step: a call of `plugin.operation`.

    `needs` names the steps that come first. Further fields of a step, such as `timeout`, `retry`,
    `when` or `undo`, are keyword arguments as in a file.
    """

    def __init__(
        self,
        name: str,
        plugin: str,
        operation: str,
        parameters: Optional[Dict[str, Any]] = None,
        *,
        needs: Optional[Sequence[str]] = None,
        **fields: Any,
    ) -> None:
        self.name = name
        self.fields: Dict[str, Any] = {"call": f"{plugin}.{operation}"}
        if parameters is not None:
            self.fields["with"] = parameters
        if needs is not None:
            self.fields["needs"] = list(needs)
        self.fields.update(fields)


class Workflow:
    """A workflow of steps, such as `client.deploy` takes.

    `mode` is `sequential`, `parallel`, `pipeline` or `conditional`, or is left out where `needs`
    say the order.
    """

    def __init__(
        self, name: str, title: str = "", *, version: int = 1, mode: Optional[str] = None
    ) -> None:
        self.name = name
        self.title = title
        self.version = version
        self.mode = mode
        self.steps: List[Step] = []

    def add(self, step: Step) -> Workflow:
        """Adds a step; the order counts where the mode does."""
        if not isinstance(step, Step):
            raise BadArgument(f"a workflow is made of `Step`s, not of `{step!r}`")
        if any(one.name == step.name for one in self.steps):
            raise BadArgument(f"step `{step.name}` is there twice")
        self.steps.append(step)
        return self

    def to_dict(self) -> Dict[str, Any]:
        """The definition as a file says it."""
        told: Dict[str, Union[str, int, Dict[str, Any]]] = {
            "workflow": self.name,
            "version": self.version,
        }
        if self.title:
            told["title"] = self.title
        if self.mode:
            told["mode"] = self.mode
        told["steps"] = {step.name: step.fields for step in self.steps}
        return told

    def to_json(self) -> str:
        """The definition as text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)
