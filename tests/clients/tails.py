"""Bodies whose last bytes wait in the server when its handler has nothing left to do."""

from programs import Program
from upstreams import Exchange, RawUpstream, response
from visitors import calling, eventually

# A handler then ends with up to 64 KiB of unsent bytes, which is what asyncio buffers.
SMALL_CHUNKS = ("--chunk-size", "4KiB")
_STEP = 16 * 1024
_LOOKS = 20


async def sized(exchange: Exchange) -> None:
    """Send a film of the length that its path begins with; say the length if it says so."""
    length = int(exchange.target.split(b"/")[1])
    fields = {"Content-Type": "video/mp4", "Content-Length": str(length)}
    body = bytes(length)
    if exchange.target.endswith(b"/unmeasured.mp4"):
        del fields["Content-Length"]
        fields["Transfer-Encoding"] = "chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (length, body)
    await exchange.send(response("200 OK", fields), body)


async def settled(program: Program) -> int:
    """Wait until nothing moves towards the clients; return the bytes that the kernel holds."""
    unsent = [0]

    async def is_steady() -> bool:
        unsent.append(program.unsent_bytes())
        return unsent[-1] > 0 and unsent[-_LOOKS:] == unsent[-1:] * _LOOKS

    assert await eventually(is_steady, 60)
    return unsent[-1]


async def lengths_that_just_do_not_fit(program: Program, upstream: RawUpstream) -> range:
    """Return lengths around what the kernel holds for a client that reads nothing."""
    async with calling(program.proxy, "/stream", upstream.link(f"/{2**25}/film.mp4")):
        capacity = await settled(program)
    return range(capacity - 8 * _STEP, capacity + 8 * _STEP, _STEP)
