"""Small proxies to fetch through: an HTTP one, and a SOCKS one, written by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from upstreams import listening


@dataclass
class Forwarder:
    """A proxy that knows every name as 127.0.0.1; what it was asked for is kept.

    :param authorization: the Proxy-Authorization that it wants; of SOCKS, name and password.
    :param refusal: what it answers instead of forwarding; nothing to hang up.
    """

    authorization: str = ""
    refusal: bytes | None = None
    host: str = "127.0.0.1"
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def join(one: Stream, other: Stream) -> None:
    """Pass on what each sends to the other, until both have ended."""
    await asyncio.gather(_pump(one[0], other[1]), _pump(other[0], one[1]))


async def http(forwarder: Forwarder, client: Stream) -> None:
    """Serve one connection as an HTTP proxy (RFC 9110, section 9.3.6; RFC 9112, 3.2.2)."""
    head = await client[0].readuntil(b"\r\n\r\n")
    forwarder.heads.append(head)
    method, target, _ = head.decode().split(" ", 2)
    wanted = f"\r\nProxy-Authorization: {forwarder.authorization}\r\n"
    if forwarder.authorization and wanted not in head.decode():
        client[1].write(b"HTTP/1.1 407 Wanted\r\nContent-Length: 0\r\n\r\n")
        return
    if forwarder.refusal is not None:
        client[1].write(forwarder.refusal)
        return
    forwarder.targets.append(target)
    authority = target if method == "CONNECT" else target.split("/")[2]
    upstream = await asyncio.open_connection("127.0.0.1", int(authority.rpartition(":")[2]))
    if method == "CONNECT":
        client[1].write(b"HTTP/1.1 200 Connected\r\n\r\n")
    else:
        origin_form = "/" + target.split("/", 3)[3]
        upstream[1].write(head.replace(target.encode(), origin_form.encode(), 1))
    await join(client, upstream)


async def socks(forwarder: Forwarder, client: Stream) -> None:
    """Serve one connection as a SOCKS proxy (version 4; RFC 1928 and 1929)."""
    reader, writer = client
    if await reader.readexactly(1) == b"\x04":
        await reader.readexactly(1)
        port = int.from_bytes(await reader.readexactly(2), "big")
        host = str(IPv4Address(await reader.readexactly(4)))
        await reader.readuntil(b"\0")
        reply = b"\0\x5a" + bytes(6)
    else:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if forwarder.authorization:
            if 2 not in methods:
                writer.write(b"\x05\xff")
                return
            writer.write(b"\x05\x02")
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            right = f"{user.decode()}:{password.decode()}" == forwarder.authorization
            writer.write(b"\x01\0" if right else b"\x01\x01")
            if not right:
                return
        else:
            writer.write(b"\x05\0")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        elif kind == 1:
            host = str(IPv4Address(await reader.readexactly(4)))
        else:
            host = str(IPv6Address(await reader.readexactly(16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        reply = b"\x05\0\0\x01" + bytes(6)
    forwarder.targets.append(f"{host}:{port}")
    if forwarder.refusal is not None:
        writer.write(forwarder.refusal)
        return
    upstream = await asyncio.open_connection("127.0.0.1", port)
    writer.write(reply)
    await join(client, upstream)


Kind = Callable[[Forwarder, Stream], Awaitable[None]]


@asynccontextmanager
async def forwarding(kind: Kind, forwarder: Forwarder | None = None) -> AsyncIterator[Forwarder]:
    """Run a proxy of a kind on its host, on a free port."""
    forwarder = forwarder or Forwarder()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await kind(forwarder, (reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with listening(serve, forwarder.host) as forwarder.port:
        yield forwarder
