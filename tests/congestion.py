"""Congestion control of a socket, as the kernel knows it."""

import socket

import pytest


def algorithm(sock: socket.socket) -> str:
    """Return the name of the one that a socket has."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()


def choose(sock: socket.socket, name: str) -> None:
    """Give a socket, and all that it will accept, an algorithm."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    except OSError as exc:  # not built in, or for privileged users only
        pytest.skip(f"this kernel has no {name} for us: {exc}")
