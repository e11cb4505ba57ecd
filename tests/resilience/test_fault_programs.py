"""Whatever an upstream does: a client gets a prefix of one version, and all of it if it can be.

The upstreams, and what must come of them, are in fault_programs.py. Programs run many at a time,
against one proxy: most of their time is waiting.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from fault_programs import (
    REPEATED,
    RESUME_ATTEMPTS,
    RETRY_ATTEMPTS,
    Program,
    ProgrammedUpstream,
    judge,
    must_complete,
    programs,
)
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from proxies import Proxy, serve
from upstreams import raw_upstream
from viewers import Seen, watch

from streamproxy import Settings, create_app

EXAMPLES = int(os.environ.get("STREAMPROXY_FAULT_EXAMPLES", "1000"))
AT_A_TIME = 100
# Seconds: short, because each stall lasts so long; long enough for a machine that is busy.
READ_TIMEOUT = 0.2
# For a machine that stands still for longer than that.
ATTEMPTS = 5


class Batch(tuple[Program, ...]):
    """Programs to run side by side; a failure names the one that it is about."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} programs>"


@asynccontextmanager
async def beating() -> AsyncIterator[list[float]]:
    """Yield a list that grows: the seconds between one turn of the event loop and a later one."""
    gaps = [0.0]

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            gaps.append(loop.time() - before)

    task = asyncio.create_task(beat())
    try:
        yield gaps
    finally:
        task.cancel()


class Bench:
    """A proxy on an event loop of its own, and a count of what came of the programs."""

    def __init__(self, runner: asyncio.Runner, proxy: Proxy) -> None:
        self._runner = runner
        self._proxy = proxy
        self.tally: Counter[str] = Counter()

    def run(self, batch: Batch) -> None:
        """Run programs side by side; the first that fails raises."""
        self._runner.run(self._run(batch))

    async def _run(self, batch: Batch) -> None:
        checks = await asyncio.gather(*map(self._check, batch), return_exceptions=True)
        for check in checks:
            if isinstance(check, BaseException):
                raise check
        overdue = [check for check in checks if isinstance(check, Program)]
        # A machine that stood still for longer than READ_TIMEOUT is one more fault, of
        # which the program knows nothing. Where it does so again, that is no attempt.
        for program in overdue:
            for _ in range(ATTEMPTS):
                async with beating() as gaps:
                    failed = await self._check(program)
                if failed is None or max(gaps) < READ_TIMEOUT / 4:
                    break
            assert failed is None, f"not completed: {program}"

    async def _watch(self, program: Program, upstream: ProgrammedUpstream) -> Seen | None:
        """Return what a client sees, or None where the machine stood still in the warm-up."""
        async with raw_upstream(upstream, keep_alive=True) as server:
            is_repeat = program.warm_up == "repeats"
            if program.warm_up != "none" and not is_repeat:
                warm = await watch(self._proxy, server.link("/warm-up.mp4"))
                if warm.status == 504:
                    return None
                assert warm.body == b"warm"
                await upstream.is_warm.wait()
            before = REPEATED if is_repeat else ()
            return await watch(self._proxy, server.link(), program.asked, before=before)

    async def _check(self, program: Program) -> Program | None:
        """Hold what a client sees against the program; return one that was not completed."""
        for _ in range(ATTEMPTS):
            upstream = ProgrammedUpstream(program)
            if (seen := await self._watch(program, upstream)) is not None:
                break
        else:
            pytest.fail(f"never warm: {program}")
        complaint = judge(upstream, seen)
        assert complaint is None, f"{complaint}: {seen.status} {seen.fields} {program}"
        is_whole = seen.status < 400 and seen.is_complete
        self.tally["programs"] += 1
        self.tally["completed"] += is_whole
        self.tally["had to complete"] += must_complete(upstream)
        self.tally["completed after a fault in the body"] += is_whole and (
            sum(served.has_content for served in upstream.served) > 1
        )
        self.tally["cut"] += seen.status < 400 and not seen.is_complete
        self.tally["refused"] += seen.status >= 400
        return program if must_complete(upstream) and not is_whole else None


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Return the bench; starting a proxy for each example would take most of the time."""
    logger = logging.getLogger("streamproxy")
    level = logger.level
    logger.setLevel(logging.ERROR)  # each program ends with a warning; a thousand hide the cause
    chosen = {"read_timeout": READ_TIMEOUT, "resume_attempts": RESUME_ATTEMPTS}
    app = create_app(
        Settings.parse(allow_network="127.0.0.0/8", retry_attempts=RETRY_ATTEMPTS, **chosen)
    )
    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        proxy = runner.run(serve(app, stack))
        yield Bench(runner, proxy)
        runner.run(stack.aclose())
    logger.setLevel(level)


# A failure names its program, which says more than its batch, shrunk for minutes.
@settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=-(-EXAMPLES // AT_A_TIME),
    verbosity=Verbosity.quiet,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(programs(), min_size=AT_A_TIME, max_size=AT_A_TIME).map(Batch))
def test_client_gets_a_prefix_of_one_version_and_all_of_it_if_it_can_be(
    bench: Bench, batch: Batch
) -> None:
    bench.run(batch)


def test_programs_were_worth_running(bench: Bench) -> None:
    """A generator whose programs all end alike would prove nothing."""
    tally = bench.tally
    if not tally:
        pytest.skip("counts what the test before it has run")
    print(dict(tally))
    assert tally["programs"] >= EXAMPLES
    assert tally["had to complete"] > tally["programs"] / 4
    assert tally["completed after a fault in the body"] > tally["programs"] / 5
    assert tally["cut"] > tally["programs"] / 20
    assert tally["refused"] > tally["programs"] / 50
