"""The settings: what each takes, what it refuses, and who wins."""

from dataclasses import FrozenInstanceError, fields
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from streamproxy.errors import SettingsError
from streamproxy.options import parse_endpoint, parse_size
from streamproxy.settings import Settings

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 5000,
    "workers": 1,
    "chunk_size": 256 * 1024,
    "splice": True,
    "connect_timeout": 5.0,
    "read_timeout": 30.0,
    "max_file_size": 10 * 2**30,
    "max_skip": 64 * 2**20,
    "max_redirects": 10,
    "retry_attempts": 2,
    "resume_attempts": 5,
    "resume_without_validator": False,
    "client_stall_timeout": 3600.0,
    "header_timeout": 20.0,
    "max_streams": 1024,
    "max_streams_per_client": 0,
    "shutdown_grace": 10.0,
    "allow_network": (),
    "allow_endpoint": (),
    "allow_host": (),
    "deny_host": (),
    "upstream_proxy": "",
    "auth": True,
    "access_token": "",
    "users_file": "",
    "acl_file": "",
    "signing_key": (),
    "rate_limit": (),
    "user_rate_limit": (),
    "rate_store": "",
    "trusted_proxy": (),
    "server_name": (),
    "frame_ancestor": (),
    "cors_origin": (),
    "metrics": True,
    "metrics_token": "",
    "log_file": "stream.log",
    "log_level": "INFO",
    "log_format": "text",
}
GOOD: list[tuple[str, Any, Any]] = [
    ("host", "0.0.0.0", "0.0.0.0"),
    ("host", "::", "::"),
    ("host", " localhost ", "localhost"),
    ("port", "0", 0),
    ("port", "65535", 65535),
    ("port", 8080, 8080),
    ("workers", "0", 0),
    ("workers", "4", 4),
    ("chunk_size", "4KiB", 4096),
    ("chunk_size", "16MiB", 2**24),
    ("chunk_size", 65536, 65536),
    ("splice", "no", False),
    ("connect_timeout", "0.1", 0.1),
    ("connect_timeout", "86400", 86400.0),
    ("read_timeout", 5, 5),
    ("max_file_size", "0", 0),
    ("max_file_size", "1TiB", 2**40),
    ("max_skip", "0", 0),
    ("max_redirects", "0", 0),
    ("max_redirects", "50", 50),
    ("retry_attempts", "0", 0),
    ("resume_attempts", "100", 100),
    ("resume_without_validator", "true", True),
    ("resume_without_validator", "No", False),
    ("resume_without_validator", True, True),
    ("client_stall_timeout", "60", 60.0),
    ("header_timeout", "0.5", 0.5),
    ("max_streams", "0", 0),
    ("max_streams_per_client", "1000000", 1_000_000),
    ("shutdown_grace", "1.5", 1.5),
    ("allow_network", "127.0.0.0/8", (ip_network("127.0.0.0/8"),)),
    ("allow_network", "10.0.0.1", (ip_network("10.0.0.1/32"),)),
    ("allow_network", "10.0.0.0/8, ::1", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    ("allow_network", ["10.0.0.0/8"], (ip_network("10.0.0.0/8"),)),
    ("allow_network", (ip_network("10.0.0.0/8"),), (ip_network("10.0.0.0/8"),)),
    ("allow_network", "", ()),
    ("allow_endpoint", "127.0.0.1:80", ((ip_address("127.0.0.1"), 80),)),
    ("allow_host", "Media.Example,*.cdn.example.", ("media.example", "*.cdn.example")),
    ("deny_host", "*", ("*",)),
    ("deny_host", "::1", ("::1",)),
    ("upstream_proxy", "http://proxy.example:3128", "http://proxy.example:3128"),
    ("upstream_proxy", "socks5://me:pw@[::1]:1080", "socks5://me:pw@[::1]:1080"),
    ("upstream_proxy", "", ""),
    ("auth", "no", False),
    ("access_token", "s3cret-token_~+/=", "s3cret-token_~+/="),
    ("users_file", "users.txt", "users.txt"),
    ("acl_file", "acl.toml", "acl.toml"),
    ("signing_key", "0123456789abcdef", ("0123456789abcdef",)),
    ("signing_key", "0123456789abcdef,fedcba9876543210", ("0123456789abcdef", "fedcba9876543210")),
    ("rate_limit", "100/minute", ((100, 60),)),
    ("rate_limit", "10/second, 20 / 10seconds", ((10, 1), (20, 10))),
    ("user_rate_limit", "1000/2days", ((1000, 172800),)),
    ("rate_store", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
    ("trusted_proxy", "127.0.0.1, 10.0.0.0/8", (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))),
    ("server_name", "Films.Example", ("films.example",)),
    ("frame_ancestor", "https://app.example, self", ("https://app.example", "'self'")),
    ("cors_origin", "HTTPS://App.Example:8443", ("https://app.example:8443",)),
    ("cors_origin", "*", ("*",)),
    ("metrics", "no", False),
    ("metrics_token", "0123456789abcdef", "0123456789abcdef"),
    ("log_file", "-", "-"),
    ("log_level", "debug", "DEBUG"),
    ("log_format", "JSON", "json"),
    ("log_format", "journal", "journal"),
]
PROXIES = "a URL such as http://proxy.example:3128 or socks5://proxy.example:1080"
BAD: list[tuple[str, Any, Any]] = [
    ("host", "", "a host name or an IP address"),
    ("host", None, "a host name or an IP address"),
    ("port", "-1", "a whole number from 0 to 65535"),
    ("port", "65536", "a whole number from 0 to 65535"),
    ("port", "80.5", "a whole number from 0 to 65535"),
    ("port", "8_0", "a whole number from 0 to 65535"),
    ("port", "\u0668\u0660", "a whole number from 0 to 65535"),
    ("read_timeout", "1_0", "a number of seconds above 0, at most 86400"),
    ("port", "http", "a whole number from 0 to 65535"),
    ("port", 80.0, "a whole number from 0 to 65535"),
    ("workers", "two", "a whole number from 0 to 512"),
    ("workers", "513", "a whole number from 0 to 512"),
    ("chunk_size", "4095", "a size from 4KiB to 16MiB"),
    ("chunk_size", "16777217", "a size from 4KiB to 16MiB"),
    ("chunk_size", "big", "a size from 4KiB to 16MiB"),
    ("splice", "maybe", "true or false"),
    ("connect_timeout", "0", "a number of seconds above 0, at most 86400"),
    ("connect_timeout", "-1", "a number of seconds above 0, at most 86400"),
    ("connect_timeout", "86401", "a number of seconds above 0, at most 86400"),
    ("read_timeout", "nan", "a number of seconds above 0, at most 86400"),
    ("read_timeout", "inf", "a number of seconds above 0, at most 86400"),
    ("read_timeout", "5s", "a number of seconds above 0, at most 86400"),
    ("max_file_size", "-1", "a size such as 10GiB, or 0"),
    ("max_file_size", "9" * 400 + ".5", "a size such as 10GiB, or 0"),
    ("max_file_size", str(2**60 + 1), "a size such as 10GiB, or 0"),
    ("max_skip", "1PiB", "a size such as 64MiB, or 0"),
    ("max_redirects", "51", "a whole number from 0 to 50"),
    ("retry_attempts", "11", "a whole number from 0 to 10"),
    ("resume_attempts", "-1", "a whole number from 0 to 100"),
    ("resume_without_validator", "maybe", "true or false"),
    ("resume_without_validator", 1, "true or false"),
    ("client_stall_timeout", "0", "a number of seconds above 0, at most 86400"),
    ("header_timeout", "soon", "a number of seconds above 0, at most 86400"),
    ("max_streams", "many", "a whole number from 0 to 1000000"),
    ("max_streams_per_client", "1.5", "a whole number from 0 to 1000000"),
    ("shutdown_grace", "never", "a number of seconds above 0, at most 86400"),
    ("allow_network", "10.0.0.1/8", "a network such as 192.168.0.0/16"),
    ("allow_network", "10.0.0.0/33", "a network such as 192.168.0.0/16"),
    ("allow_network", "localhost", "a network such as 192.168.0.0/16"),
    ("allow_endpoint", "127.0.0.1", "an address and a port such as 192.168.1.5:8080"),
    ("allow_host", "a*.example", "a host name, or a pattern such as *.example.com"),
    ("allow_host", "https://media.example", "a host name, or a pattern such as *.example.com"),
    ("deny_host", "b\xfccher.example", "a host name, or a pattern such as *.example.com"),
    ("upstream_proxy", "proxy.example:3128", PROXIES),
    ("upstream_proxy", "ftp://proxy.example:21", PROXIES),
    ("upstream_proxy", "http://proxy.example", PROXIES),
    ("auth", "maybe", "true or false"),
    ("access_token", "two words", "letters, digits and -._~+/="),
    ("users_file", 5, "a path"),
    ("acl_file", 5, "a path"),
    ("signing_key", "short", "a text of at least 16 characters"),
    ("rate_limit", "100", "a rate such as 100/minute"),
    ("rate_limit", "0/minute", "a rate such as 100/minute"),
    ("rate_limit", "5/0seconds", "a rate such as 100/minute"),
    ("rate_limit", "5/fortnight", "a rate such as 100/minute"),
    ("user_rate_limit", "-1/minute", "a rate such as 100/minute"),
    ("rate_store", "memcached://cache", "a URL such as redis://127.0.0.1:6379/0"),
    ("trusted_proxy", "proxy", "a network such as 127.0.0.1 or 10.0.0.0/8"),
    ("server_name", "films.example:5000/", "a host name, or a pattern such as *.example.com"),
    ("frame_ancestor", "https://a.example; x", "an origin such as https://example.com, self or *"),
    ("cors_origin", "app.example", "an origin such as https://example.com, or *"),
    ("cors_origin", "https://app.example/", "an origin such as https://example.com, or *"),
    ("cors_origin", "null", "an origin such as https://example.com, or *"),
    ("metrics", "some", "true or false"),
    ("metrics_token", "0123456789abcde", "at least 16 of letters, digits and -._~+/="),
    ("metrics_token", "0123456789 bcdef", "at least 16 of letters, digits and -._~+/="),
    ("log_file", "", "a path, or -"),
    ("log_level", "LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ("log_format", "xml", "one of text, json, journal"),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096B", 4096),
        ("1k", 1024),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("256KiB", 256 * 1024),
        ("1M", 2**20),
        ("64MiB", 64 * 2**20),
        ("1MB", 10**6),
        ("10gib", 10 * 2**30),
        ("10 GB", 10 * 10**9),
        ("1TiB", 2**40),
        ("1.5GiB", 3 * 2**29),
        (" 5 ", 5),
        ("007", 7),
    ],
)
def test_size_is_read(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GiB",
        "-1",
        "+1",
        "1.",
        ".5",
        "1e3",
        "1_000",
        "1,5k",
        "0x10",
        "1 K B",
        "1PiB",
        "1bit",
        "ten",
        "\u0661",
        "nan",
        "inf",
        pytest.param("9" * 5000, id="5000 digits"),
    ],
)
def test_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is the setting's, not the text's
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        ("192.168.1.5:8080", "192.168.1.5", 8080),
        ("127.0.0.1:1", "127.0.0.1", 1),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("[::1]:80", "::1", 80),
    ],
)
def test_endpoint_is_read(text: str, address: str, port: int) -> None:
    assert parse_endpoint(text) == (ip_address(address), port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:http",
        "127.0.0.1:\u0661",
        "localhost:80",
        "127.1:80",
        "10.0.0.0/8:80",
        ":80",
    ],
)
def test_endpoint_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the message is the setting's, not the text's
        parse_endpoint(text)


def test_defaults_are_those_of_the_contract() -> None:
    settings = Settings()

    assert {setting.name: getattr(settings, setting.name) for setting in fields(Settings)} == (
        DEFAULTS
    )


@pytest.mark.parametrize(("name", "given", "expected"), GOOD)
def test_good_value_is_taken(name: str, given: Any, expected: Any) -> None:
    assert getattr(Settings(**{name: given}), name) == expected


@pytest.mark.parametrize(("name", "given", "allowed"), BAD)
def test_bad_value_is_refused_with_all_that_helps(name: str, given: Any, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**{name: given})

    message = str(caught.value)
    declared = next(setting for setting in fields(Settings) if setting.name == name)
    shown = "the value" if declared.metadata["secret"] else repr(str(given))
    assert message == f"{name}: {shown} is not allowed; give {allowed}"
    assert "\n" not in message


def test_bad_value_with_a_line_break_is_one_line() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(log_level="INFO\nDEBUG")

    assert "\n" not in str(caught.value)


def test_one_bad_item_of_several_is_the_one_named() -> None:
    with pytest.raises(SettingsError, match=r"allow_network: '10\.0\.0\.1/8'"):
        Settings.from_environment({}, allow_network=["127.0.0.0/8", "10.0.0.1/8"])


def test_every_setting_has_a_good_and_a_bad_value_here() -> None:
    assert {row[0] for row in GOOD} == {row[0] for row in BAD} == DEFAULTS.keys()


@pytest.mark.parametrize(
    ("environment", "given", "expected"),
    [
        pytest.param({}, {}, 5000, id="neither"),
        pytest.param({"STREAMPROXY_PORT": "8080"}, {}, 8080, id="the environment"),
        pytest.param({}, {"port": "9090"}, 9090, id="given"),
        pytest.param({"STREAMPROXY_PORT": "8080"}, {"port": "9090"}, 9090, id="given wins"),
        pytest.param({"STREAMPROXY_PORT": "bad"}, {"port": "9090"}, 9090, id="over a bad one too"),
        pytest.param({"PORT": "8080", "streamproxy_port": "1"}, {}, 5000, id="other names"),
    ],
)
def test_who_wins(environment: dict[str, str], given: dict[str, Any], expected: int) -> None:
    assert Settings.from_environment(environment, **given).port == expected


def test_every_setting_can_stand_in_the_environment() -> None:
    values = {
        "HOST": "::1",
        "PORT": "1",
        "WORKERS": "4",
        "CHUNK_SIZE": "4KiB",
        "SPLICE": "false",
        "CONNECT_TIMEOUT": "1",
        "READ_TIMEOUT": "2",
        "MAX_FILE_SIZE": "1GiB",
        "MAX_SKIP": "1MiB",
        "MAX_REDIRECTS": "3",
        "RETRY_ATTEMPTS": "3",
        "RESUME_ATTEMPTS": "4",
        "RESUME_WITHOUT_VALIDATOR": "true",
        "CLIENT_STALL_TIMEOUT": "60",
        "HEADER_TIMEOUT": "10",
        "MAX_STREAMS": "5",
        "MAX_STREAMS_PER_CLIENT": "6",
        "SHUTDOWN_GRACE": "4",
        "ALLOW_NETWORK": "10.0.0.0/8,127.0.0.0/8",
        "ALLOW_ENDPOINT": "127.0.0.1:80,[::1]:80",
        "ALLOW_HOST": "a.example,b.example",
        "DENY_HOST": "c.example",
        "UPSTREAM_PROXY": "http://proxy.example:3128",
        "AUTH": "false",
        "ACCESS_TOKEN": "s3cret",
        "USERS_FILE": "users",
        "ACL_FILE": "acl.toml",
        "SIGNING_KEY": "0123456789abcdef,fedcba9876543210",
        "RATE_LIMIT": "10/second,100/minute",
        "USER_RATE_LIMIT": "1000/day",
        "RATE_STORE": "redis://127.0.0.1:6379/0",
        "TRUSTED_PROXY": "127.0.0.1,10.0.0.0/8",
        "SERVER_NAME": "films.example",
        "FRAME_ANCESTOR": "self",
        "CORS_ORIGIN": "https://a.example,https://b.example",
        "METRICS": "false",
        "METRICS_TOKEN": "0123456789abcdef",
        "LOG_FILE": "-",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
    }
    settings = Settings.from_environment({f"STREAMPROXY_{k}": v for k, v in values.items()})

    for name, default in DEFAULTS.items():
        assert getattr(settings, name) != default
    assert len(settings.allow_network) == len(settings.allow_endpoint) == 2


def test_bad_value_of_the_environment_is_refused_like_any_other() -> None:
    with pytest.raises(SettingsError, match=r"^port: 'http' is not allowed; give a whole number"):
        Settings.from_environment({"STREAMPROXY_PORT": "http"})


def test_text_is_taken_with_the_types_of_text() -> None:
    assert Settings.parse(port="8080", allow_host="a.example") == Settings(
        port=8080, allow_host=("a.example",)
    )


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # that is the point


def test_secrets_are_in_no_repr() -> None:
    secrets: dict[str, Any] = {
        "upstream_proxy": "http://me:s3cret@proxy.example:3128",
        "access_token": "s3cret",
        "signing_key": "s3cret-s3cret-s3cret",
        "metrics_token": "s3cret-s3cret-s3cret",
        "rate_store": "redis://:s3cret@cache.example:6379/0",
    }

    assert "s3cret" not in repr(Settings(**secrets))
    assert set(secrets) == {
        setting.name for setting in fields(Settings) if setting.metadata["secret"]
    }
