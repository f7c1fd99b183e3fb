"""Hands in a document and decides about it, as any program with a NATS client would.

Usage: python3 submit.py [DOCUMENT]        (doc-42 unless said otherwise)

Needs nats-py (`pip install nats-py`), an engine with this example deployed, and its plugins;
NATS_URL says where, NATS_USER and NATS_PASSWORD who. The event's subject is its type, and the
body is its payload. Ends with 0 once the document is archived, with 1 and the reason otherwise.
"""

import asyncio
import json
import os
import sys

import nats
from nats.errors import Error, NoRespondersError, TimeoutError
from nats.js.errors import NoStreamResponseError


class Failed(Exception):
    """What went wrong, in words."""


# What server and client complained of, such as a wrong password or a missing permission.
complaints: list[str] = []


async def complain(error: Exception) -> None:
    """Keeps it; it is said once, at the end."""
    complaints.append(str(error))


async def main(document: str) -> None:
    client = await connect()
    try:
        await approve(client, document)
    finally:
        await client.close()


async def connect() -> nats.NATS:
    url = os.environ.get("NATS_URL", "nats://127.0.0.1:4222")
    login = {"user": os.environ.get("NATS_USER"), "password": os.environ.get("NATS_PASSWORD")}
    if login["user"]:
        # The shipped roles hear replies below a prefix of their own.
        login["inbox_prefix"] = f"_INBOX_{login['user']}"
    try:
        return await nats.connect(url, max_reconnect_attempts=2, error_cb=complain, **login)
    except (OSError, Error) as error:
        raise Failed(f"no way to the NATS server `{url}`") from error


async def approve(client: nats.NATS, document: str) -> None:
    # One way: published like any other message, kept by the engine's stream. The id lets the
    # engine recognize a repeat.
    submitted = {"documentId": document, "title": "Q3 report", "submitter": "eve"}
    repeat = {"Nats-Msg-Id": f"submit-{document}"}
    body = json.dumps(submitted).encode()
    try:
        await client.jetstream().publish("document.submitted", body, headers=repeat)
    except NoStreamResponseError as error:
        raise Failed("nobody listens to `document.submitted`: is this example deployed?") from error
    except TimeoutError as error:
        raise Failed("`document.submitted` was not stored in time") from error

    # With an answer: asked as a request, answered once it is decided and durable.
    instance = await until(client, document, "under_review")
    reviewer = instance["vars"]["reviewer"]
    decision = {"documentId": document, "action": "approve", "userId": reviewer}
    verdict = await ask(client, "gearshift.event.user.action", decision)
    print(json.dumps(verdict, indent=2))

    instance = await until(client, document, "archived")
    print(f"{instance['id']} is {instance['status']} in {', '.join(instance['active'])}")


async def ask(client: nats.NATS, subject: str, body: dict) -> dict:
    """Asks the engine and returns its answer."""
    try:
        reply = await client.request(subject, json.dumps(body).encode(), timeout=10)
    except NoRespondersError as error:
        raise Failed(f"no engine answers on `{subject}`") from error
    except TimeoutError as error:
        raise Failed(f"no answer on `{subject}` within 10 s") from error
    answer = json.loads(reply.data)
    code = (reply.headers or {}).get("Nats-Service-Error-Code")
    if code:
        raise Failed(f"{code}: {answer.get('detail', answer)}")
    return answer


async def until(client: nats.NATS, document: str, state: str) -> dict:
    """Looks until the instance is in this state."""
    for _ in range(300):
        try:
            instance = await ask(client, "gearshift.query.instance", {"id": document})
        except Failed as error:
            if not str(error).startswith("404"):
                raise
        else:
            status, active = instance["status"], ", ".join(instance["active"])
            if state in instance["active"]:
                return instance
            if status == "stuck":
                raise Failed(
                    f"`{document}` is stuck: {instance.get('stuck_reason')}; "
                    f"`gearshift why {document}` says more"
                )
            if status != "running":
                raise Failed(f"`{document}` is {status} in {active} already: take another one")
        await asyncio.sleep(0.1)
    raise Failed(
        f"`{document}` did not reach `{state}` within 30 s; "
        f"`gearshift why {document}` says what it waits for"
    )


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print(__doc__)
        sys.exit(0 if words in (["-h"], ["--help"]) else 2)
    try:
        asyncio.run(main(words[0] if words else "doc-42"))
    except Failed as failed:
        sys.exit(": ".join(["submit.py", str(failed), *dict.fromkeys(complaints)]))
    except KeyboardInterrupt:
        sys.exit(130)
