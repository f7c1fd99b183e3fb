"""The health door: two questions over HTTP, for whoever starts and stops processes."""

from __future__ import annotations

import asyncio
from typing import Callable, Tuple

#: How long one question may take, in seconds, and how many bytes it may have.
PATIENCE, QUESTION_BYTES_MAX = 5.0, 4096


async def open_door(address: str, state: Callable[[], str]) -> asyncio.AbstractServer:
    """Answers `/livez` and `/readyz` at an address such as `127.0.0.1:8081`."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"GEARSHIFT_HEALTH: `{address}` is no address such as `127.0.0.1:8081`")

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
            writer.write(answer(question.decode("latin-1"), state()).encode())
            await writer.drain()
        except (asyncio.TimeoutError, asyncio.IncompleteReadError, ValueError, OSError):
            return  # Whoever asks no question, or went away, needs no answer.
        except asyncio.LimitOverrunError:
            writer.write(_answer("431 Request Header Fields Too Large", "too long", False).encode())
        finally:
            writer.close()

    bare = host.strip("[]")
    return await asyncio.start_server(attend, bare, int(port), limit=QUESTION_BYTES_MAX)


def answer(question: str, state: str) -> str:
    """The whole answer to a request of HTTP/1."""
    words = question.split("\r\n", 1)[0].split(" ")
    method, target, version = words if len(words) == 3 else ("", "", "")
    status, body = _verdict(method, target.split("?", 1)[0], version, state)
    return _answer(status, body, method == "HEAD")


def _answer(status: str, body: str, head_only: bool) -> str:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body) + 1}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head if head_only else f"{head}{body}\n"


def _verdict(method: str, path: str, version: str, state: str) -> Tuple[str, str]:
    if not version.startswith("HTTP/1."):
        return "400 Bad Request", "not a request of HTTP/1"
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", "ask with GET"
    if path == "/livez":
        return "200 OK", "ok"
    if path == "/readyz":
        return ("200 OK" if state in ("active", "degraded") else "503 Service Unavailable"), state
    return "404 Not Found", "ask for /livez or /readyz"
