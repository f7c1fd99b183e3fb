"""The way to NATS: servers and login as the environment says, like the `gearshift` command."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
import weakref
from contextlib import contextmanager
from typing import (
    Any,
    Awaitable,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Union,
)
from urllib.parse import urlsplit

import nats
from nats.aio.client import Client as Nats
from nats.aio.subscription import Subscription
from nats.errors import AuthorizationError, Error

from .base import BadArgument

log = logging.getLogger("gearshift")

DEFAULT_SERVER = "nats://127.0.0.1:4222"

SCHEMES = ("nats", "tls", "ws", "wss")

#: The same complaint of a connection is told again after so many seconds.
COMPLAINT_SPACING = 30.0
#: So many different ones are remembered.
COMPLAINTS_MAX = 64

ErrorCallback = Callable[[Exception], Awaitable[None]]

#: The options of `nats.connect`, or nothing but the servers: then the environment says who we are.
Options = Union[Mapping[str, Any], str, Sequence[str]]

#: Who waits for a word of the server that it refuses something: by connection, with what the word
#: must have.
_WAITING: weakref.WeakKeyDictionary[Nats, List[Tuple[Tuple[str, ...], asyncio.Future[str]]]] = (
    weakref.WeakKeyDictionary()
)


def options_from_environment(environment: Optional[Mapping[str, str]] = None) -> Dict[str, Any]:
    """Servers and login for `nats.connect`.

    `GEARSHIFT_SERVER`, else `NATS_URL`, names the servers; `GEARSHIFT_NATS_CREDENTIALS`, `…_NKEY`,
    `…_USER` with `…_PASSWORD`, or `…_TOKEN` say who we are, else `NATS_CREDS`, `NATS_NKEY`,
    `NATS_USER` with `NATS_PASSWORD`; `GEARSHIFT_NATS_CA`, `…_CERT`, `…_KEY` (or `NATS_…`),
    `…_TLS_FIRST` and `…_INBOX_PREFIX` as for the command.
    """
    known = os.environ if environment is None else environment

    def text(*names: str) -> Optional[str]:
        return next((known[name] for name in names if known.get(name)), None)

    server = text("GEARSHIFT_SERVER")
    # It may name an engine's HTTP door instead.
    if server and "://" in server and not server.startswith(("nats://", "tls://")):
        server = None
    servers = server or text("NATS_URL") or DEFAULT_SERVER
    options: Dict[str, Any] = {"servers": _each(servers.split(","))}
    options.update(_login(text))
    options.update(_tls(text))
    prefix = text("GEARSHIFT_NATS_INBOX_PREFIX")
    if prefix:
        options["inbox_prefix"] = prefix[:-2] if prefix.endswith(".>") else prefix.rstrip(".")
    return options


def _settings(options: Optional[Options]) -> Dict[str, Any]:
    """The options of `nats.connect` that are meant."""
    if options is None:
        return options_from_environment()
    if isinstance(options, Mapping):
        return dict(options)
    servers = options.split(",") if isinstance(options, str) else options
    if not isinstance(servers, (list, tuple)) or not all(isinstance(one, str) for one in servers):
        raise BadArgument(
            f"servers such as `nats://127.0.0.1:4222`, or a dict with options of `nats.connect`, "
            f"are needed, not {type(options).__name__}"
        )
    return {**options_from_environment(), "servers": _each(servers)}


def _each(servers: Sequence[str]) -> List[str]:
    """The addresses of a list that has commas too many."""
    return [one.strip() for one in servers if one.strip()]


def _check(servers: Sequence[str]) -> None:
    """Raises `BadArgument` where there is no address, or one that is none."""
    if not _each(servers):
        raise BadArgument(
            "no address of a NATS server is given: write one such as `nats://127.0.0.1:4222`, or "
            "leave it away and set `NATS_URL`"
        )
    for server in servers:
        parts = urlsplit(server if "://" in server else f"nats://{server}")
        try:
            is_one = parts.scheme.lower() in SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_one = False
        if not is_one or any(letter.isspace() for letter in server):
            words = f"`{_shown(server)}` is no address of a NATS server: `nats://host:4222`"
            raise BadArgument(words)


def _login(text: Callable[..., Optional[str]]) -> Dict[str, Any]:
    keys = {
        "user_credentials": ("GEARSHIFT_NATS_CREDENTIALS", "NATS_CREDS"),
        "nkeys_seed": ("GEARSHIFT_NATS_NKEY", "NATS_NKEY"),
        "user": ("GEARSHIFT_NATS_USER", "NATS_USER"),
        "password": ("GEARSHIFT_NATS_PASSWORD", "NATS_PASSWORD"),
    }
    ours = {key: text(names[0]) for key, names in keys.items()}
    ours["token"] = text("GEARSHIFT_NATS_TOKEN")
    # A login is one thing: it is not put together from both kinds of variables.
    if not any(ours[key] for key in ("user_credentials", "nkeys_seed", "user", "token")):
        ours = {key: text(names[1]) for key, names in keys.items()}
    return {key: value for key, value in ours.items() if value}


def _tls(text: Callable[..., Optional[str]]) -> Dict[str, Any]:
    authority = text("GEARSHIFT_NATS_CA", "NATS_CA")
    certificate = text("GEARSHIFT_NATS_CERT", "NATS_CERT")
    first = (text("GEARSHIFT_NATS_TLS_FIRST") or "").lower() in ("1", "true", "yes", "on", "y", "t")
    options: Dict[str, Any] = {"tls_handshake_first": True} if first else {}
    if authority or certificate or first:
        context = ssl.create_default_context()
        try:
            if authority:
                context.load_verify_locations(authority)
            if certificate:
                context.load_cert_chain(certificate, text("GEARSHIFT_NATS_KEY", "NATS_KEY"))
        except OSError as error:
            # It does not say itself which file that is.
            files = " and ".join(f"`{one}`" for one in (authority, certificate) if one)
            raise BadArgument(f"certificates {files} cannot be used: {error}") from error
        options["tls"] = context
    return options


async def connect(
    name: str,
    options: Optional[Options] = None,
    error_cb: Optional[ErrorCallback] = None,
    patient: bool = True,
) -> Nats:
    """Connects; once connected, it reconnects for ever.

    A patient one waits for servers that are away. A refused login is raised either way, and so is
    what is no address. `explain` has words for all of it.
    """
    wanted = _settings(options)
    _check(_servers(wanted))
    wait, said = 0.25, False
    while True:
        try:
            return await _once(name, wanted, error_cb)
        except AuthorizationError:
            raise
        except (OSError, Error, asyncio.TimeoutError) as error:
            if not patient or "authorization" in str(error).lower():
                raise
            if not said:
                log.warning("NATS is not there yet; waiting for it: %s", error or repr(error))
                said = True
        await asyncio.sleep(wait)
        wait = min(wait * 2, 4.0)


def explain(error: BaseException, options: Optional[Options] = None) -> str:
    """Why there is no connection, where to, and what to do about it."""
    words = str(error) or repr(error)
    if isinstance(error, BadArgument):
        return words
    wanted = _settings(options)
    servers = ", ".join(map(_shown, _servers(wanted)))
    if isinstance(error, ImportError) and "nkeys" in words:
        return (
            f"{words}: logins by credentials file or nkey need the package `nkeys`, "
            f"as in `pip install 'gearshift-sdk[nkeys]'`"
        )
    if isinstance(error, AuthorizationError) or "authorization" in words.lower():
        kinds = {
            "user_credentials": "the credentials file",
            "nkeys_seed": "the nkey seed of",
            "user": "user",
            "token": "the token",
        }
        key = next((key for key in kinds if wanted.get(key)), None)
        who = "nobody, as no login was given" if key is None else kinds[key]
        if key is not None and key != "token":
            who = f"{who} `{wanted[key]}`"
        return (
            f"{servers} refuses the login as {who} ({words}): look at `GEARSHIFT_NATS_USER` and "
            f"`GEARSHIFT_NATS_PASSWORD`, `…_CREDENTIALS`, `…_NKEY` or `…_TOKEN`"
        )
    return f"{servers}: {words}"


def _servers(options: Mapping[str, Any]) -> List[str]:
    servers = options.get("servers", DEFAULT_SERVER)
    return [servers] if isinstance(servers, str) else [str(one) for one in servers]


def _shown(server: str) -> str:
    """An address without the login that it may have."""
    scheme, mark, rest = server.rpartition("://")
    return f"{scheme}{mark}{rest.rsplit('@', 1)[-1]}"


@contextmanager
def refusal(client: Nats, *words: str) -> Iterator[asyncio.Future[str]]:
    """Done once the server says that it does not let this connection do something that has one of
    these words: it answers no request that it does not let through.
    """
    if client not in _WAITING:
        _WAITING[client] = []
        _listen(client, _WAITING[client])
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    entry = (tuple(word.lower() for word in words), told)
    _WAITING[client].append(entry)
    try:
        yield told
    finally:
        _WAITING[client].remove(entry)
        told.cancel()


def _listen(client: Nats, waiting: List[Tuple[Tuple[str, ...], asyncio.Future[str]]]) -> None:
    """Hears what the client complains of, before who heard it until now."""
    known: Optional[ErrorCallback] = getattr(client, "_error_cb", None)

    async def hear(error: Exception) -> None:
        said = str(error)
        for words, told in waiting:
            is_meant = any(word in said.lower() for word in words)
            if "permissions violation" in said.lower() and is_meant and not told.done():
                told.set_result(said)
        if known is not None:
            await known(error)

    client._error_cb = hear


class Complaints:
    """Tells the log what a connection complains of, the same words once in a while."""

    def __init__(self) -> None:
        self._told: Dict[str, float] = {}

    def tell(self, error: Exception) -> None:
        words, now = str(error) or repr(error), time.monotonic()
        if now - self._told.get(words, float("-inf")) < COMPLAINT_SPACING:
            return
        if len(self._told) >= COMPLAINTS_MAX:
            self._told.clear()
        self._told[words] = now
        log.warning("NATS: %s", words)


async def _is_back() -> None:
    log.info("the connection to the NATS server is back")


async def _once(name: str, options: Dict[str, Any], error_cb: Optional[ErrorCallback]) -> Nats:
    refused: List[Exception] = []
    complaints = Complaints()
    connected = False

    async def complain(error: Exception) -> None:
        if not connected:
            refused.append(error)
        elif error_cb is not None:
            await error_cb(error)
        else:
            complaints.tell(error)

    client = Nats()
    settings = {"name": name, "error_cb": complain, "connect_timeout": 3, **options}
    settings.setdefault("reconnect_time_wait", 0.25)
    settings.setdefault("reconnected_cb", _is_back)
    # Tried once each: with endless attempts the first connection would never fail.
    settings["max_reconnect_attempts"] = 1
    settings["allow_reconnect"] = True
    try:
        await client.connect(**settings)
    except nats.errors.NoServersError as error:
        # A server that refuses a login hangs up, which may be heard of last.
        told = [one for one in refused if "authorization" in str(one).lower()] or refused
        raise told[-1] if told else error from None
    connected = True
    client.options["max_reconnect_attempts"] = -1
    return client


async def settle(client: Nats) -> None:
    """Returns once the server has taken all that was sent before.

    The client writes the question of a flush ahead of what waits to be written, so only the second
    one is behind it.
    """
    await client.flush()
    await client.flush()


async def leave(client: Nats, subscription: Subscription) -> None:
    """Takes a subscription back and returns once all it has got was handed on."""
    unsubscribe = getattr(client, "_send_unsubscribe", None)
    if unsubscribe is not None:
        # `drain` forgets the subscription before the server surely has: see `settle`.
        await unsubscribe(subscription._id)
        await settle(client)
    await subscription.drain()
