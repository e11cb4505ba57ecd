"""What every answer of the proxy must say of itself."""

from aiohttp import ClientResponse

from streamproxy.protocol.fields import SECURITY_FIELDS


def assert_inert(got: ClientResponse, *, is_page: bool = False) -> None:
    """Hold what every answer says of itself; a page of ours has a policy of its own."""
    assert got.headers.getall("X-Content-Type-Options") == ["nosniff"]
    (policy,) = got.headers.getall("Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert got.headers["Server"] == "streamproxy"  # and not of which version
    if not is_page:
        own = SECURITY_FIELDS["Content-Security-Policy"]
        assert policy in (own, f"{own}; sandbox")
