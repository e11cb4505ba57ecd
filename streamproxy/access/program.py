"""A secret that all processes of one program share, without being told.

Workers that a server such as gunicorn forks know nothing of one another, and have to accept
each other's sessions all the same.

Source: getauxval(3), AT_RANDOM: sixteen random bytes that the kernel gives to each program
when it starts; its forks inherit them, and nobody else can read them.
"""

import hmac
import secrets
import sys

_AT_RANDOM = 25
_SIZE = 16


def program_secret(purpose: bytes) -> bytes:
    """Return 32 bytes for a purpose: the same ones in all forks of this program.

    They are another program's after a restart. Where the system has no such bytes, each call
    returns others.
    """
    return hmac.digest(_random_of_program() or secrets.token_bytes(_SIZE), purpose, "sha256")


def _random_of_program() -> bytes | None:
    if sys.platform != "linux":
        return None
    try:
        import ctypes  # noqa: PLC0415  # which some hardened systems do not let in

        find = ctypes.CDLL(None).getauxval
    except (ImportError, MemoryError, OSError, AttributeError):
        return None
    find.restype, find.argtypes = ctypes.c_ulong, [ctypes.c_ulong]
    address = find(_AT_RANDOM)
    return ctypes.string_at(address, _SIZE) if address else None
