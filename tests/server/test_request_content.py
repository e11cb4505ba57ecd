"""Clients that leave while they send the content of a request."""

import asyncio

import pytest
from proxies import StartProxy

TOKEN = "a-token-for-whoever-may-come-in"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("route", "content_type"), [("/subtitles", "text/plain"), ("/login", FORM)]
)
async def test_client_that_leaves_is_no_error_of_ours(
    start_proxy: StartProxy, caplog: pytest.LogCaptureFixture, route: str, content_type: str
) -> None:
    caplog.set_level("INFO")
    proxy = await start_proxy(access_token=TOKEN)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = (
        f"POST {route} HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nExpect: 100-continue\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: 100\r\n\r\nhalf"
    )
    writer.write(head.encode())

    async def end() -> str:
        while True:
            for line in caplog.messages:
                if line.startswith(f"POST {route} "):
                    return line
            await asyncio.sleep(0.02)

    async with asyncio.timeout(10):
        assert b" 100 " in await reader.readline()
        writer.transport.abort()
        assert (await end()).endswith(" s, client_gone")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
