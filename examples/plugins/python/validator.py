"""The plugin `title_validator` in Python, with the SDK.

NATS_URL=nats://127.0.0.1:4222 python3 validator.py
"""

from dataclasses import dataclass

from gearshift import Context, Failure, Plugin

plugin = Plugin("title_validator", "1.2.0")


@dataclass
class Document:
    title: str
    busyTimes: int = 0  # how often to be busy first, to see attempts


@dataclass
class Verdict:
    valid: bool
    words: int


@plugin.operation("validate_title")
async def validate_title(context: Context, document: Document) -> Verdict:
    if context.attempt <= document.busyTimes:
        raise Failure.retryable("busy", code=503, retry_after=0.05)
    if not document.title:
        raise Failure.permanent("title is missing")
    return Verdict(valid=True, words=len(document.title.split()))


if __name__ == "__main__":
    plugin.run()
