"""An HTTP proxy on 127.0.0.1: forwards GET of absolute URLs, tunnels CONNECT, notes what it was asked."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class LoopbackProxy(ThreadingHTTPServer):
    """`asked` has method, target and Proxy-Authorization of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, str | None]] = []

    def url(self, login: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackProxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""

    def _note(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Proxy-Authorization")))

    def do_GET(self) -> None:
        self._note()
        parts = urlsplit(self.path)
        far = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=30)
        with contextlib.closing(far):
            headers = {name: value for name, value in self.headers.items() if not name.startswith("Proxy-")}
            far.request("GET", parts.path, headers=headers)
            answer = far.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name in ("Content-Type", "Content-Range", "WWW-Authenticate"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self._note()
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_pump, args=(far, self.connection))
            back.start()
            _pump(self.connection, far)
            back.join()
        self.close_connection = True


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serve_proxy() -> Iterator[LoopbackProxy]:
    """A proxy that runs until the block ends."""
    with LoopbackProxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
