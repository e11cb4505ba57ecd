"""Rates: how requests are counted, in memory and in Redis, and what when Redis is away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis_servers import free_port, redis_server
from timely import done_within

from streamproxy.access.rates import _MAX_CLIENTS, Budget, RateCounter
from streamproxy.errors import SettingsError
from streamproxy.options import Rate

HOURLY = Rate(3, 3600)


@asynccontextmanager
async def counting(
    *rates: Rate, store_url: str = "", pause_s: float = 5.0
) -> AsyncIterator[RateCounter]:
    counter = RateCounter(rates, store_url, pause_s=pause_s)
    try:
        yield counter
    finally:
        await counter.close()


async def permitted(counter: RateCounter, times: int, client: str = "a") -> list[bool]:
    return [not (await counter.count(client)).is_exceeded for _ in range(times)]


@pytest.fixture(params=["memory", "redis"])
async def store_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "memory":
        yield ""
    else:
        async with redis_server() as redis:
            yield redis.url


class TestCounting:
    async def test_as_many_pass_as_the_rate_says(self, store_url: str) -> None:
        async with counting(HOURLY, store_url=store_url) as counter:
            found = [await counter.count("a") for _ in range(5)]
        assert [budget.remaining for budget in found] == [2, 1, 0, 0, 0]
        assert [budget.is_exceeded for budget in found] == [False] * 3 + [True] * 2
        assert all(3590 < budget.reset_s <= 3600 for budget in found)

    async def test_each_client_has_a_budget_of_its_own(self, store_url: str) -> None:
        async with counting(HOURLY, store_url=store_url) as counter:
            assert await permitted(counter, 4) == [True, True, True, False]
            assert await permitted(counter, 4, "b") == [True, True, True, False]

    async def test_next_passes_when_the_time_told_is_over(self, store_url: str) -> None:
        async with counting(Rate(2, 3), store_url=store_url) as counter:
            assert await permitted(counter, 2) == [True, True]
            refused = await counter.count("a")
            assert refused.is_exceeded
            assert 0 < refused.reset_s <= 3
            await asyncio.sleep(refused.reset_s + 0.01)
            assert await permitted(counter, 1) == [True]

    async def test_the_tightest_of_several_rates_is_told(self, store_url: str) -> None:
        daily = Rate(4, 86400)
        async with counting(daily, HOURLY, store_url=store_url) as counter:
            found = [await counter.count("a") for _ in range(6)]
        # What the shorter rate refuses does not count against the longer one.
        assert {budget.rate for budget in found} == {HOURLY}
        async with counting(Rate(9, 3600), Rate(2, 86400), store_url=store_url) as counter:
            last = [await counter.count("b") for _ in range(3)][-1]
        assert (last.rate, last.is_exceeded) == (Rate(2, 86400), True)

    async def test_requests_at_the_same_time_do_not_pass_together(self, store_url: str) -> None:
        async with counting(Rate(10, 3600), store_url=store_url) as counter:
            found = await asyncio.gather(*(counter.count("a") for _ in range(40)))
        assert sum(not budget.is_exceeded for budget in found) == 10


async def test_memory_forgets_the_clients_not_seen_for_longest() -> None:
    async with counting(Rate(1, 3600)) as counter:
        await counter.count("first")
        await counter.count("seen again")
        for number in range(_MAX_CLIENTS - 2):
            await counter.count(f"{number}")
        assert (await counter.count("seen again")).is_exceeded
        await counter.count("one too many")
        assert (await counter.count("seen again")).is_exceeded
        assert not (await counter.count("first")).is_exceeded


class TestRedis:
    async def test_counters_share_a_budget(self) -> None:
        async with (
            redis_server() as redis,
            counting(HOURLY, store_url=redis.url) as one,
            counting(HOURLY, store_url=redis.url) as other,
        ):
            assert await permitted(one, 2) == [True, True]
            assert await permitted(other, 2) == [True, False]
            assert await permitted(one, 1) == [False]

    async def test_names_and_addresses_are_not_in_it_and_keys_end(self) -> None:
        async with redis_server() as redis, counting(HOURLY, store_url=redis.url) as counter:
            await counter.count("client:203.0.113.7")
            (key,) = await redis.ask("keys", "*")
            assert key.startswith("streamproxy:")
            assert "203.0.113.7" not in key
            assert 0 < int((await redis.ask("ttl", key))[0]) <= 3600

    async def test_socket_of_unix_is_one_too(self, tmp_path: Path) -> None:
        path = str(tmp_path / "redis.sock")
        async with redis_server("--unixsocket", path) as redis:
            async with counting(HOURLY, store_url=f"redis+unix://{path}") as counter:
                assert await permitted(counter, 4) == [True, True, True, False]
            assert len(await redis.ask("keys", "*")) == 1

    async def test_connections_are_bounded_and_closed(self) -> None:
        async with redis_server() as redis:
            async with counting(Rate(1000, 3600), store_url=redis.url) as counter:
                await asyncio.gather(*(counter.count("a") for _ in range(100)))
                assert 1 < len(await redis.ask("client", "list")) <= 17  # with the one that asks
            assert len(await redis.ask("client", "list")) == 1

    async def test_restart_costs_the_counts_and_nothing_else(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with redis_server() as redis, counting(HOURLY, store_url=redis.url) as counter:
            assert await permitted(counter, 4) == [True, True, True, False]
            await redis.stop()
            await redis.start()
            assert await permitted(counter, 4) == [True, True, True, False]
            assert len(await redis.ask("keys", "*")) == 1
        assert caplog.messages == []

    async def test_while_it_is_away_memory_counts(self, caplog: pytest.LogCaptureFixture) -> None:
        async with (
            redis_server() as redis,
            counting(HOURLY, store_url=redis.url, pause_s=0.05) as counter,
        ):
            assert await permitted(counter, 2) == [True, True]
            await redis.stop()
            assert await permitted(counter, 5) == [True, True, True, False, False]
            await redis.start()
            await asyncio.sleep(0.06)  # the pause: then it is asked again
            assert await permitted(counter, 4) == [True, True, True, False]
            assert len(await redis.ask("keys", "*")) == 1
        assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
        assert "counting in memory" in caplog.messages[0]
        assert "answers again" in caplog.messages[1]

    async def test_dead_one_is_not_waited_for(self, caplog: pytest.LogCaptureFixture) -> None:
        url = f"redis://:s3cret@127.0.0.1:{free_port()}/0"

        async def ask() -> list[bool]:
            caplog.clear()
            async with counting(HOURLY, store_url=url) as counter, asyncio.timeout(10):
                return await permitted(counter, 4)

        assert await done_within(1, ask) == [True, True, True, False]
        assert len(caplog.messages) == 1
        assert "s3cret" not in caplog.text

    async def test_silent_one_is_waited_for_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        started = asyncio.get_running_loop().time()
        async with counting(HOURLY, store_url=f"redis://127.0.0.1:{port}") as counter:
            together = await asyncio.gather(*(counter.count("a") for _ in range(40)))
            assert sum(not budget.is_exceeded for budget in together) == 3
            assert await permitted(counter, 20, "b") == [True] * 3 + [False] * 17
        assert 0.9 < asyncio.get_running_loop().time() - started < 8  # each on its own: 20
        (warning,) = caplog.messages
        assert "TimeoutError" in warning
        server.close()
        await server.wait_closed()

    async def test_silent_one_holds_up_one_request_a_time(self) -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(-1)
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        url = f"redis://127.0.0.1:{port}"
        async with counting(HOURLY, store_url=url, pause_s=0.1) as counter:
            await counter.count("a")
            await asyncio.sleep(0.1)  # the pause: the next request asks Redis again
            asking = asyncio.ensure_future(counter.count("a"))
            await asyncio.sleep(0)
            await counter.count("a")
            assert not asking.done()  # who waits as well ends after it
            assert isinstance(await asking, Budget)
        server.close()
        await server.wait_closed()

    async def test_wrong_password_is_a_redis_that_does_not_answer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with redis_server(password="right-password") as redis:
            url = redis.url.replace("right-password", "wrong-password")
            async with counting(HOURLY, store_url=url) as counter:
                assert await permitted(counter, 4) == [True, True, True, False]
            async with counting(HOURLY, store_url=redis.url) as counter:
                await counter.count("a")
            assert len(await redis.ask("keys", "*")) == 1
        assert len(caplog.messages) == 1
        assert "-password" not in caplog.text

    async def test_request_that_is_cancelled_leaves_the_connections_in_order(self) -> None:
        async with (
            redis_server() as redis,
            counting(Rate(100, 3600), store_url=redis.url) as counter,
        ):
            await counter.count("a")
            for _ in range(20):
                task = asyncio.ensure_future(counter.count("a"))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            budget = await counter.count("a")
            assert 100 - 22 <= budget.remaining <= 98

    @pytest.mark.parametrize(
        "url", ["redis://:s3cret@127.0.0.1:port/0", "redis://:s3cret@[::1/0", "http://s3cret@x/"]
    )
    def test_url_that_is_none_is_refused_and_not_shown(self, url: str) -> None:
        with pytest.raises(SettingsError) as caught:
            RateCounter([HOURLY], url)
        assert "rate_store" in str(caught.value)
        assert "s3cret" not in str(caught.value)
