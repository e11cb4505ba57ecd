"""/api/sessions: the streams that run, for the owner; and one's own, for whoever made it.

Several processes that serve together answer as one: whoever is asked asks the others.
"""

import asyncio
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, TypedDict

from aiohttp import web

from streamproxy.access.clients import client_key
from streamproxy.access.owner import comes_from_owner
from streamproxy.errors import NoSuchSession, OwnerOnly
from streamproxy.keys import IDENTITY, LINK, PEERS, REQUEST_ID, SETTINGS, STREAMS
from streamproxy.protocol.parameters import url_parameter
from streamproxy.relay.streams import Running
from streamproxy.targets.links import Link, parse_link

_FIELDS = {"Cache-Control": "no-store"}

Facts = dict[str, Any]


class Question(TypedDict, total=False):
    """Which streams are meant: those that all of this holds for; nothing: all.

    :param maker: who made them; the answer then is without what only the owner sees.
    :param ends: whether they are to be ended.
    """

    id: str
    link: str
    maker: str
    ends: bool


async def sessions(request: web.Request) -> web.Response:
    """Answer with all streams that run; for the owner."""
    check_owner(request)
    return web.json_response(await overview(request), headers=_FIELDS)


async def session(request: web.Request) -> web.Response:
    """Answer with one stream: all of it to the owner, how far it is to whoever made it."""
    question = Question(id=request.match_info["id"])
    if not comes_from_owner(request, request.get(IDENTITY), request.config_dict[SETTINGS]):
        question["maker"] = _maker(request)
    return web.json_response(await _the_one(request, question), headers=_FIELDS)


async def own_sessions(request: web.Request) -> web.Response:
    """Answer with the streams of a link that whoever asks has made: how far each one is."""
    link = parse_link(url_parameter(request.rel_url.raw_query_string))
    answers = await _ask(request, Question(link=_name_of(link), maker=_maker(request)))
    return web.json_response({"sessions": _by_age(answers)}, headers=_FIELDS)


async def end_session(request: web.Request) -> web.Response:
    """End a stream; for the owner."""
    check_owner(request)
    await _the_one(request, Question(id=request.match_info["id"], ends=True))
    return web.Response(status=204, headers=_FIELDS)


def check_owner(request: web.Request) -> None:
    """Refuse everybody but the owner.

    :raises OwnerOnly: somebody else asks.
    """
    if not comes_from_owner(request, request.get(IDENTITY), request.config_dict[SETTINGS]):
        raise OwnerOnly("This is for the owner of the proxy alone.")


async def overview(request: web.Request) -> dict[str, object]:
    """Return what the owner sees of all streams, the oldest first."""
    answers = await _ask(request, Question())
    found = _by_age(answers)
    return {
        "streams": len(found),
        "rate": sum(one["rate"] for one in found),
        "processes": len(answers),
        "sessions": found,
    }


def find_sessions(running: Iterable[Running], question: Question) -> list[Facts]:
    """Answer a question about the streams of this process."""
    now = asyncio.get_running_loop().time()
    oldest_first = sorted(running, key=lambda one: one.started_at)
    meant = [one for one in oldest_first if _is_meant(one, question)]
    if question.get("ends", False):
        for one in meant:
            one.end()
    tell = _progress if "maker" in question else _facts
    return [tell(one, now) for one in meant]


async def _ask(request: web.Request, question: Question) -> list[list[Facts]]:
    """Ask each process that serves together with this one, and itself."""
    shared = request.config_dict
    own = find_sessions(shared[STREAMS].running, question)
    return [own, *(await shared[PEERS].ask(question) if PEERS in shared else ())]


async def _the_one(request: web.Request, question: Question) -> Facts:
    found = _by_age(await _ask(request, question))
    if not found:
        raise NoSuchSession
    return found[0]


def _by_age(answers: Iterable[list[Facts]]) -> list[Facts]:
    return sorted((one for answer in answers for one in answer), key=lambda one: -one["seconds"])


def _is_meant(running: Running, question: Question) -> bool:
    request = running.request
    return (
        question.get("id", _id_of(running)) == _id_of(running)
        and ("link" not in question or question["link"] == _name_of(request.get(LINK)))
        and ("maker" not in question or question["maker"] == _maker(request))
    )


def _id_of(running: Running) -> str:
    """Return what the client was told to call it by."""
    return running.request[REQUEST_ID]


def _name_of(link: Link | None) -> str:
    """Return what tells a link from all others, and tells nothing of it."""
    if link is None:
        return ""
    return sha256(f"{link.authorization} {link.origin}{link.target}".encode()).hexdigest()


def _maker(request: web.Request) -> str:
    return repr((client_key(request.remote), request.get(IDENTITY)))


def _facts(running: Running, now: float) -> Facts:
    request = running.request
    identity, ranges = request.get(IDENTITY), running.ranges
    link = request.get(LINK)  # a file of subtitles that a client sends has none
    about = {
        "client": request.remote,
        "user": None if identity is None else str(identity),
        "host": None if link is None else link.host,
        "range": None if ranges is None else ",".join(map(str, ranges)),
    }
    return about | _progress(running, now)


def _progress(running: Running, now: float) -> Facts:
    transport = running.request.transport
    in_transport = 0 if transport is None else transport.get_write_buffer_size()
    return {
        "id": _id_of(running),
        "bytes": running.transfer.bytes_sent,
        "rate": round(running.rate(now)),
        "buffer": running.transfer.held + in_transport,
        "seconds": round(now - running.started_at, 3),
        "relay": running.transfer.relay,
        "resumes": running.resumes,
    }
