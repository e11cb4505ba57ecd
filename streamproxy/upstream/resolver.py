"""From a name to those of its addresses that may be reached."""

import asyncio
import errno
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp.abc import AbstractResolver, ResolveResult

from streamproxy.errors import BlockedTarget
from streamproxy.targets.policy import TargetPolicy, check_address
from streamproxy.upstream.own import OwnEndpoints

# Connecting tries one address after another, and the work to order them is quadratic.
_MAX_ADDRESSES = 16
# The system's resolver blocks a thread for as long as a name server is silent. Those of the
# event loop are six on two cores, and serve files too; these cost nothing until they wait.
_MAX_LOOKUPS = 64
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class BlockedAddress(OSError):
    """The policy refuses an address; an OSError, so that aiohttp passes it through."""

    def __init__(self, refusal: BlockedTarget) -> None:
        super().__init__(errno.EACCES, refusal.detail)
        self.refusal = refusal


def judge_address(host: str, port: int, policy: TargetPolicy, own: OwnEndpoints) -> None:
    """Refuse an address that leads back here, or that the policy excludes.

    :raises BlockedAddress: with the reason.
    """
    try:
        own.check(host, port)
        check_address(host, port, policy)
    except BlockedTarget as exc:
        raise BlockedAddress(exc) from exc


class SystemResolver(AbstractResolver):
    """Resolve names as the system does, in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_LOOKUPS, "streamproxy-lookup")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name.

        :raises socket.gaierror: there is none.
        """
        look_up = partial(
            socket.getaddrinfo,
            host,
            port,
            family=family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_ADDRCONFIG,
        )
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=_with_zone(address),
                port=port,
                family=family,
                proto=proto,
                flags=_NUMERIC,
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads end; the names that wait for one are not looked up any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _with_zone(address: tuple[object, ...]) -> str:
    """Return the text of an address; with its zone, which the policy refuses, if it has one."""
    host = str(address[0])
    zone = address[3] if len(address) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host


class GuardedResolver(AbstractResolver):
    """Resolve a name to those of its addresses that the policy permits.

    A name may have permitted addresses beside others: in many a home network it has a
    link-local one, behind a local NAT64 a translated one. The others are left out; nothing
    ever connects to them, however often the answers change.
    """

    def __init__(
        self,
        policy: TargetPolicy,
        resolver: AbstractResolver | None = None,
        *,
        own: OwnEndpoints | None = None,
    ) -> None:
        self._policy = policy
        self._own = own or OwnEndpoints()
        self._resolver = resolver or SystemResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return at most 16 permitted addresses.

        :raises BlockedAddress: the name has addresses, but none that is permitted.
        """
        answers = (await self._resolver.resolve(host, port, family))[:_MAX_ADDRESSES]
        permitted, refusal = self._judge(answers)
        if not permitted and refusal is not None:
            raise refusal
        return permitted

    def _judge(
        self, answers: Iterable[ResolveResult]
    ) -> tuple[list[ResolveResult], BlockedAddress | None]:
        permitted: list[ResolveResult] = []
        refusal = None
        for answer in answers:
            try:
                judge_address(answer["host"], answer["port"], self._policy, self._own)
            except BlockedAddress as exc:
                refusal = exc
            else:
                permitted.append(answer)
        return permitted, refusal

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._resolver.close()
