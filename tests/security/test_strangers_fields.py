"""What a stranger's server says about the browser's behaviour does not pass, nor splits answers."""

import asyncio
import re
from urllib.parse import quote

import pytest
from inert import assert_inert
from proxies import Proxy, StartProxy
from upstreams import Honest, raw_upstream, response

# All that the head of a stream may have.
OURS = {
    *("accept-ranges", "age", "cache-control", "connection", "content-disposition"),
    *("content-encoding", "content-length", "content-range", "content-security-policy"),
    *("content-type", "date", "etag", "expires", "last-modified", "retry-after", "server"),
    *("transfer-encoding", "x-content-type-options", "x-request-id"),
}
HOSTILE = {
    "Set-Cookie": "session=evil; Path=/",
    "Set-Cookie2": "session=evil",
    "Content-Security-Policy": "default-src * 'unsafe-inline'",
    "Content-Security-Policy-Report-Only": "default-src 'none'; report-uri https://evil.example/",
    "X-Content-Security-Policy": "default-src *",
    "X-WebKit-CSP": "default-src *",
    "X-Content-Type-Options": "sniff",
    "X-Frame-Options": "ALLOWALL",
    "X-XSS-Protection": "0",
    "X-UA-Compatible": "IE=5",
    "X-DNS-Prefetch-Control": "on",
    "X-Permitted-Cross-Domain-Policies": "all",
    "Clear-Site-Data": '"*"',
    "Service-Worker-Allowed": "/",
    "Service-Worker-Navigation-Preload": "true",
    "Refresh": "0; url=https://evil.example/",
    "Location": "https://evil.example/",
    "Content-Location": "https://evil.example/",
    "Link": "<https://evil.example/x.js>; rel=preload; as=script",
    "X-Accel-Redirect": "/etc/passwd",
    "X-Accel-Buffering": "no",
    "X-Accel-Expires": "86400",
    "X-Accel-Limit-Rate": "1",
    "X-Sendfile": "/etc/passwd",
    "X-LIGHTTPD-send-file": "/etc/passwd",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Expose-Headers": "*",
    "Timing-Allow-Origin": "*",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Public-Key-Pins": 'pin-sha256="x"; max-age=5184000',
    "Expect-CT": "enforce",
    "NEL": '{"report_to": "x", "max_age": 31536000}',
    "Report-To": '{"group": "x", "max_age": 1, "endpoints": [{"url": "https://evil.example/"}]}',
    "Reporting-Endpoints": 'x="https://evil.example/"',
    "Permissions-Policy": "camera=*",
    "Feature-Policy": "camera *",
    "Document-Policy": "force-load-at-top",
    "Referrer-Policy": "unsafe-url",
    "Origin-Agent-Cluster": "?0",
    "Origin-Trial": "token",
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "SourceMap": "https://evil.example/x.map",
    "X-SourceMap": "https://evil.example/x.map",
    "Alt-Svc": 'h3="evil.example:443"; ma=86400',
    "Alternate-Protocol": "443:quic",
    "WWW-Authenticate": 'Basic realm="give me your password"',
    "Proxy-Authenticate": "Basic",
    "Authentication-Info": "x",
    "Proxy-Connection": "keep-alive",
    "Keep-Alive": "timeout=99999",
    "Upgrade": "h2c",
    "Trailer": "Set-Cookie",
    "Server-Timing": "x;dur=1",
    "Speculation-Rules": '"https://evil.example/rules.json"',
    "Supports-Loading-Mode": "credentialed-prerender",
    "Use-As-Dictionary": 'match="/*"',
    "No-Vary-Search": "params",
    "Accept-CH": "Sec-CH-UA-Full-Version-List",
    "Critical-CH": "Sec-CH-UA-Platform",
    "Vary": "*",
    "Via": "1.1 evil",
    "Warning": '199 - "evil"',
    "Pragma": "no-cache",
    "P3P": "CP=ALL",
    "Content-MD5": "x",
    "Content-Language": "en",
    "Content-Script-Type": "text/javascript",
    "Default-Style": "evil",
    "Server": "evil",
    "X-Request-Id": "evil-evil-evil",
    "X-Powered-By": "evil",
    "Access-Control-Max-Age": "86400",
    "Set-Login": "logged-in",
    "Sec-Session-Registration": '(ES256); path="/"',
    "Attribution-Reporting-Register-Source": "{}",
    "Observe-Browsing-Topics": "?1",
    "Shared-Storage-Write": "set;key=x;value=y",
    "Ad-Auction-Signals": "x",
    "Activate-Storage-Access": "load",
    "Content-Type-Options": "x",
    "X-Own": "x",
}


@pytest.mark.parametrize(
    ("status", "asked", "expected"),
    [
        pytest.param("200 OK", {}, 200, id="the whole"),
        pytest.param("206 Partial Content", {"Range": "bytes=0-3"}, 206, id="a part"),
        pytest.param("304 Not Modified", {"If-None-Match": '"v1"'}, 304, id="not modified"),
        pytest.param("404 Not Found", {}, 404, id="refused"),
        pytest.param("401 Unauthorized", {}, 502, id="asked who we are"),
        pytest.param("416 Range Not Satisfiable", {"Range": "bytes=9-"}, 416, id="outside"),
        pytest.param("503 Busy", {}, 503, id="busy"),
        pytest.param("300 Multiple Choices", {}, 502, id="a choice"),
    ],
)
async def test_no_field_of_a_strangers_server_passes_but_the_listed(
    start_proxy: StartProxy, status: str, asked: dict[str, str], expected: int
) -> None:
    proxy = await start_proxy(retry_attempts=0)
    fields = HOSTILE | {"Content-Type": "video/mp4", "ETag": '"v1"', "Content-Length": "4"}
    body = b"film"
    if status.startswith("206"):
        fields["Content-Range"] = "bytes 0-3/4"
    elif status.startswith("416"):
        fields["Content-Range"] = "bytes */4"
    elif status.startswith("304"):
        del fields["Content-Length"]
        body = b""
    async with raw_upstream(response(status, fields, body)) as upstream:
        for method in ("GET", "HEAD"):
            url = proxy.url("/stream", upstream.link())
            async with proxy.client.request(method, url, headers=asked) as got:
                content = await got.read()
                assert got.status == expected
                assert {name.lower() for name in got.headers} <= OURS
                assert_inert(got)
                assert "evil" not in str(got.headers)
                assert b"evil" not in content


async def test_what_a_server_sends_before_and_after_its_answer_does_not_pass(proxy: Proxy) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload; as=script\r\n\r\n"
    fields = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked", "Trailer": "Set-Cookie"}
    body = b"4\r\nfilm\r\n0\r\nSet-Cookie: evil=1\r\nX-Accel-Redirect: /evil\r\n\r\n"
    async with raw_upstream(early + response("200 OK", fields, body)) as upstream:
        received = await ask_raw(proxy, upstream.link())
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"film" in received
    assert b"evil" not in received


async def test_page_of_a_failing_server_does_not_pass(proxy: Proxy) -> None:
    page = b"<html><script>evil</script>"
    fields = {"Content-Type": "text/html", "Content-Length": str(len(page))}
    async with raw_upstream(response("404 evil</title>", fields, page)) as upstream:
        got = await proxy.stream(upstream.link("/evil"))
        assert (got.status, got.reason) == (404, "Not Found")
        assert got.content_type == "application/problem+json"
        assert b"evil" not in await got.read()
        assert_inert(got)


async def ask_raw(proxy: Proxy, link: str) -> bytes:
    """Return all that /stream answers with, as it stands on the wire."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    target = f"/stream?url={quote(link, safe='')}"
    writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    received = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return received


def assert_head_is_whole(received: bytes) -> None:
    """Hold that no field was added, split or left open by what a stranger wrote."""
    head, _, _ = received.partition(b"\r\n\r\n")
    status_line, *lines = head.split(b"\r\n")
    assert re.fullmatch(rb"HTTP/1\.1 [2-5][0-9]{2} [A-Za-z ]+", status_line)
    for line in lines:
        assert re.fullmatch(rb"[A-Za-z-]+: [\t\x20-\x7e]*", line), line
    names = [line.partition(b":")[0].decode().lower() for line in lines]
    assert set(names) <= OURS
    assert len(names) == len(set(names))


PASSING = {
    "ETag": '"v%s"',
    "Last-Modified": "Sat, 13 Jan 2024 10:30:45 GMT%s",
    "Cache-Control": "max-age=60%s",
    "Expires": "Sat, 13 Jan 2024 10:30:45 GMT%s",
    "Age": "5%s",
    "Accept-Ranges": "bytes%s",
    "Content-Type": "video/mp4%s",
    "Content-Encoding": "gzip%s",
    "Content-Disposition": 'inline; filename="a%s.mp4"',
    "Retry-After": "5%s",
    "Content-Range": "bytes 0-3/4%s",
    "Location": "/there%s",
}


@pytest.mark.parametrize("name", PASSING)
async def test_no_field_that_passes_can_split_the_answer(
    start_proxy: StartProxy, name: str
) -> None:
    proxy = await start_proxy(retry_attempts=0)
    for inside in (
        *(
            b"\rSet-Cookie: evil=1",
            b"\nSet-Cookie: evil=1",
            b"\n\nevil",
            b"\r\n Set-Cookie: evil=1",
        ),
        *(b"\r\n\tevil: 1", b"\x00", b"\x0b\x0c", b"\x7f", b"\xff\xfe", b"\x85", b"\xc2\x85"),
        # Characters whose low bytes are CR and LF, for whoever cuts the high ones off.
        *("\u010d\u010aSet-Cookie: evil=1".encode(), "\u560d\u560a".encode(), b"\xe2\x80\xa8"),
        *(b"%0d%0aSet-Cookie: evil=1", b"%00", b"\\r\\n", b"x" * 5000),
    ):
        value = PASSING[name].encode().replace(b"%s", inside)
        for status in (b"200 OK", b"503 Busy", b"302 Found"):
            if (name == "Location") != (status == b"302 Found"):
                continue
            fields = b"Content-Length: 4\r\n" + name.encode() + b": " + value
            if name != "Content-Type":
                fields += b"\r\nContent-Type: video/mp4"
            answer = b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n\r\nfilm"
            async with raw_upstream(answer) as upstream:
                assert_head_is_whole(await ask_raw(proxy, upstream.link()))


@pytest.mark.parametrize(
    "name",
    [
        *("a%0d%0aSet-Cookie:%20evil=1.mp4", "a%0aevil.mp4", "a%00.mp4", "a%22;%20evil=%22.mp4"),
        *("%E2%80%AEgpj.exe", "%C4%8D%C4%8ASet-Cookie:%20evil=1.mp4", "a%E2%80%A8b.mp4"),
        *("..%2f..%2fetc%2fpasswd", "..%5c..%5cboot.ini", "%2e%2e", "%ed%a0%80.mp4", "%ff%fe.mp4"),
        *(
            "%F0%9F%8E%AC.mp4",
            "a%2500b.mp4",
            "'%3Cscript%3E.mp4",
            "x" * 3000,
            "%5C%22.mp4",
            "%7f.mp4",
        ),
    ],
)
async def test_name_of_the_file_cannot_split_the_answer(proxy: Proxy, name: str) -> None:
    async with raw_upstream(Honest(content=b"film")) as upstream:
        by_path = await ask_raw(proxy, upstream.link(f"/{name}"))
    fields = {"Content-Type": "video/mp4", "Content-Length": "4"}
    for value in (f"inline; filename*=UTF-8''{name}", f'attachment; filename="{name}"'):
        answer = response("200 OK", fields | {"Content-Disposition": value}, b"film")
        async with raw_upstream(answer) as upstream:
            by_field = await ask_raw(proxy, upstream.link())
        for received in (by_path, by_field):
            assert_head_is_whole(received)
            (offered,) = re.findall(rb"Content-Disposition: (.*)\r\n", received)
            assert re.fullmatch(
                rb"inline(; filename=\"[^\"\\%]{1,180}\"(; filename\*=UTF-8''[\w.~%-]+)?)?",
                offered,
                re.ASCII,
            )
            assert not re.search(rb'[/\\]|="\.', offered)
