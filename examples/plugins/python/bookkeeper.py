"""The plugin `bookkeeper` in Python: its effect is done once per call id, however often it is asked.

NATS_URL=nats://127.0.0.1:4222 python3 bookkeeper.py
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gearshift import Context, Plugin

FOLDER = Path(os.environ.get("BOOKKEEPER_FOLDER", "."))
VERSION = os.environ.get("BOOKKEEPER_VERSION", "1.0.0")

plugin = Plugin("bookkeeper", VERSION)


@dataclass
class Wanted:
    account: str
    amount: int


@dataclass
class Entry:
    call: str
    account: str
    amount: int
    by: str
    version: str


@plugin.operation("book")
def book(context: Context, wanted: Wanted) -> Entry:
    by = f"python-{os.getpid()}"
    entry = Entry(context.call_id, wanted.account, wanted.amount, by, VERSION)
    draft, name = FOLDER / f"{entry.call}-{by}.draft", FOLDER / f"{entry.call}.json"
    # A name is given once, and to what is complete.
    draft.write_text(json.dumps(asdict(entry)))
    with suppress(FileExistsError):
        os.link(draft, name)
    draft.unlink()
    return Entry(**json.loads(name.read_text()))


if __name__ == "__main__":
    plugin.run()
