"""The body that a plan promises: exactly those bytes, from one response or from several.

When an upstream breaks off, the missing bytes are asked for again, and joined on only if
they are provably the same version's. Whoever reads here notices nothing but the time.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from streamproxy.errors import KeptCut, ProxyError, ReadTimeout, UpstreamProtocol, UpstreamStatus
from streamproxy.protocol.resume import (
    Version,
    WrongPart,
    check_continuation,
    resume_fields,
    retry_after_of,
    shows_the_end,
    version_of,
)
from streamproxy.targets.links import Link
from streamproxy.upstream.client import UpstreamClient
from streamproxy.upstream.failures import wait_s
from streamproxy.upstream.resource import Resource

logger = logging.getLogger(__name__)

# What a final address answers when its signature has expired while a film was paused; the
# link that was pasted may still lead to a fresh one.
_EXPIRED = frozenset({401, 403, 404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePolicy:
    """How hard to try.

    :param attempts: how many in a row without a byte of progress; 0: never resume.
    :param without_validator: resume also where only length and Last-Modified agree.
    :param head_timeout: seconds for each attempt, until its head has arrived.
    """

    attempts: int
    without_validator: bool
    head_timeout: float


class PlannedBody:
    """The bytes that the plan of a resource sends, no more and no fewer.

    Close it at the end: it may read from a response that it opened itself.

    :param link: the link as the client gave it, before redirects.
    """

    def __init__(
        self, client: UpstreamClient, link: Link, resource: Resource, policy: ResumePolicy
    ) -> None:
        plan = resource.plan
        self._client = client
        self._link = link
        self._policy = policy
        self._upstream = resource.upstream
        self._version: Version | None = version_of(
            resource.upstream.head,
            plan.complete_length,
            without_validator=policy.without_validator,
        )
        self._to_skip = plan.skip
        self._next_pos = plan.first_pos
        self._left = plan.length
        self._attempt = 0
        self._gathered: deque[bytes] = deque()
        self.resumes = 0
        # Whether the response to a GET has content at all: that of a 304 has none.
        self.is_sent = plan.has_body
        # Whether the complete length was known, and judged, before the first byte.
        self.is_measured = plan.length is not None

    async def read(self) -> bytes:
        """Return the next bytes; none at the end.

        :raises ProxyError: the body cannot be completed.
        """
        if self._gathered:
            return self._gathered.popleft()
        while self._left is None or self._left > 0:
            try:
                chunk = await self._upstream.read()
                if not chunk and self._left is not None:
                    raise UpstreamProtocol("The site sent less than it announced.")
            except (ReadTimeout, UpstreamProtocol) as exc:
                await self.recover(exc)
                continue
            if not chunk:
                return b""
            if chunk := self._cut(chunk):
                return chunk
        return b""

    async def gather(self) -> None:
        """Wait until all of it is here, and hold it until it is read.

        :raises ProxyError: the body cannot be completed.
        """
        gathered: deque[bytes] = deque()
        while chunk := await self.read():
            gathered.append(chunk)
        self._gathered = gathered

    def take_whole(self) -> bytes | None:
        """Return the whole body, where it is here already and all of it is to be sent."""
        if self._to_skip or self._left is None or self._gathered:
            return None
        whole = self._upstream.take_whole(self._left)
        return whole and self._cut(whole)

    def can_detach(self, min_length: int) -> bool:
        """Tell whether at least *min_length* bytes are left that can come by a socket.

        And go by one: a body whose length was not known at first is sent in chunks.
        """
        is_enough = self.is_measured and self._left is not None and self._left >= min_length
        return is_enough and not self._to_skip and self._upstream.can_detach

    def fileno(self) -> int:
        """Return the descriptor of the connection that the body comes by."""
        return self._upstream.fileno()

    @property
    def receiver(self) -> Callable[[memoryview], int] | None:
        """What receives from it, where not the socket does: Upstream.receiver."""
        return self._upstream.receiver

    def detach(self) -> tuple[bytes, int]:
        """Let the rest come by the socket, until it has come or recover is called.

        :returns: what was received already, and how many bytes come by the socket.
        :raises ReadTimeout, UpstreamProtocol: the upstream had failed already.
        """
        received = self._cut(self._upstream.detach())
        return received, self._left or 0

    def attach(self, length: int) -> None:
        """End it: all that came by the socket are *length* bytes."""
        self._upstream.attach(length)

    def advance(self, length: int) -> None:
        """Count bytes that were moved from the socket to the client."""
        self._left = (self._left or 0) - length
        self._next_pos += length
        self._attempt = 0

    def _cut(self, chunk: bytes) -> bytes:
        """Return the part of a chunk that belongs to the plan, and count it."""
        if self._to_skip:
            skipped = min(self._to_skip, len(chunk))
            self._to_skip, chunk = self._to_skip - skipped, chunk[skipped:]
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        if chunk:
            self._next_pos += len(chunk)
            self._attempt = 0
        return chunk

    async def recover(self, cause: ProxyError) -> None:
        """Go on with a new response after one that has broken off.

        :raises ProxyError: the body cannot be completed.
        """
        try:
            self._client.forget(self._link)
            if self._version is None:
                raise cause
            while self._attempt < self._policy.attempts:
                failure = await self._try_again(self._version, cause)
                if failure is None:
                    return
                cause, failure = failure, None
            raise cause
        finally:
            del cause  # its traceback holds this frame, which would hold it

    async def _try_again(self, version: Version, cause: ProxyError) -> ProxyError | None:
        """Wait, and open what is missing; return what has failed, if that may yet work.

        :raises ProxyError: it cannot.
        """
        self._attempt += 1
        self._upstream.release()
        wait = wait_s(cause, self._attempt)
        logger.info(
            "Resuming at byte %d in %.1f s (attempt %d): %s",
            self._next_pos,
            wait,
            self._attempt,
            cause.detail,
        )
        if wait:
            await asyncio.sleep(wait)
        try:
            await self._reopen(version, anew=isinstance(cause, KeptCut))
        except ProxyError as exc:
            if not exc.retryable:
                raise
            return exc
        return None

    async def _reopen(self, version: Version, *, anew: bool) -> None:
        """Open the missing bytes: where they came from, else by the pasted link again.

        A server that is gone may have been one of several that the link leads to, so that
        only the first attempt goes where the bytes came from.
        """
        link = self._upstream.link if self._attempt == 1 else self._link
        last_pos = None if self._left is None else self._next_pos + self._left - 1
        fields = resume_fields(version, self._next_pos, last_pos)
        try:
            async with asyncio.timeout(self._policy.head_timeout):
                upstream = await self._client.open(link, fields, anew=anew)
                if upstream.head.status in _EXPIRED and link != self._link:
                    upstream.release()
                    upstream = await self._client.open(self._link, fields, anew=anew)
        except TimeoutError as exc:
            raise ReadTimeout("The site did not go on in time.") from exc
        if self._left is None and shows_the_end(version, upstream.head, self._next_pos):
            upstream.release()
            self._left = 0
            return
        try:
            if upstream.head.status >= 400:
                retry_after = retry_after_of(upstream.head)
                raise UpstreamStatus(upstream.head.status, retry_after=retry_after)
            part = check_continuation(version, upstream.head, self._next_pos, last_pos)
        except WrongPart:
            upstream.reject()
            raise
        except BaseException:
            upstream.release()
            raise
        self._upstream = upstream
        self._version = replace(version, complete_length=part.complete_length)
        self._left = part.length
        self._to_skip = 0
        self.resumes += 1
        self._client.observer.resumed()

    def close(self) -> None:
        """Release the response that is being read."""
        self._upstream.release()
