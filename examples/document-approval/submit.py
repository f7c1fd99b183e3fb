"""Hands in a document and decides about it, as any program with a NATS client would.

Needs nats-py (`pip install nats-py`), an engine with this example deployed, and its plugins;
`NATS_URL` says where. The event's subject is its type, and the body is its payload.
"""

import asyncio
import json
import os
import sys

import nats


async def main(document: str) -> int:
    client = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    stream = client.jetstream()

    # One way: published like any other message, kept by the engine's stream. The id lets the
    # engine recognize a repeat.
    submitted = {"documentId": document, "title": "Q3 report", "submitter": "eve"}
    repeat = {"Nats-Msg-Id": f"submit-{document}"}
    await stream.publish("document.submitted", json.dumps(submitted).encode(), headers=repeat)

    # With an answer: asked as a request, answered once it is decided and durable.
    instance = await until(client, document, "under_review")
    reviewer = instance["vars"]["reviewer"]
    decision = {"documentId": document, "action": "approve", "userId": reviewer}
    verdict = await ask(client, "gearshift.event.user.action", decision)
    print(json.dumps(verdict, indent=2))

    instance = await until(client, document, "archived")
    print(f"{instance['id']} is {instance['status']} in {', '.join(instance['active'])}")
    await client.close()
    return 0


async def ask(client: nats.NATS, subject: str, body: dict) -> dict:
    """Asks the engine and returns its answer."""
    reply = await client.request(subject, json.dumps(body).encode(), timeout=10)
    answer = json.loads(reply.data)
    code = (reply.headers or {}).get("Nats-Service-Error-Code")
    if code:
        raise RuntimeError(f"{code}: {answer.get('detail', answer)}")
    return answer


async def until(client: nats.NATS, document: str, state: str) -> dict:
    """Looks until the instance is in this state."""
    for _ in range(300):
        try:
            instance = await ask(client, "gearshift.query.instance", {"id": document})
        except RuntimeError as error:
            if not str(error).startswith("404"):
                raise
        else:
            if state in instance["active"]:
                return instance
            if instance["status"] == "stuck":
                raise RuntimeError(f"`{document}` is stuck: {instance.get('stuck_reason')}")
        await asyncio.sleep(0.1)
    raise RuntimeError(f"`{document}` did not reach `{state}` within 30 s")


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "doc-42")))
