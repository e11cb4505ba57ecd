"""Proxies in a row, and in a circle."""

import pytest
from proxies import Proxy, StartProxy, code_of
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy.protocol.loops import make_user_agent, parse_instances


def came_through(exchange: Exchange) -> tuple[str, ...]:
    """Return the instances that the User-Agent of a request names."""
    value = exchange.field("User-Agent")
    assert value is not None
    found = parse_instances([value])
    assert value.endswith(f"({'; '.join(found)})")
    return found


async def test_two_proxies_in_a_row_stream(start_proxy: StartProxy) -> None:
    outer, inner = await start_proxy(), await start_proxy()
    async with raw_upstream(Honest()) as upstream:
        got = await outer.stream(inner.url("/stream", upstream.link()), "5-99")
        assert (got.status, await got.read()) == (206, CONTENT[5:100])
        assert (await outer.validate(inner.url("/stream", upstream.link())))["valid"] is True
        alone = await inner.stream(upstream.link(), "0-0")
        assert alone.status == 206
        chain, probed, single = map(came_through, upstream.exchanges)
    assert len(set(chain)) == 2
    assert probed == chain
    assert single == chain[1:]  # the inner one's own, behind whoever came before


async def test_circle_of_two_proxies_is_cut_at_once(start_proxy: StartProxy) -> None:
    first, second = await start_proxy(), await start_proxy()
    async with raw_upstream(b"") as upstream:
        # The link leads through the second to a site that redirects to the first, and round.
        around = second.url("/stream", upstream.link())
        location = first.url("/stream", around)
        upstream.answer = Redirect(location)
        got = await first.stream(around)
        assert got.status == 403
        problem = await got.json(content_type=None)
        # The second sees the first's refusal as that of any site, and so does the first.
        assert (problem["code"], problem["upstream_status"]) == ("upstream_status", 403)
        assert len(upstream.exchanges) == 1


class Redirect:
    """An answer that redirects whatever is asked."""

    def __init__(self, location: str) -> None:
        self.answer = response("302 Found", {"Location": location, "Content-Length": "0"})

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.send(self.answer)


async def test_chain_stays_the_same_through_redirects_and_resumes(proxy: Proxy) -> None:
    before = ("0" * 16, "1" * 16)
    etag = {"ETag": '"v1"', "Content-Type": "video/mp4"}

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/a":
            await exchange.send(response("302 Found", {"Location": "/b", "Content-Length": "0"}))
        elif exchange.field("Range") is None:
            fields = etag | {"Content-Length": str(len(CONTENT))}
            await exchange.send(response("200 OK", fields, CONTENT[:5000]))  # and cuts
        else:
            await Honest()(exchange)

    async with raw_upstream(answer) as upstream:
        got = await proxy.stream(upstream.link("/a"), User_Agent=make_user_agent("1", before))
        assert await got.read() == CONTENT
        chains = {came_through(exchange) for exchange in upstream.exchanges}
        assert len(upstream.exchanges) == 3
    assert len(chains) == 1
    assert chains.pop()[:2] == before


@pytest.mark.parametrize(("count", "status"), [(4, 206), (5, 403), (50, 403)])
async def test_chain_has_an_end(proxy: Proxy, count: int, status: int) -> None:
    user_agent = make_user_agent("1", [f"{number:016x}" for number in range(count)])
    async with raw_upstream(Honest()) as upstream:
        got = await proxy.stream(upstream.link(), "0-0", User_Agent=user_agent)
        assert (got.status, upstream.used) == (status, int(status == 206))
        assert bool(upstream.connections) == (status == 206)


async def test_user_agent_of_a_client_goes_no_further(proxy: Proxy) -> None:
    async with raw_upstream(Honest()) as upstream:
        await proxy.stream(upstream.link(), "0-0", User_Agent="Player/1 (someone's name)")
        assert len(came_through(upstream.exchanges[0])) == 1
        assert b"Player" not in upstream.exchanges[0].head


async def test_request_that_comes_back_over_another_address_is_refused(
    start_proxy: StartProxy,
) -> None:
    """As behind a reverse proxy: nothing in the link's address shows that it leads here."""
    proxy = await start_proxy()
    async with raw_upstream(Honest()) as upstream:
        await proxy.stream(upstream.link(), "0-0")
        own = upstream.exchanges[0].field("User-Agent") or ""
        got = await proxy.stream(upstream.link(), "0-0", User_Agent=own)
        assert (got.status, len(upstream.exchanges)) == (403, 1)
        assert (await got.json(content_type=None))["detail"] == (
            "The link leads back to this proxy."
        )
        assert await code_of(proxy, "http://no-such-host.invalid/") == (502, "dns_failure")
