"""`streamproxy check` and `streamproxy config`, as owners and scripts use them."""

from dataclasses import fields
from pathlib import Path

import pytest
from program import run
from upstreams import CONTENT, Exchange, Honest, raw_upstream, response

from streamproxy import Settings
from streamproxy.arguments import MASK, shown

HERE = ("--allow-network", "127.0.0.0/8")
FILM = {"Content-Type": "video/mp4", "Content-Length": "1000"}


def facts_in(out: str) -> dict[str, str]:
    """Return the rows below the title, by name."""
    return {row[2:11].strip(): row[12:] for row in out.splitlines()[1:]}


class TestCheck:
    async def test_link_that_plays_is_described_and_its_query_is_not_shown(
        self, tmp_path: Path
    ) -> None:
        async with raw_upstream(Honest()) as upstream:
            link = upstream.link("/film.mp4")
            status, out, err = await run("check", f"{link}?token=s", *HERE, cwd=tmp_path)
        assert (status, err) == (0, "")
        assert out.startswith(f"{link} plays.\n")
        facts = facts_in(out)
        assert facts["length"] == f"{len(CONTENT):,} bytes"
        assert (facts["ranges"], facts["seekable"]) == ("yes", "yes")
        assert facts["leads to"] == upstream.link("")
        assert not (tmp_path / "stream.log").exists()

    @pytest.mark.parametrize(
        ("head", "code", "named"),
        [
            ("403 Forbidden", "upstream_status", "status 403"),
            ("200 OK", "not_media", "web page"),
        ],
    )
    async def test_link_that_does_not_play_says_why_and_what_to_do(
        self, tmp_path: Path, head: str, code: str, named: str
    ) -> None:
        async def answer(exchange: Exchange) -> None:
            await exchange.send(response(head, {"Content-Type": "text/html"}, b"<html>"))

        async with raw_upstream(answer) as upstream:
            status, out, err = await run("check", upstream.link(), *HERE, cwd=tmp_path)
        assert (status, err) == (1, "")
        facts = facts_in(out)
        assert facts["code"] == code
        assert named in facts["reason"]
        assert facts["hint"]

    async def test_limits_and_rules_of_the_settings_hold(self, tmp_path: Path) -> None:
        async with raw_upstream(Honest()) as upstream:
            link = upstream.link()
            environment = {"STREAMPROXY_ALLOW_NETWORK": "127.0.0.0/8"}
            for arguments, given, code in (
                (("--max-file-size", "1KiB"), environment, "too_large"),
                ((), {}, "blocked_target"),
                (("--deny-host", "127.0.0.1"), environment, "blocked_target"),
            ):
                status, out, _ = await run("check", link, *arguments, cwd=tmp_path, **given)
                assert (status, facts_in(out)["code"]) == (1, code)

    async def test_what_a_site_says_moves_no_cursor(self, tmp_path: Path) -> None:
        async def answer(exchange: Exchange) -> None:
            name = {"Content-Disposition": "attachment; filename*=UTF-8''a%1b%5b2J%e2%80%aeb.mp4"}
            await exchange.send(response("200 OK", FILM | name, bytes(1000)))

        async with raw_upstream(answer) as upstream:
            status, out, _ = await run("check", upstream.link(), *HERE, cwd=tmp_path)
        assert status == 0
        assert all(line.isprintable() for line in out.splitlines())

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ((), "URL"),
            (("https://example.com/", "--port", "x"), "port: 'x' is not allowed"),
            (("https://example.com/", "--no-such"), "--no-such"),
        ],
    )
    async def test_mistake_is_one_line_and_status_2(
        self, tmp_path: Path, arguments: tuple[str, ...], named: str
    ) -> None:
        status, out, err = await run("check", *arguments, cwd=tmp_path)
        assert (status, out) == (2, "")
        (line,) = err.splitlines()
        assert line.startswith("streamproxy check: ")
        assert named in line


SECRETS = {
    "access_token": "hidden-token",
    "metrics_token": "hidden-metrics-token",
    "signing_key": "hidden-signing-key",
    "rate_store": "redis://:hidden@127.0.0.1/0",
    "upstream_proxy": "http://u:hidden@127.0.0.1:3128",
}


class TestConfig:
    async def test_every_setting_is_told_with_its_source(self, tmp_path: Path) -> None:
        environment = {"STREAMPROXY_PORT": "7000", "STREAMPROXY_MAX_STREAMS": "5"}
        arguments = ("--max-streams", "6", "--rate-limit", "9/hour", "--no-auth")
        status, out, err = await run("config", *arguments, cwd=tmp_path, **environment)
        assert (status, err) == (0, "")
        told = [[part.strip() for part in line.split("#")] for line in out.splitlines()]
        values = [setting.partition("=") for setting, _ in told]
        assert [name.strip() for name, _, _ in values] == [s.name for s in fields(Settings)]
        changed = {setting: source for setting, source in told if source != "default"}
        assert changed == {
            "port = 7000": "environment, STREAMPROXY_PORT",
            "max_streams = 6": "command line",
            "rate_limit = 9/3600seconds": "command line",
            "auth = false": "command line",
        }

    async def test_secrets_are_masked_wherever_they_come_from(self, tmp_path: Path) -> None:
        environment = {f"STREAMPROXY_{name.upper()}": value for name, value in SECRETS.items()}
        arguments = ("config", "--access-token", "hidden-other")
        status, out, err = await run(*arguments, cwd=tmp_path, **environment)
        assert (status, err) == (0, "")
        assert "hidden" not in out
        assert all(f"{name} = {MASK} " in out for name in SECRETS)

    def test_all_that_is_secret_was_tried(self) -> None:
        assert {s.name for s in fields(Settings) if s.metadata["secret"]} == set(SECRETS)

    async def test_name_that_is_mistyped_is_told(self, tmp_path: Path) -> None:
        status, _, err = await run("config", cwd=tmp_path, STREAMPROXY_PROT="1")
        assert (status, "STREAMPROXY_PROT" in err) == (0, True)

    async def test_bad_value_is_one_line_and_status_2(self, tmp_path: Path) -> None:
        status, out, err = await run("config", "--port", "x", cwd=tmp_path)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("streamproxy config: port: 'x' is not allowed")

    def test_value_is_shown_as_the_setting_takes_it_back(self) -> None:
        given = Settings.parse(
            chunk_size="8KiB",
            max_skip="0",
            max_file_size="12345",
            read_timeout="1.5",
            splice="no",
            allow_network="10.0.0.0/8,::1/128",
            allow_endpoint="192.168.1.5:8080,[::1]:80",
            rate_limit="100/minute,20/10seconds",
            log_level="debug",
        )
        text = {s.name: shown(s, getattr(given, s.name)) for s in fields(Settings)}
        assert Settings.parse(**text) == given
        assert text["chunk_size"] == "8KiB"
