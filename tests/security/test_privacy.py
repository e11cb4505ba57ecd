"""Nothing that a client says of itself reaches a stranger's server."""

from proxies import StartProxy
from upstreams import Exchange, Honest, raw_upstream, response

CANARY = "canary-4711"
PERSONAL = {
    "Cookie": f"streamproxy={CANARY}; a={CANARY}",
    "Cookie2": CANARY,
    "Proxy-Authorization": f"Basic {CANARY}",
    "Referer": f"http://127.0.0.1/?token={CANARY}",
    "X-Forwarded-For": f"192.0.2.1, {CANARY}",
    "X-Forwarded-Host": CANARY,
    "X-Forwarded-Proto": CANARY,
    "X-Forwarded-Server": CANARY,
    "X-Forwarded-Access-Token": CANARY,
    "X-Forwarded-User": CANARY,
    "Forwarded": f"for={CANARY}",
    "X-Real-IP": CANARY,
    "X-Client-IP": CANARY,
    "True-Client-IP": CANARY,
    "CF-Connecting-IP": CANARY,
    "Via": f"1.1 {CANARY}",
    "From": CANARY,
    "X-Api-Key": CANARY,
    "X-Csrf-Token": CANARY,
    "X-Requested-With": CANARY,
    "Metadata-Flavor": "Google",
    "X-aws-ec2-metadata-token": CANARY,
    "Accept": f"video/{CANARY}",
    "Accept-Language": CANARY,
    "Accept-Encoding": f"br, {CANARY}",
    "User-Agent": f"Mozilla/5.0 ({CANARY})",
    "Sec-CH-UA": CANARY,
    "Sec-Purpose": CANARY,
    "Sec-GPC": "1",
    "DNT": "1",
    "TE": "trailers",
    "Trailer": CANARY,
    "Pragma": CANARY,
    "Cache-Control": CANARY,
    "Priority": CANARY,
    "Upgrade-Insecure-Requests": "1",
    "Keep-Alive": CANARY,
    "Connection": f"keep-alive, {CANARY}",
    "Host": f"127.0.0.1:{CANARY.removeprefix('canary-')}",
    "Max-Forwards": "4711",
    "Range": "bytes=0-9",
    "If-Range": '"v1"',
    "X-Own": CANARY,
}


async def test_nothing_personal_reaches_a_strangers_server(start_proxy: StartProxy) -> None:
    """Neither when it streams, nor over redirects, nor when it looks or asks again."""
    proxy = await start_proxy()

    async def answer(exchange: Exchange) -> None:
        if exchange.target == b"/go":
            await exchange.send(response("302 Found", {"Location": "/film.mp4"}))
        elif exchange.field("Range") and exchange.target == b"/whole.mp4":
            await exchange.send(response("403 No", {"Content-Length": "0"}))
        else:
            await Honest()(exchange)

    async with raw_upstream(answer) as upstream:
        for target in ("/film.mp4", "/go", "/whole.mp4"):
            for route in ("/stream", "/api/validate"):
                url = proxy.url(route, upstream.link(target))
                async with proxy.client.get(url, headers=PERSONAL) as got:
                    assert got.status in (200, 206)
                    await got.read()
        heads = [exchange.head.decode() for exchange in upstream.exchanges]
    assert len(heads) == 10  # a redirect, and a second try, with each route
    allowed = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Range", "If-Range"}
    for head in heads:
        lines = [line for line in head.split("\r\n")[1:] if line]
        assert {line.partition(":")[0] for line in lines} <= allowed
        assert "4711" not in head.replace(f":{upstream.port}", "")
        assert "Accept: */*" in lines
        assert f"Host: 127.0.0.1:{upstream.port}" in lines
