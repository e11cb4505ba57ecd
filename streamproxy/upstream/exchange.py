"""One GET over the guarded connector, with nothing around it that is not used here.

ClientSession.get prepares what any request could need: cookies, redirects, a body, traces,
middlewares. Measured: for a small range that costs as much CPU as all of the relay. The
connection, its pool, and whatever parses what comes from outside are aiohttp's all the same.
"""

import asyncio
import re

from aiohttp import (
    ClientConnectionError,
    ClientConnectionResetError,
    ClientOSError,
    ClientPayloadError,
    ClientRequest,
    ClientResponseError,
    ClientSession,
    ConnectionTimeoutError,
    ServerDisconnectedError,
    StreamReader,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from multidict import CIMultiDictProxy
from yarl import URL

from streamproxy.targets.links import Link
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.lines import Line, Lines
from streamproxy.upstream.small import SmallHead, SmallResponse
from streamproxy.upstream.spares import Spares

# Bytes; a redirect to the longest link that is taken must fit.
MAX_FIELD_SIZE = 40 * 1024
# Real heads have about thirty fields, those of large sites sixty.
MAX_FIELDS = 128
# What asyncio receives at once, at most, and aiohttp passes on as it is.
RECEIVED_LENGTH = 256 * 1024
# Bytes; beyond twice as many aiohttp reads no more until some are taken. So one look into
# the socket is what is held for a slow client, beside one that is being sent.
READ_BUFSIZE = 64 * 1024
# To stop and go on costs a tenth of the CPU where asyncio decrypts: there, two looks are held.
_TLS_READ_BUFSIZE = 128 * 1024

# An origin, and the head of a request to it.
_Question = tuple[str, bytes]

_MAX_ORIGINS = 256
# What a response has to be for more of the kind to be asked for.
_LONG = frozenset({200, 206})
# Real sites send one or two before their answer; a flood of them would hold up everybody.
_MAX_INTERIM = 16
# Seconds that an answer waits for the one that is to take it.
_LEFT_S = 1.0
# What could end a line of the head, or cannot stand in it.
_UNCLEAN = re.compile(r"[^\t\x20-\x7e]")


def _make_head(request: ClientRequest, link: Link, fields: dict[str, str]) -> bytes:
    lines = [f"GET {link.target} HTTP/1.1", f"Host: {request.headers['Host']}"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    text = "".join(lines)
    if not (text.isascii() and text.isprintable()) and _UNCLEAN.search(text) is not None:
        raise ValueError("A field cannot be sent.")
    return "\r\n".join((*lines, "", "")).encode("ascii")


class KeptConnectionError(ClientConnectionError):
    """A connection that was kept has ended before the head of what was asked on it."""


class Response:
    """The head of a response, and its body to read; as much of it as is used here.

    The connection goes back to be kept at the end of the body.
    """

    def __init__(
        self, message: RawResponseMessage, content: StreamReader, connection: Connection
    ) -> None:
        self.status = message.code
        self.headers: CIMultiDictProxy[str] = message.headers
        self.raw_headers = message.raw_headers
        self.content = content
        self.connection: Connection | None = connection
        self.protocol = connection.protocol
        # How the connection has ended, where it has; the protocol forgets it at release.
        self.reason = None if self.protocol is None else self.protocol.exception()
        content.on_eof(self.release)

    def release(self) -> None:
        """Keep the connection for the next request if the body was read, else close it."""
        if self.connection is not None:
            self.connection.release()
            self.connection = None

    def close(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Exchanges:
    """Sends requests over the connector of one session, which must be one of ours."""

    def __init__(self, session: ClientSession, connector: CleanConnector) -> None:
        self._session = session
        self._connector = connector
        self._timeout = session.timeout
        self._loop = asyncio.get_running_loop()
        # By them the connector knows where to connect to, and which connection can be used.
        self._origins: dict[str, ClientRequest] = {}
        self._lines = Lines(self._loop, session.timeout.sock_read, self._prepare)
        self._spares = Spares(self._lines, self._connect)
        # What came to a request, for whoever sends the same one next.
        self._left: dict[_Question, Line | SmallResponse] = {}

    def close(self) -> None:
        """Close the connections that are kept beside those of the connector."""
        self._spares.close()
        self._lines.close()
        for question in list(self._left):
            self._drop(question)

    def _request_to(self, origin: str) -> ClientRequest:
        request = self._origins.get(origin)
        if request is None:
            url = URL(origin, encoded=True)
            request = ClientRequest("GET", url, loop=self._loop, session=self._session)
            if len(self._origins) >= _MAX_ORIGINS:
                del self._origins[next(iter(self._origins))]
            self._origins[origin] = request
        return request

    async def get(
        self, link: Link, fields: dict[str, str], *, anew: bool = False
    ) -> Response | SmallResponse:
        """Send a GET and return the response when its head has arrived.

        :param anew: on a new connection.
        :raises KeptConnectionError: the connection was not a new one; ask anew.
        :raises ClientError, OSError: no head arrives.
        """
        began_at = self._loop.time()
        head = self.head_of(link, fields)
        left = self._left.pop((link.origin, head), None)
        if isinstance(left, SmallResponse):
            return left
        line, is_kept = (left, True) if left else await self._take(link.origin, anew=anew)
        if fields.get("Range", "-").endswith("-"):  # it will be long
            self._make_ready(link.origin)
        try:
            small = await line.ask(head) if left is None else None
            response = await self._read_head(line) if small is None else small
        except (ClientOSError, ClientConnectionResetError, ServerDisconnectedError) as exc:
            if not is_kept:
                raise
            self._drop_kept(link.origin)
            raise KeptConnectionError("A connection that was kept has ended.") from exc
        if left is None and (small is not None or response.status in _LONG):
            self._spares.note(link.origin, self._loop.time() - began_at)
        if small is None and response.status in _LONG:
            self._make_ready(link.origin)
        return response

    async def _read_head(self, line: Line) -> Response:
        """Read the head of a response that aiohttp's protocol receives."""
        try:
            return await _read_head(line.connection)
        except HttpProcessingError as exc:
            line.close()
            info = self._request_to(line.origin).request_info
            raise ClientResponseError(info, (), message="Malformed head") from exc
        except BaseException:
            line.close()
            raise

    def _make_ready(self, origin: str) -> None:
        """Let there be a connection for whoever asks next."""
        if not self._connector.has_idle(self._request_to(origin)):
            self._spares.prepare(origin)

    def _drop_kept(self, origin: str) -> None:
        """Close what is kept: where one has ended, so have others, and their end is on its way."""
        self._lines.drop_all(origin)
        self._connector.drop_idle(self._request_to(origin))

    async def _take(self, origin: str, *, anew: bool) -> tuple[Line, bool]:
        """Return a connection: one that is kept, one that is being made, or a new one.

        Return as well whether it was there before it was wanted.
        """
        if anew:
            self._drop_kept(origin)
            return await self._connect(origin), False
        is_kept = self._connector.has_idle(self._request_to(origin))
        if not is_kept:
            line = self._lines.take(origin)
            if line is None:
                await self._spares.wait(origin)
                line = self._lines.take(origin)
            if line is not None:
                return line, True
        return await self._connect(origin), is_kept

    def head_of(self, link: Link, fields: dict[str, str]) -> bytes:
        """Return the head of a GET, as it is sent."""
        return _make_head(self._request_to(link.origin), link, fields)

    async def get_small(
        self, origin: str, head: bytes, expected: SmallHead | None
    ) -> SmallResponse | None:
        """Send a request on a kept connection; None: there is none, or no small response comes.

        What comes instead is left to whoever sends the same request next.

        :param head: from head_of.
        :param expected: the head of the response, where it is known.
        :raises ClientError, OSError: no head arrives.
        """
        line = self._lines.take(origin)
        if line is None:
            return None
        response = await line.ask(head, expected)
        if response is None:
            self.leave(origin, head, line)
        return response

    def leave(self, origin: str, head: bytes, answer: Line | SmallResponse) -> None:
        """Leave what came to a request to whoever sends the same one next, which is soon."""
        question = origin, head
        self._drop(question)
        self._left[question] = answer
        self._loop.call_later(_LEFT_S, self._drop, question, answer)

    def _drop(self, question: _Question, answer: Line | SmallResponse | None = None) -> None:
        """Close what was left, unless that is something else than *answer*."""
        left = self._left.get(question)
        if left is None or answer not in (None, left):
            return
        del self._left[question]
        if isinstance(left, Line):
            left.close()
        else:
            left.release()

    async def _connect(self, origin: str) -> Line:
        request = self._request_to(origin)
        try:
            connection = await self._connector.connect(request, [], self._timeout)
        except TimeoutError as exc:
            raise ConnectionTimeoutError("No connection in time.") from exc
        try:
            return Line(connection, origin, self._lines)
        except BaseException:
            connection.close()
            raise

    def _prepare(self, protocol: ResponseHandler) -> None:
        """Let aiohttp's protocol read a response."""
        transport = protocol.transport
        is_tls = transport is not None and transport.get_extra_info("sslcontext") is not None
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=self._timeout.sock_read,
            read_bufsize=_TLS_READ_BUFSIZE if is_tls else READ_BUFSIZE,
            max_line_size=MAX_FIELD_SIZE,
            max_field_size=MAX_FIELD_SIZE,
            max_headers=MAX_FIELDS,
        )
        protocol.start_timeout()


async def _read_head(connection: Connection) -> Response:
    """Read the head of a response that aiohttp's protocol receives."""
    for _ in range(_MAX_INTERIM + 1):
        if connection.protocol is None:
            raise ClientConnectionResetError("The connection was closed.")
        message, content = await connection.protocol.read()
        if not 100 <= message.code <= 199 or message.code == 101:
            return Response(message, content, connection)
    raise ClientPayloadError("The site sends interim responses without end.")
