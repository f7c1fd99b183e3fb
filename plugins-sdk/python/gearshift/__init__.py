"""Plugins and clients for Gearshift.

A whole plugin:

    from dataclasses import dataclass
    from gearshift import Context, Failure, Plugin

    plugin = Plugin("validator", "1.2.0")

    @dataclass
    class Document:
        title: str

    @plugin.operation("validate_document")
    async def validate(context: Context, document: Document) -> dict:
        if not document.title:
            raise Failure.permanent("title is missing")
        return {"valid": True, "words": len(document.title.split())}

    plugin.run()

An operation may be called more than once for one call (`context.call_id` stays the same), so it is
idempotent by that id, or says `idempotent=False`.
"""

from .client import Client, connect
from .connection import options_from_environment
from .context import Context
from .errors import (
    BadArgument,
    GearshiftError,
    NotReached,
    OutcomeUnknown,
    Problem,
    Protocol,
    Refused,
    Unreachable,
)
from .failure import Failure
from .plugin import Plugin
from .running import Running
from .trial import Trial
from .workflow import Step, Workflow

__all__ = [
    "BadArgument",
    "Client",
    "Context",
    "Failure",
    "GearshiftError",
    "NotReached",
    "OutcomeUnknown",
    "Plugin",
    "Problem",
    "Protocol",
    "Refused",
    "Running",
    "Step",
    "Trial",
    "Unreachable",
    "Workflow",
    "connect",
    "options_from_environment",
]
