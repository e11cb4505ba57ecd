"""Run in a network namespace where every address is local: ask the proxy, and watch.

Standard input is a JSON list of cases: ``{"id", "proxy", "link"}``, or with ``"location"``
in place of the link, which a public server then redirects to. Standard output is one JSON
object: for each id the status, the code, and the packets that somebody sent meanwhile,
other than to ask the proxy: ``[protocol, address, port]`` of each TCP SYN and UDP datagram.
"""

import itertools
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, unquote_to_bytes

REDIRECTING = "http://93.184.216.34/go?"
_PORTS = (80, 443, 8080)
_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SYN, _ACK = 0x02, 0x10
_SETTLING_S = 0.05

Packet = tuple[str, str, int]


class Sniffer:
    """Sees every packet: in this namespace there is no other interface than loopback."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self._socket.bind(("lo", 0))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)

    def packets(self, own: set[tuple[int, int]]) -> list[Packet]:
        """Return what was sent since the last call, but not from and to two ports of *own*.

        Of both: the proxy may get the very port to ask a site from that we once asked it from.
        """
        found = []
        for packet in self._read():
            transport = _transport(packet)
            if transport is None:
                continue
            protocol, address, header = transport
            source_port, port = struct.unpack_from("!HH", header)
            begins = protocol == "udp" or header[13] & (_SYN | _ACK) == _SYN
            if begins and (source_port, port) not in own:
                found.append((protocol, address, port))
        return found

    def _read(self) -> list[bytes]:
        packets = []
        while True:
            try:
                packet, (_, _, kind, *_) = self._socket.recvfrom(2048)
            except BlockingIOError:
                break
            if kind == _PACKET_OUTGOING:  # else it is the same packet, as it comes in
                packets.append(packet)
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        dropped = struct.unpack("II", statistics)[1]
        if dropped:
            raise RuntimeError(f"{dropped} packets were not seen")
        return packets


def _transport(packet: bytes) -> tuple[str, str, bytes] | None:
    """Return protocol, destination and transport header of an IP packet."""
    if packet[0] >> 4 == 4:
        number, address, rest = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
    else:
        number, address, rest = packet[6], packet[24:40], packet[40:]
    protocol = {6: "tcp", 17: "udp"}.get(number)
    return None if protocol is None else (protocol, str(ip_address(address)), rest)


class Canary(BaseHTTPRequestHandler):
    """A server on every address: /go?LINK redirects to LINK, all else is a film."""

    # Each answer ends its connection, so that each request must be seen to make one.
    statuses = itertools.cycle((301, 302, 303, 307, 308))

    def do_GET(self) -> None:
        """Answer."""
        if self.path.startswith("/go?"):
            location = unquote_to_bytes(self.path.removeprefix("/go?"))
            self.wfile.write(b"HTTP/1.1 %d Go\r\n" % next(self.statuses))
            self.wfile.write(b"Location: " + location + b"\r\nContent-Length: 0\r\n\r\n")
            return
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"film")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class CanaryServer(ThreadingHTTPServer):
    """Listens on all addresses of both families."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self) -> None:
        """Take IPv4 too."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super(ThreadingHTTPServer, self).server_bind()
        self.server_name, self.server_port = "canary", self.server_address[1]


class Client:
    """Asks one proxy, and tells from which port to which."""

    def __init__(self, port: int, own: set[tuple[int, int]]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        self._own = own

    def ask(self, route: str, link: str) -> tuple[int, str | None]:
        """Return the status, and the code of a problem."""
        if self._connection.sock is None:
            self._connection.connect()
        self._own.add((self._connection.sock.getsockname()[1], self._connection.port))
        self._connection.request("GET", f"{route}?url={quote(link, safe='')}")
        with self._connection.getresponse() as response:
            body = response.read()
        if response.will_close:
            self._connection.close()
        answer = json.loads(body) if b'"code"' in body else {}
        return response.status, answer.get("code")


def start_proxy(stack: ExitStack, *arguments: str) -> int:
    """Run the real program until *stack* unwinds; return its port."""
    command = [sys.executable, "-m", "streamproxy", "--port", "0", "--log-file", "-", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.kill)
    assert process.stdout is not None
    for line in process.stdout:
        if b"http://" in line:
            return int(line.partition(b"http://")[2].partition(b"/")[0].rpartition(b":")[2])
    raise RuntimeError("the proxy did not start")


def main() -> None:
    """Run the cases, one after another."""
    given: dict[str, Any] = json.load(sys.stdin)
    reports: dict[str, Any] = {}
    own: set[tuple[int, int]] = set()
    with ExitStack() as stack:
        for port in _PORTS:
            server = CanaryServer(("::", port), Canary)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = {
            name: start_proxy(stack, *arguments) for name, arguments in given["proxies"].items()
        }
        clients = {name: Client(port, own) for name, port in ports.items()}
        sniffer = Sniffer()
        for case in given["cases"]:
            link = case["link"].replace("OWN_PORT", str(ports[case["proxy"]]))
            if case.get("redirected"):
                link = REDIRECTING + quote(link, safe="")
            client = clients[case["proxy"]]
            status, code = client.ask(case["route"], link)
            if status == 200:  # a slow site is asked for one connection more, on its own account
                # It is begun before a further answer, and its name is looked up meanwhile.
                client.ask("/health", link)
                time.sleep(_SETTLING_S)
                client.ask("/health", link)
            packets = sniffer.packets(own)
            reports[case["id"]] = {"status": status, "code": code, "packets": packets}
    json.dump(reports, sys.stdout)


if __name__ == "__main__":
    main()
