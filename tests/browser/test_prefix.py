"""The page works where another service mounts it."""

from ipaddress import ip_network

from aiohttp import web
from playwright.async_api import Page, expect

import streamproxy

from .conftest import served
from .upstream import Upstream
from .viewer import Viewer


async def test_page_works_under_a_prefix(page: Page, upstream: Upstream) -> None:
    settings = streamproxy.Settings(allow_network=(ip_network("127.0.0.0/8"),))
    parent = web.Application()
    parent.add_subapp("/video/", streamproxy.create_app(settings))
    async with served(parent) as origin:
        viewer = Viewer(page, f"{origin}/video/")
        await viewer.watch(upstream.link("/clips/moov-last.mp4"))
        assert page.url.startswith(f"{origin}/video/?url=")
        await viewer.open_at(upstream.link("/clips/vp8.webm"), "10")
        await viewer.sees_it_play(beyond=10)
        await viewer.play(upstream.link("/page.html"))
        await expect(viewer.problem).to_be_visible()
        await viewer.visit()
        await expect(viewer.recent).to_have_count(2)
