"""What is measured of which peer, how often, and in which order."""

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import measures
from film import Film
from measures import Measured
from origin import Site
from processes import Peer
from report import Samples

Starter = Callable[[Site, Path], AbstractContextManager[Peer]]

SPLICE, COPY, ALSO = "streamproxy", "streamproxy copy", "also"
_OURS = frozenset({SPLICE, COPY, ALSO})
# Asked only what a request and a byte cost it: that is what any proxy on aiohttp has to pay.
BARE = "bare aiohttp"
# A stalled viewer also leaves one to three megabytes in socket buffers, and 1,000 of them may
# take all that the kernel has for TCP: only streamproxy over http has to show so many.
_FEW_VIEWERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured.

    :param size: bytes of the file.
    :param transfers: whole files in one measurement.
    :param requests: ranges in one measurement.
    :param watch_s: seconds that viewers watch.
    :param is_pinned: whether a peer has a CPU of its own in the rounds.
    """

    rounds: int
    size: int
    transfers: int
    requests: int
    seeks: int
    viewers: int
    watch_s: float
    is_pinned: bool = True


FULL = Plan(
    rounds=5,
    size=512 * 2**20,
    transfers=2,
    requests=3000,
    seeks=10,
    viewers=1000,
    watch_s=30.0,
)
QUICK = Plan(
    rounds=2, size=128 * 2**20, transfers=4, requests=600, seeks=3, viewers=100, watch_s=3.0
)


class Comparison:
    """The peers, and what was measured of them.

    :param starters: how to run each peer, by name.
    """

    def __init__(self, plan: Plan, film: Film, site: Site, starters: dict[str, Starter]) -> None:
        self._plan, self._film, self._site = plan, film, site
        self._starters = starters
        self.samples: Samples = defaultdict(lambda: defaultdict(list))

    def run(self) -> None:
        """Measure everything."""
        self._say("start-up, idle memory and seeks")
        for name in self._starters:
            with self._started(name) as peer:
                self._add(name, measures.idle(peer, self._film))
                self._add(name, self._seeks(peer))
        self._rounds()
        ways = ("http", "https") if "https" in self._site.ports else ("http",)
        for name in self._starters:
            if name != BARE:
                self._say(f"stalled viewers: {name}")
                for way in ways:
                    self._stall(name, way)
        for name in self._starters:
            if name not in {BARE, "classic"}:  # the one would need 1,000 threads
                self._say(f"viewers who watch: {name}")
                plan = self._plan
                with self._started(name) as peer:
                    found = measures.watching(
                        peer, self._film, self._site, plan.viewers, plan.watch_s
                    )
                    self._add(name, found)

    def _say(self, what: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)

    def _add(self, name: str, found: Measured) -> None:
        for measure, value in found.items():
            self.samples[measure][name].append(value)

    @contextmanager
    def _started(self, name: str) -> Iterator[Peer]:
        """Run a peer that has done nothing yet."""
        with (
            tempfile.TemporaryDirectory(dir=self._film.folder) as folder,
            self._starters[name](self._site, Path(folder)) as peer,
        ):
            yield peer

    def _seeks(self, peer: Peer) -> Measured:
        found = {}
        if peer.name in _OURS:
            # First, while nothing is known and no connection is kept.
            found = measures.first_play(peer, self._film)
        return found | measures.round_trips(peer, self._film, self._plan.seeks)

    def _stall(self, name: str, way: str) -> None:
        if way == "https" and name == COPY:  # TLS goes one way only
            return
        viewers = self._plan.viewers
        if way == "https" or name not in _OURS:
            viewers = min(viewers, _FEW_VIEWERS)
        with self._started(name) as peer:
            self._add(name, measures.stalled(peer, self._film, way, viewers))

    def _rounds(self) -> None:
        """Measure what is measured in rounds, with one process of each peer for all of them."""
        with ExitStack() as stack:
            running = [stack.enter_context(self._started(name)) for name in self._starters]
            for number in range(-1, self._plan.rounds):  # the first is to warm up, not counted
                self._say(f"round {number + 1} of {self._plan.rounds}")
                # Every other round backwards: nobody is always first.
                for measure in self._measures():
                    for peer in running if number % 2 else running[::-1]:
                        with self._pinned(peer):
                            found = measure(peer)
                        if number >= 0:
                            self._add(peer.name, found)

    def _pinned(self, peer: Peer) -> AbstractContextManager[None]:
        return measures.pinned(peer, self._site) if self._plan.is_pinned else nullcontext()

    def _measures(self) -> Iterator[Callable[[Peer], Measured]]:
        plan, film = self._plan, self._film
        yield lambda peer: measures.bulk(peer, film, "http", plan.transfers)
        if "https" in self._site.ports:
            yield (
                lambda peer: (
                    measures.bulk(peer, film, "https", plan.transfers) if peer.name != COPY else {}
                )
            )
        for connections in measures.CONNECTIONS:
            yield partial(self._ranges, connections)

    def _ranges(self, connections: int, peer: Peer) -> Measured:
        # The slowest would take most of the time, to say the same.
        requests = self._plan.requests // (5 if peer.name == "classic" else 1)
        return measures.ranges(peer, self._film, connections, requests)
