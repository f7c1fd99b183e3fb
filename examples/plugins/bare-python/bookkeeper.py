"""The plugin `bookkeeper` in Python without an SDK: its effect is done once per call id.

NATS_URL=nats://127.0.0.1:4222 python3 bookkeeper.py
"""

import asyncio
import json
import os
from contextlib import suppress
from pathlib import Path

import msgpack
import nats
import nats.micro

FOLDER = Path(os.environ.get("BOOKKEEPER_FOLDER", "."))
VERSION = os.environ.get("BOOKKEEPER_VERSION", "1.0.0")


async def book(request):
    headers = request.headers or {}
    packed = headers.get("Content-Type") == "application/msgpack"
    wanted = msgpack.unpackb(request.data) if packed else json.loads(request.data)
    call, by = headers["Gearshift-Call-Id"], f"bare-python-{os.getpid()}"
    draft, name = FOLDER / f"{call}-{by}.draft", FOLDER / f"{call}.json"
    # A name is given once, and to what is complete.
    draft.write_text(json.dumps({"call": call, **wanted, "by": by, "version": VERSION}))
    with suppress(FileExistsError):
        os.link(draft, name)
    draft.unlink()
    await request.respond(name.read_bytes(), headers={"Content-Type": "application/json"})


async def main():
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    service = await nats.micro.add_service(
        client, name="bookkeeper", version=VERSION, metadata={"gearshift.plugin": "1"}
    )
    group = service.add_group(name=f"gearshift.plugin.bookkeeper.v{VERSION.split('.')[0]}")
    await group.add_endpoint(name="book", handler=book)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
