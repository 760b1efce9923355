"""A package index on 127.0.0.1 over a folder of wheels and sdists, with faults that tests can set.

It speaks PEP 503 HTML and PEP 691 JSON (PEP 700 sizes) by the Accept header, HTTP/1.1 keep-alive, HEAD,
ranges, basic authentication and TLS. For benchmarks: `python tests/support/loopback.py FOLDER [--port N]`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import gzip
import hashlib
import html
import io
import json
import re
import socket
import ssl
import sys
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
HTML_TYPE = "application/vnd.pypi.simple.v1+html"
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(kw_only=True)
class Fault:
    """What goes wrong with one file, for the next `times` requests that ask for its body (None: always)."""

    times: int | None = None
    status: int | None = None  # answer with this status and no file
    truncate: int | None = None  # close the connection after this many bytes of the body
    body: bytes | None = None  # send these bytes in the file's place, at any length
    endless: bool = False  # send the file, then zeros until the client goes away, without a length
    no_ranges: bool = False  # ignore Range and answer 200
    wrong_range: bool = False  # answer 206 with another part than the one asked for
    stall: bool = False  # with `truncate`: say nothing more until the server ends, and don't close


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as the server got it; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(kw_only=True)
class Options:
    """How the index behaves as a whole."""

    json: bool = True  # offer PEP 691 JSON
    gzip: bool = False  # compress JSON
    hashes: bool = True  # say the files' hashes
    sizes: bool = True  # say the files' sizes, in JSON
    auth: tuple[str, str] | None = None  # user and password that every request must give
    yanked: frozenset[str] = frozenset()  # filenames
    statuses: dict[str, int] = field(default_factory=dict)  # path -> status for every request
    pages: dict[str, bytes] = field(default_factory=dict)  # path -> what is answered as PEP 691 JSON
    redirects: dict[str, str] = field(default_factory=dict)  # path -> where to


class LoopbackIndex:
    """The server: `url` is its simple index; a context manager that serves from a thread of its own."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        options: Options | None = None,
        certificate: Path | None = None,
        client_authority: str | None = None,
    ) -> None:
        """Bind to a port (any by default); with a PEM file of key and certificate it speaks TLS."""
        self.folder = folder
        self.options = options or Options()
        self.faults: dict[str, Fault] = {}
        self.requests: list[Seen] = []
        self.connections = 0
        self.ending = threading.Event()
        self.open_sockets: set[socket.socket] = set()
        self._hashes: dict[tuple[str, int, int], str] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.index = self
        self._scheme = "http"
        if certificate is not None:
            self._use_tls(certificate, client_authority)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def _use_tls(self, certificate: Path, client_authority: str | None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def drop_connections(self) -> None:
        """Close what is open, as a server does with connections that were idle for long."""
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def base(self) -> str:
        """Scheme, host and port, with no slash at the end."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/simple/"

    def url_with_auth(self, user: str, password: str) -> str:
        return self.url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@", 1)

    def file_url(self, filename: str) -> str:
        return f"{self.base}/files/{quote(filename)}"

    def paths_asked(self) -> list[str]:
        """The paths of the requests so far, in order."""
        return [seen.path for seen in self.requests]

    def take_fault(self, filename: str) -> Fault | None:
        """The fault that the next body of `filename` shall have, counted down."""
        with self._lock:
            fault = self.faults.get(filename)
            if fault is None or fault.times == 0:
                return None
            if fault.times is not None:
                fault.times -= 1
            return fault

    def hash_of(self, path: Path) -> str:
        stat = path.stat()
        key = (path.name, stat.st_size, stat.st_mtime_ns)
        if key not in self._hashes:
            with path.open("rb") as file:
                self._hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashes[key]

    def files_of(self, project: str) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if project_of(path.name) == project]


def project_of(filename: str) -> str | None:
    """The normalised project name of a wheel's or sdist's file name; None for any other file."""
    if filename.endswith(".whl"):
        return str(parse_wheel_filename(filename)[0])
    if filename.endswith((".tar.gz", ".zip")):
        return str(parse_sdist_filename(filename)[0])
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    index: LoopbackIndex

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are expected; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.index.connections += 1
        self.server.index.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.server.index.open_sockets.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet: tests look at `requests`."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        index = self.server.index
        headers = {name.lower(): value for name, value in self.headers.items()}
        index.requests.append(Seen(method=self.command, path=self.path, headers=headers))
        self.path = self.path.partition("?")[0]
        parts = unquote(self.path).strip("/").split("/")
        if not self._is_authorised():
            self._answer(HTTPStatus.UNAUTHORIZED, b"", {"WWW-Authenticate": 'Basic realm="index"'})
        elif self.path in index.options.redirects:
            self._answer(HTTPStatus.FOUND, b"elsewhere", {"Location": index.options.redirects[self.path]})
        elif self.path in index.options.pages:
            self._answer(HTTPStatus.OK, index.options.pages[self.path], {"Content-Type": JSON_TYPE})
        elif self.path in index.options.statuses:
            self._answer(index.options.statuses[self.path], b"")
        elif parts[0] == "simple" and len(parts) == 2:
            self._project(canonicalize_name(parts[1]))
        elif parts[0] == "files" and len(parts) == 2 and (index.folder / parts[1]).is_file():
            self._file(index.folder / parts[1])
        elif parts == ["links.html"]:
            self._answer(HTTPStatus.OK, self._html(sorted(index.folder.iterdir())), {"Content-Type": "text/html"})
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"")

    def _is_authorised(self) -> bool:
        auth = self.server.index.options.auth
        if auth is None:
            return True
        wanted = base64.b64encode(":".join(auth).encode()).decode()
        return self.headers.get("Authorization") == f"Basic {wanted}"

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _project(self, project: str) -> None:
        index = self.server.index
        files = index.files_of(project)
        if not files:
            self._answer(HTTPStatus.NOT_FOUND, b"")
        elif index.options.json and JSON_TYPE in self.headers.get("Accept", ""):
            body, headers = self._json(project, files), {"Content-Type": JSON_TYPE}
            if index.options.gzip:
                body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
            self._answer(HTTPStatus.OK, body, headers)
        else:
            self._answer(HTTPStatus.OK, self._html(files), {"Content-Type": HTML_TYPE})

    def _json(self, project: str, files: list[Path]) -> bytes:
        index = self.server.index
        entries = []
        for path in files:
            entry: dict[str, object] = {
                "filename": path.name,
                "url": f"../../files/{quote(path.name)}",
                "hashes": {"sha256": index.hash_of(path)} if index.options.hashes else {},
                "yanked": path.name in index.options.yanked,
            }
            if index.options.sizes:
                entry["size"] = path.stat().st_size
            entries.append(entry)
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries}).encode()

    def _html(self, files: list[Path]) -> bytes:
        index = self.server.index
        lines = ["<!DOCTYPE html><html><body>"]
        for path in files:
            fragment = f"#sha256={index.hash_of(path)}" if index.options.hashes else ""
            yanked = ' data-yanked=""' if path.name in index.options.yanked else ""
            href = html.escape(f"/files/{quote(path.name)}{fragment}")
            lines.append(f'<a href="{href}"{yanked}>{html.escape(path.name)}</a>')
        return "\n".join([*lines, "</body></html>"]).encode()

    def _file(self, path: Path) -> None:
        fault = (self.server.index.take_fault(path.name) if self.command == "GET" else None) or Fault()
        if fault.status is not None:
            self._answer(fault.status, b"")
            return
        body: BinaryIO = path.open("rb") if fault.body is None else io.BytesIO(fault.body)
        with body:
            size = path.stat().st_size if fault.body is None else len(fault.body)
            start, stop = self._range(size, fault)
            self.send_header("Content-Type", "application/octet-stream")
            if fault.endless:
                self.close_connection = True
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            if self.command != "HEAD":
                self._send(body, start, stop, fault)

    def _range(self, size: int, fault: Fault) -> tuple[int, int]:
        """Send the status and the range's headers; return where the body starts and stops."""
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if asked is None or fault.no_ranges:
            self.send_response(HTTPStatus.OK)
            return 0, size
        start = int(asked[1])
        stop = min(int(asked[2]) + 1, size) if asked[2] else size
        if start >= size:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            return 0, 0
        start = start // 2 if fault.wrong_range else start
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        return start, stop

    def _send(self, body: BinaryIO, start: int, stop: int, fault: Fault) -> None:
        count = stop - start
        if fault.truncate is not None:
            count = min(count, fault.truncate)
            self.close_connection = True
        if count and isinstance(body, io.BufferedReader):
            self.wfile.flush()
            self.connection.sendfile(body, start, count)
        elif count:
            body.seek(start)
            self.wfile.write(body.read(count))
        if fault.stall:
            self.wfile.flush()
            self.server.index.ending.wait()
        while fault.endless:
            self.wfile.write(bytes(1 << 16))


@contextlib.contextmanager
def serve(folder: Path, **options: object) -> Iterator[LoopbackIndex]:
    """An index over `folder` with `Options` given by name."""
    with LoopbackIndex(folder, options=Options(**options)) as index:  # type: ignore[arg-type]
        yield index


def main() -> None:
    """Serve FOLDER until interrupted, and print the index's URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with (
        LoopbackIndex(arguments.folder, port=arguments.port) as index,
        contextlib.suppress(KeyboardInterrupt),
    ):
        print(index.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
