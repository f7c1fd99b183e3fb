"""Building a workflow of steps in code; everything a file can say is in docs/FORMAT.md."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from . import checks, wire
from .base import BadArgument
from .schema import to_json
from .versions import Requirement

MODES = ("sequential", "parallel", "pipeline", "conditional")

#: What stands beside a call in a file; what `Step` has parameters for is not among it.
FIELDS = frozenset(
    "begin cache checkpoint commit critical deadline fallback foreach metadata on_failure optional "
    "retry rollback set timeout title undo when".split()
)


class Step:
    """One step: a call of `plugin.operation`.

    The plugin may have versions behind it (`validator@^1.2`). `needs` names the steps that come
    first. Further fields of a step, such as `timeout`, `retry`, `when` or `undo`, are keyword
    arguments as in a file.
    """

    def __init__(
        self,
        name: str,
        plugin: str,
        operation: str,
        parameters: Optional[Dict[str, Any]] = None,
        *,
        needs: Union[str, Sequence[str], Dict[str, Any], None] = None,
        **fields: Any,
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
            words = "letters, digits and `_`, and begins with no digit"
            raise BadArgument(f"`{name}` is no step's name: it has 1 to 128 {words}")
        self.name = name
        self.fields: Dict[str, Any] = {"call": _call(name, plugin, operation)}
        if parameters is not None:
            self.fields["with"] = _json(f"step `{name}`: what it is given", parameters)
        if needs is not None:
            self.fields["needs"] = _names(f"step `{name}`: `needs=`", needs)
        for field, value in fields.items():
            if field not in FIELDS:
                raise BadArgument(f"step `{name}` has no field `{field}`{_meant(field, FIELDS)}")
            self.fields[field] = _json(f"step `{name}`: `{field}=`", value)


class Workflow:
    """A workflow of steps, such as `client.deploy` takes.

    `mode` is `sequential`, `parallel`, `pipeline` or `conditional`, or is left out where `needs`
    say the order.
    """

    def __init__(
        self, name: str, title: str = "", *, version: int = 1, mode: Optional[str] = None
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", name):
            words = "1 to 128 letters, digits, `-`, `_`"
            raise BadArgument(f"`{name}` is no workflow's name: {words}")
        if not isinstance(title, str):
            raise BadArgument(f"workflow `{name}`: the title is a text, not `{title!r}`")
        checks.count(f"workflow `{name}`: the version", version)
        if not 1 <= version < 1 << 32:
            raise BadArgument(f"workflow `{name}`: the version counts from 1, not `{version}`")
        if mode is not None and mode not in MODES:
            known = ", ".join(f"`{one}`" for one in MODES)
            words = f"there are {known}{_meant(mode, MODES)}"
            raise BadArgument(f"workflow `{name}` has no mode `{mode}`; {words}")
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
        """The definition as a file says it; raises `BadArgument` where it has no step."""
        if not self.steps:
            raise BadArgument(f"workflow `{self.name}` has no step: give it one by `add`")
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


def _call(name: str, plugin: str, operation: str) -> str:
    known, at, version = plugin.partition("@") if isinstance(plugin, str) else (plugin, "", "")
    for what, one in (("plugin", known), ("operation", operation)):
        if not wire.is_name(one):
            words = "1 to 64 letters, digits, `-`, `_`"
            raise BadArgument(f"step `{name}`: `{one}` is no {what}'s name: {words}")
    if at:
        Requirement(version)
    return f"{plugin}.{operation}"


def _names(what: str, names: Union[str, Sequence[str], Dict[str, Any]]) -> Any:
    """Names of steps; one alone is a text, and how many of them suffice is told as in a file."""
    if isinstance(names, dict):
        return _json(what, names)
    listed = [names] if isinstance(names, str) else names
    if not isinstance(listed, (list, tuple, set, frozenset)):
        raise BadArgument(f"{what} is a step's name or a list of them, not `{names!r}`")
    for one in listed:
        checks.text(f"{what}: a step's name", one)
    return list(listed)


def _json(what: str, value: Any) -> Any:
    try:
        return to_json(value)
    except (ValueError, RecursionError) as error:
        raise BadArgument(f"{what} is no JSON: {error}") from error


def _meant(given: Any, known: Iterable[str]) -> str:
    """What was meant by a word that there is not, as a question behind it."""
    near = difflib.get_close_matches(str(given), list(known), 1)
    return f"; is it `{near[0]}`?" if near else ""
