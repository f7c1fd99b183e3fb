"""The plugin `title_validator` in Python without an SDK: nats-py and msgpack.

NATS_URL=nats://127.0.0.1:4222 python3 validator.py
"""

import asyncio
import json
import os

import msgpack
import nats
import nats.micro


async def validate(request):
    headers = request.headers or {}
    packed = headers.get("Content-Type") == "application/msgpack"
    document = msgpack.unpackb(request.data) if packed else json.loads(request.data)
    if int(headers.get("Gearshift-Attempt", 1)) <= document.get("busyTimes", 0):
        wish = {"Gearshift-Error-Kind": "retryable", "Gearshift-Retry-After": "50ms"}
        await request.respond_error("503", "busy", headers=wish)
    elif not document.get("title"):
        kind = {"Gearshift-Error-Kind": "permanent"}
        await request.respond_error("422", "title is missing", headers=kind)
    else:
        output = {"valid": True, "words": len(document["title"].split())}
        body = msgpack.packb(output) if packed else json.dumps(output).encode()
        kind = headers.get("Content-Type", "application/json")
        await request.respond(body, headers={"Content-Type": kind})


async def main():
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    service = await nats.micro.add_service(
        client, name="title_validator", version="1.2.0", metadata={"gearshift.plugin": "1"}
    )
    group = service.add_group(name="gearshift.plugin.title_validator.v1")
    await group.add_endpoint(name="validate_title", handler=validate)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
