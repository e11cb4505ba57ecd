"""Open a link: hop by hop, each hop judged, every failure said in our own words."""

import asyncio
import copy
import secrets
import socket
from collections.abc import Sequence
from itertools import chain

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
)

from streamproxy.errors import (
    ReadTimeout,
    TooManyRedirects,
    UpstreamProtocol,
)
from streamproxy.protocol.loops import make_user_agent
from streamproxy.targets.links import Link, join_link
from streamproxy.targets.policy import HostRule, TargetPolicy, check_target
from streamproxy.upstream.clean import CleanConnector
from streamproxy.upstream.exchange import Exchanges, Response
from streamproxy.upstream.failures import translate
from streamproxy.upstream.hops import RedirectMemory, may_be_kept
from streamproxy.upstream.observer import UNOBSERVED, Observer
from streamproxy.upstream.own import OwnEndpoints
from streamproxy.upstream.proxied import (
    HttpProxyConnector,
    refusal_of_proxy,
)
from streamproxy.upstream.resolver import GuardedResolver
from streamproxy.upstream.response import Upstream, open_body
from streamproxy.upstream.small import SmallHead, SmallResponse
from streamproxy.version import __version__

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SUCCESSES = frozenset({200, 206})
_OWN_FIELDS = {"Accept": "*/*", "Accept-Encoding": "identity"}
# Bytes of all fields together; those of real sites have two to eight KiB.
_MAX_HEAD_SIZE = 256 * 1024


class UpstreamClient:
    """Opens links with one session, under one policy.

    Where the session's connector does not judge addresses (one that another service lends,
    or one that goes through an HTTP proxy), names are resolved and judged here beforehand;
    what remains open is the moment between (DNS rebinding).
    """

    def __init__(
        self,
        session: ClientSession,
        policy: TargetPolicy,
        *,
        max_redirects: int,
        chunk_size: int,
        observer: Observer = UNOBSERVED,
    ) -> None:
        # All of it runs on the loop that it was made on.
        self.loop = asyncio.get_running_loop()
        self._session = session
        self._policy = policy
        self._max_redirects = max_redirects
        self._chunk_size = chunk_size
        self.observer = observer
        connector = session.connector
        # Where the proxy itself listens: learnt while it runs.
        self.own = OwnEndpoints()
        if isinstance(connector, CleanConnector):
            self.own, connector.observer = connector.own, observer
        # Where links led a moment ago: a seek goes there straight away.
        self._redirects = RedirectMemory()
        self._resolver: GuardedResolver | None = None
        self._exchanges: Exchanges | None = None
        if not isinstance(connector, CleanConnector) or not connector.judges_targets:
            self._resolver = GuardedResolver(policy, own=self.own)
        elif not session.trace_configs:  # traces are told by ClientSession.get
            self._exchanges = Exchanges(session, connector)
        # Named to every upstream and looked for in every request: see protocol/loops.py.
        self.instance = secrets.token_hex(8)
        self._user_agent = make_user_agent(__version__, (self.instance,))

    def narrowed(self, rule: HostRule) -> "UpstreamClient":
        """Return a client of the same session for whom *rule* holds too, at every hop."""
        return self._with(_policy=self._policy.narrowed(rule))

    def following(self, instances: Sequence[str]) -> "UpstreamClient":
        """Return a client of the same session that names *instances* before its own."""
        user_agent = make_user_agent(__version__, (*instances, self.instance))
        return self._with(_user_agent=user_agent)

    def _with(self, **changed: object) -> "UpstreamClient":
        other = copy.copy(self)
        vars(other).update(changed)
        return other

    async def close(self) -> None:
        """Release what the client has beside the session, which stays its owner's."""
        if self._exchanges is not None:
            self._exchanges.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def open(self, link: Link, fields: dict[str, str], *, anew: bool = False) -> Upstream:
        """GET *link*, following redirects, and return the response; the caller releases it.

        :param fields: request fields beside our own: the range and the conditions.
        :param anew: each hop on a new connection.
        :raises ProxyError: the policy refuses a hop, or no final head arrives. Where the
            redirects were remembered they may be the reason: forget the link, and open anew.
        """
        now = self.loop.time()
        hops = [*self._redirects.find(link, now)]
        for hop in hops[:-1]:
            self._check_hop(hop)
        is_new = len(hops) == 1
        for _ in range(self._max_redirects + 1):
            self._check_hop(hops[-1])
            asked_at = self.loop.time()
            response = await self._request(hops[-1], fields, anew=anew)
            self.observer.answered(self.loop.time() - asked_at)
            self._check_head(response, hops[-1])
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                if is_new and len(hops) > 1 and response.status in _SUCCESSES:
                    self._redirects.add(tuple(hops), now)
                return open_body(response, hops[-1], self._chunk_size)
            is_new = is_new and may_be_kept(response.headers)
            response.release()
            hops.append(join_link(hops[-1], location))
        raise TooManyRedirects(f"The site redirects more than {self._max_redirects} times.")

    def head_of(self, link: Link, fields: dict[str, str]) -> bytes:
        """Return the head of a GET, for send_again; b"": this client has no such way."""
        if self._exchanges is None:
            return b""
        return self._exchanges.head_of(link, self._own_fields(link) | fields)

    async def send_again(
        self, link: Link, final: Link, head: bytes, expected: SmallHead | None
    ) -> SmallResponse | None:
        """Send a request as *link* was just opened; None: it has to be opened as any link.

        :param final: where it led to.
        :param head: of the request, from head_of.
        :param expected: the head of the response, where it is known.
        :raises ReadTimeout: nothing comes.
        """
        asked_at = self.loop.time()
        if self._exchanges is None or self._redirects.find(link, asked_at)[-1] != final:
            return None
        if final.address is not None:
            self.own.check(final.address, final.port)
        try:
            response = await self._exchanges.get_small(final.origin, head, expected)
        except (ClientError, OSError) as exc:  # a TimeoutError is an OSError
            error = translate(exc)
            # Another way may lead to an answer where redirects were remembered.
            if isinstance(error, ReadTimeout) and not self.forget(link):
                raise error from exc
            return None
        if response is not None:
            self.observer.answered(self.loop.time() - asked_at)
        return response

    def leave(self, link: Link, head: bytes, response: SmallResponse) -> None:
        """Leave what came to a request to whoever opens the same link in the same way next."""
        if self._exchanges is not None:
            self._exchanges.leave(link.origin, head, response)

    def forget(self, link: Link) -> bool:
        """Follow the redirects of *link* anew next time; tell whether they were remembered."""
        return self._redirects.forget(link)

    def _check_hop(self, link: Link) -> None:
        check_target(link, self._policy)
        if link.address is not None:
            self.own.check(link.address, link.port)

    async def _request(
        self, link: Link, fields: dict[str, str], *, anew: bool
    ) -> ClientResponse | Response | SmallResponse:
        own = self._own_fields(link)
        try:
            if self._exchanges is not None:
                return await self._exchanges.get(link, own | fields, anew=anew)
            if self._resolver is not None and link.address is None:
                await self._resolver.resolve(link.host, link.port, socket.AF_UNSPEC)
            return await self._session.get(
                link.url,
                headers=own | fields,
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=False,
            )
        except (ClientError, OSError) as exc:  # a TimeoutError is an OSError
            raise translate(exc) from exc

    def _own_fields(self, link: Link) -> dict[str, str]:
        own = {"User-Agent": self._user_agent, **_OWN_FIELDS}
        if link.authorization is not None:
            own["Authorization"] = link.authorization
        return own

    def _check_head(self, response: ClientResponse | Response | SmallResponse, link: Link) -> None:
        """Refuse a head that is too large, or that is the proxy's own and not the site's."""
        if isinstance(response, SmallResponse):
            return  # it is neither
        size = sum(map(len, chain.from_iterable(response.raw_headers)))
        is_from_proxy = (
            response.status == 407
            and link.scheme == "http"
            and isinstance(self._session.connector, HttpProxyConnector)
        )
        if size > _MAX_HEAD_SIZE or is_from_proxy:
            response.close()
            if is_from_proxy:
                raise refusal_of_proxy(response.status)
            raise UpstreamProtocol("The head of the site's answer is too large.")
