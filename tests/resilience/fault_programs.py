"""Programs of faults: an upstream that fails as it is told, and what must come of it.

A program says for each request in turn how the upstream misbehaves; when it is over, all
further requests are served as they should be. Each version of the content differs from each
other one at every position, so that no two can be mixed unnoticed.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st
from upstreams import Exchange, response
from viewers import Seen

RETRY_ATTEMPTS = 2
# Fewer than by default: the waits grow fourfold with each that comes to nothing.
RESUME_ATTEMPTS = 3

MAX_SIZE = 600 * 1024
_VERSIONS = 4
_FILM = hashlib.shake_256(b"film").digest(MAX_SIZE + 100)
_CONTENTS = [
    _FILM.translate(bytes((byte + 37 * version) % 256 for byte in range(256)))
    for version in range(_VERSIONS)
]
_DATE = "Sat, 13 Jan 2024 10:00:00 GMT"

# Whether two versions of one file can be told apart, by what the upstream says of them.
# Those that cannot share a tag or a date, which is the worst that can happen.
STRONG = ("tag", "date", "tag and date", "weak tag and date")
NOT_STRONG = ("weak tag", "young date", "weak tag and young date", "nothing")

_BUSY = (502, 503, 504)
_HEADLESS = ("close", "reset", "silence")
# What a client asks for first, where its request is to be a repeat: enough that it is one.
REPEATED = ("0-0", "0-0", "0-0")
_LIES = ("start", "total", "validator", "whole", "surplus", "content coding", "transfer coding")


@dataclass(frozen=True)
class Turn:
    """How one request is answered.

    :param end: all: properly; cut, reset, stall, garble: so, after *at* bytes of the body
        (without chunks, there is no framing to garble: cut); close, reset, silence "without
        a head": so, before any.
    :param at: bytes; counted from the end of the body where negative.
    :param claim: what the head says of the body: the truth; or another start, total or
        validator; or that it is the whole, or coded, and so it is; or less than it is.
    :param status: a refusal, without content.
    :param retry_after: whether a refusal asks to wait 0 seconds.
    :param is_changed: the content is of a new version from this request on.
    :param is_slow: the body comes in drops.
    """

    end: str = "all"
    at: int = 0
    claim: str = "truth"
    status: int | None = None
    retry_after: bool = False
    is_changed: bool = False
    is_slow: bool = False

    @property
    def is_headless(self) -> bool:
        """Whether no head is sent."""
        return self.end.endswith(" without a head")


@dataclass(frozen=True)
class Program:
    """An upstream, what a client asks of it, and how it answers request after request.

    :param sizes: bytes of each version of the content.
    :param validator: one of STRONG or NOT_STRONG.
    :param framing: length, chunked or close.
    :param ranges: whether the upstream can do ranges.
    :param heeds_if_range: whether it looks at If-Range; else it sends parts of any version.
    :param asked: the range that the client asks for; None: the whole.
    :param warm_up: what was left behind by a request before: no connection; a clean one; one
        with an answer that nobody asked for; one that dies as soon as it is used; or the client
        has asked for other parts of the same, on the same connection: see REPEATED.
    """

    sizes: tuple[int, ...]
    validator: str
    framing: str
    ranges: bool
    heeds_if_range: bool
    asked: str | None
    warm_up: str
    turns: tuple[Turn, ...]

    def content(self, version: int) -> bytes:
        """Return a version of the content."""
        return _CONTENTS[version][: self.sizes[version]]

    def validators(self, version: int) -> dict[str, str]:
        """Return the fields by which a version is told, or not told, from another."""
        fields = {"Date": _DATE}
        if self.validator.startswith("tag"):
            fields["ETag"] = f'"v{version}"'
        elif self.validator.startswith("weak tag"):
            fields["ETag"] = 'W/"v"'
        if self.validator.endswith("young date"):
            fields["Last-Modified"] = _DATE
        elif self.validator.endswith("date"):
            fields["Last-Modified"] = f"Sat, 13 Jan 2024 09:0{version}:00 GMT"
        return fields

    def slice(self, asked: str | None, version: int) -> tuple[int, int] | None:
        """Return first_pos and end of a range in a version; None: not satisfiable."""
        size = self.sizes[version]
        if asked is None:
            return 0, size
        first, last = asked.split("-")
        if not first:
            return max(0, size - int(last)), size
        if int(first) >= size:
            return None
        return int(first), min(int(last) + 1, size) if last else size


@dataclass
class Served:
    """What an upstream has sent to one request.

    :param has_content: whether a head with status 200 or 206 was sent.
    :param is_true: whether that head said nothing but the truth.
    :param sent: bytes of the body.
    :param length: all that it should have been.
    """

    turn: Turn
    has_content: bool = False
    status: int | None = None
    is_true: bool = True
    sent: int = 0
    length: int = 0


@dataclass
class ProgrammedUpstream:
    """An answer for a raw upstream that runs a program."""

    program: Program
    version: int = 0
    served: list[Served] = field(default_factory=list)
    is_warm: asyncio.Event = field(default_factory=asyncio.Event)
    _turns: Iterator[Turn] = field(init=False)
    _is_dying: bool = False
    _repeats: int = 0

    def __post_init__(self) -> None:
        self._turns = iter(self.program.turns)
        self._repeats = len(REPEATED) if self.program.warm_up == "repeats" else 0

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        if exchange.target == b"/warm-up.mp4":
            await self._warm_up(exchange)
            return
        if self._repeats:
            self._repeats -= 1
            size = self.program.sizes[0]
            fields = {"Content-Range": f"bytes 0-0/{size}", "Content-Length": "1"}
            fields |= {"Content-Type": "video/mp4"} | self.program.validators(0)
            body = self.program.content(0)[:1]
            await exchange.send(response("206 Partial Content", fields, body))
            return
        if self._is_dying:
            self._is_dying = False
            served = Served(Turn(end="close without a head"))
            self.served.append(served)
            exchange.writer.close()
            return
        served = Served(next(self._turns, Turn()))
        self.served.append(served)
        turn = served.turn
        self.version = min(self.version + turn.is_changed, _VERSIONS - 1)
        if turn.is_headless:
            await _end(exchange, turn.end.split()[0])
        elif turn.status is not None:
            fields = {"Content-Length": "0"} | ({"Retry-After": "0"} if turn.retry_after else {})
            await exchange.send(response(f"{turn.status} No", fields))
        else:
            await self._send(exchange, served)

    async def _warm_up(self, exchange: Exchange) -> None:
        fields = {"Content-Type": "video/mp4", "Content-Length": "4"}
        await exchange.send(response("200 OK", fields, b"warm"))
        if self.program.warm_up == "unasked":
            await asyncio.sleep(0.02)  # until the connection waits for its next use
            await exchange.send(response("200 OK", fields, b"cold"))
        self._is_dying = self.program.warm_up == "dying"
        self.is_warm.set()

    async def _send(self, exchange: Exchange, served: Served) -> None:
        """Send a head with the body that it announces, or what the turn leaves of it."""
        program, turn = self.program, served.turn
        content = program.content(self.version)
        fields = {"Content-Type": "video/mp4"} | program.validators(self.version)
        asked = self._heeded_range(exchange, turn)
        found = program.slice(asked, self.version)
        if found is None:
            served.status = 416
            fields |= {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}
            await exchange.send(response("416 Range Not Satisfiable", fields))
            return
        first, end = found
        status = "200 OK"
        if asked is not None:
            status = "206 Partial Content"
            first, total = self._claim(served, fields, first, end)
            fields["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
        elif turn.claim == "whole" and exchange.field("Range"):
            served.is_true = False
        body = content[first:end]
        if turn.claim.endswith("coding") and not served.is_true:
            body = bytes(255 - byte for byte in body)
        if turn.claim == "surplus" and asked is not None and program.framing != "length":
            body += b"surplus"
        served.has_content, served.status = True, int(status[:3])
        served.length = len(body)
        if turn.claim == "transfer coding" and not served.is_true:
            fields["Transfer-Encoding"] = "gzip"
        elif program.framing == "length":
            fields["Content-Length"] = str(len(body))
        elif program.framing == "chunked":
            fields["Transfer-Encoding"] = "chunked"
        await exchange.send(response(status, fields))
        await self._send_body(exchange, served, body)

    def _heeded_range(self, exchange: Exchange, turn: Turn) -> str | None:
        """Return the range of a request, as far as it holds and the upstream cares.

        It takes a weak validator in If-Range for a strong one, as servers do.
        """
        asked = (exchange.field("Range") or "").removeprefix("bytes=") or None
        if not self.program.ranges or turn.claim == "whole":
            return None
        if_range = exchange.field("If-Range")
        known = self.program.validators(self.version).values()
        holds = if_range is None or not self.program.heeds_if_range or if_range in known
        return asked if holds else None

    def _claim(
        self, served: Served, fields: dict[str, str], first: int, end: int
    ) -> tuple[int, int]:
        """Return the start and the total that the head of a part claims; change its fields."""
        claim, total = served.turn.claim, self.program.sizes[self.version]
        lie = len(self.served)  # no two lies are the same, or nobody could see through them
        is_surplus_cut = claim == "surplus"  # what was asked for is all there
        is_start_kept = claim == "start" and first + 1 == end
        served.is_true = claim == "truth" or is_surplus_cut or is_start_kept
        if claim == "start":
            first += not served.is_true
        elif claim == "total":
            total += lie
        elif claim == "content coding":
            fields["Content-Encoding"] = "gzip"
        elif claim == "validator" and self.program.validator.startswith("tag"):
            fields["ETag"] = f'"lie {lie}"'
        elif claim == "validator":
            fields["Last-Modified"] = f"Sat, 13 Jan 2024 08:00:{lie:02} GMT"
        return first, total

    async def _send_body(self, exchange: Exchange, served: Served, body: bytes) -> None:
        program, turn = self.program, served.turn
        cut = len(body)
        if turn.end != "all":
            cut = min(turn.at, cut) if turn.at >= 0 else max(0, cut + turn.at)
        part = served.sent = cut
        sends_all = cut == len(body) and (program.framing == "length" or turn.end == "all")
        if program.framing == "chunked" and turn.at % 2 and turn.end != "garble":
            part = len(body)  # of which the chunk that is announced lacks the end
        data, tail = body[:cut], b""
        if program.framing == "chunked" and part:
            data = b"%x\r\n" % part + data
            tail = b"\r\n" if part == cut else b""
        if program.framing == "chunked" and sends_all:
            tail += b"0\r\n\r\n"
        step = max(1, len(data) // 4) if turn.is_slow else max(1, len(data))
        for start in range(0, len(data), step):
            await exchange.send(data[start : start + step])
            await asyncio.sleep(0.01 if turn.is_slow else 0)
        await exchange.send(tail)
        if not sends_all:
            if turn.end == "garble" and program.framing == "chunked":
                await asyncio.sleep(0.02)  # or it may arrive with the head
                await exchange.send(b"no framing at all\r\n")
            await _end(exchange, "silence" if turn.end == "stall" else turn.end)
        elif turn.end != "all" or program.framing == "close":
            exchange.writer.close()


async def _end(exchange: Exchange, how: str) -> None:
    if how == "reset":
        exchange.reset()
    elif how == "silence":
        await exchange.wait_closed()
    else:
        exchange.writer.close()


def judge(upstream: ProgrammedUpstream, seen: Seen) -> str | None:
    """Return what is wrong with what a client has seen of a program; None: nothing."""
    if seen.status >= 400:
        if not seen.is_complete or b'"code"' not in seen.body:
            return "an error that does not say what it is"
        return None
    for version in range(upstream.version + 1):
        if _is_of_version(upstream, seen, version):
            return None
    return "bytes that are no prefix of one version, or a part that ends like the whole"


def _is_of_version(upstream: ProgrammedUpstream, seen: Seen, version: int) -> bool:
    """Tell whether head and body are of one version, and all of it if they say so."""
    program = upstream.program
    found = program.slice(program.asked if seen.status == 206 else None, version)
    if found is None:
        return False
    expected = program.content(version)[slice(*found)]
    if seen.body != expected[: len(seen.body)]:
        return False
    told = seen.fields.get("content-range", f"bytes {found[0]}-").startswith(f"bytes {found[0]}-")
    tag = seen.fields.get("etag", "")
    told = told and (not tag.startswith('"v') or tag == f'"v{version}"')
    is_all = seen.body == expected or ends_like_a_whole(upstream)
    return told and (is_all or not seen.is_complete)


def ends_like_a_whole(upstream: ProgrammedUpstream) -> bool:
    """Tell whether nothing on the wire tells the cut from the end of the body."""
    first = next((served for served in upstream.served if served.has_content), None)
    return (
        first is not None
        and first.status == 200
        and upstream.program.framing == "close"
        and first.turn.end in ("cut", "garble")
    )


def must_complete(upstream: ProgrammedUpstream) -> bool:
    """Tell whether the proxy had all that it takes to complete the response.

    A strong validator that held, ranges, an upstream that did not lie, no more failures
    before the first byte than retry_attempts, and after it no more in a row without progress
    than resume_attempts allow.
    """
    program, served = upstream.program, upstream.served
    if program.validator not in STRONG or not program.ranges or ends_like_a_whole(upstream):
        return False
    begin = next((number for number, one in enumerate(served) if one.has_content), len(served))
    if begin > RETRY_ATTEMPTS or any(one.turn.is_changed for one in served):
        return False
    return (
        all(_is_asked_again(one.turn) for one in served[:begin])
        and all(_is_good_begin(one) for one in served[begin : begin + 1])
        and _goes_on(served[begin + 1 :])
    )


def _is_asked_again(turn: Turn) -> bool:
    """Tell whether a turn before the first byte is one that another request gets over."""
    if turn.is_headless:
        return turn.end != "silence without a head"
    return turn.status in _BUSY


def _is_good_begin(served: Served) -> bool:
    """Tell whether what follows can be joined to the first part.

    The whole instead of a part is a lie only to whoever is in the middle of it. What is
    garbled may arrive with the head, and then there is no response at all.
    """
    return served.turn.end != "garble" and (served.is_true or served.turn.claim == "whole")


def _goes_on(rest: list[Served]) -> bool:
    """Tell whether the turns after the first part bring the others.

    A reset may swallow what was sent before it, and so may garbled framing: only a proper
    close or a stall is known to leave progress behind. A 416 is what comes where only the
    end of the framing is missing: it says that there are no more bytes.
    """
    in_a_row = 0
    for served in rest:
        if served.status == 416:
            continue
        is_transient = served.turn.is_headless or served.turn.status in (500, *_BUSY)
        if not is_transient and not (served.has_content and served.is_true):
            return False
        has_progress = served.sent > 0 and served.turn.end not in ("reset", "garble")
        in_a_row = 0 if has_progress else in_a_row + 1
        if in_a_row >= RESUME_ATTEMPTS:
            return False
    return True


# Strategies.
sizes = st.integers(1, 5000) | st.sampled_from([4096, 65536, 100_000, 300_000, MAX_SIZE])


@st.composite
def ranges_of(draw: st.DrawFn, size: int) -> str | None:
    form = draw(st.sampled_from(["whole", "closed", "open", "suffix"]))
    if form == "whole":
        return None
    if form == "suffix":
        return f"-{draw(st.integers(1, size + 10))}"
    first = draw(st.integers(0, size - 1))
    return f"{first}-" + (str(draw(st.integers(first, size + 10))) if form == "closed" else "")


def places_in(size: int) -> st.SearchStrategy[int]:
    """Return where to break off: anywhere, at the ends, and beside them."""
    anywhere = st.integers(0, size)
    ends = st.sampled_from([0, 1, size, -1, -2])
    return st.one_of(anywhere, anywhere, anywhere, ends, ends)


def broken_turns(size: int, *claims: str) -> st.SearchStrategy[Turn]:
    ends = st.sampled_from(["cut", "cut", "cut", "reset", "stall", "garble"])
    claim = st.sampled_from(["truth", *claims])
    return st.builds(Turn, ends, places_in(size), claim, is_slow=st.booleans())


headless_turns = st.sampled_from([Turn(f"{end} without a head") for end in _HEADLESS])
busy_turns = st.builds(Turn, status=st.sampled_from([500, *_BUSY]), retry_after=st.booleans())
refused_turns = st.builds(Turn, status=st.sampled_from([401, 403, 404, 410, 429]))


def fatal_turns(size: int) -> st.SearchStrategy[Turn]:
    """Return what ends a body that broke off, but for some claims that are worth another try."""
    ends, places = st.sampled_from(["all", "cut", "stall"]), places_in(size)
    changed = st.builds(Turn, ends, places, is_changed=st.just(True))
    lying = st.builds(Turn, ends, places, st.sampled_from(_LIES))
    return st.one_of(changed, changed, lying, lying, refused_turns)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Return a program of up to eight faults, few of them in a row without progress."""
    size = draw(sizes)
    growth = draw(st.sampled_from([(0, 0, 0), (-1, 1, 7), (50, 50, 50)]))
    broken = broken_turns(size)
    # What can be got over; most programs are made of it, or most would end at once.
    passing = st.one_of(broken, broken, broken, broken, headless_turns, busy_turns)
    is_passing = draw(st.booleans())
    turns = passing if is_passing else st.one_of(passing, fatal_turns(size))
    begins_well = draw(st.integers(0, 4)) > 0
    faults = [draw(broken_turns(size, "truth", "whole"))] if begins_well else []
    faults += draw(st.lists(turns, max_size=7))
    is_strong = is_passing or draw(st.booleans())
    return Program(
        sizes=(size, *(max(1, size + more) for more in growth)),
        validator=draw(st.sampled_from(STRONG if is_strong else NOT_STRONG)),
        framing=draw(st.sampled_from(["length", "length", "chunked", "close"])),
        ranges=is_passing or draw(st.integers(0, 3)) > 0,
        heeds_if_range=draw(st.booleans()),
        asked=draw(ranges_of(size)),
        warm_up=draw(st.sampled_from(["none", "repeats", "clean", "unasked", "dying"])),
        turns=tuple(_spread(faults)),
    )


def _spread(faults: list[Turn]) -> Iterator[Turn]:
    """Leave out what would make the waits long: a third fault in a row without progress."""
    in_a_row = 0
    for turn in faults:
        brings_nothing = turn.is_headless or turn.status is not None or turn.at == 0
        brings_nothing = brings_nothing or turn.end in ("reset", "garble")
        in_a_row = in_a_row + 1 if brings_nothing else 0
        if in_a_row < RESUME_ATTEMPTS:
            yield turn
