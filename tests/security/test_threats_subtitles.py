"""Attacks by subtitle files: T30."""

import io

import pytest
from inert import assert_inert
from proxies import Proxy

ACTING = """WEBVTT

STYLE
@import url(https://evil.example/x.css);
::cue { background: url(https://evil.example/x.png) }

1
00:01.000 --> 00:02.000 line:0;onload=x
<img src=x onerror=boom(1)><c.a onclick=boom(1)>a</c> &lt;script&gt; <v a"><svg onload=boom(1)>b
"""
BILLION_LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE tt [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<tt><body><div><p begin="0s" end="1s">&b;</p></div></body></tt>
"""


async def post(proxy: Proxy, text: str) -> tuple[int, str]:
    body = io.BytesIO(text.encode())
    async with proxy.client.post(proxy.url("/subtitles"), data=body) as got:
        assert_inert(got)
        return got.status, await got.text()


async def test_t30_what_could_act_in_a_page_is_written_as_text_or_not_at_all(proxy: Proxy) -> None:
    status, text = await post(proxy, ACTING)

    assert status == 200
    assert text == (
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n"
        '<c.a>a</c> &lt;script&gt; <v a">&lt;svg onload=boom(1)&gt;b</v>\n'
    )


@pytest.mark.parametrize("text", [BILLION_LAUGHS, "<SAMI>" + "<a" * 100_000, '{"a":' * 100_000])
async def test_t30_markup_and_data_are_not_parsed(proxy: Proxy, text: str) -> None:
    status, problem = await post(proxy, text)

    assert status == 415
    assert "not_subtitles" in problem
