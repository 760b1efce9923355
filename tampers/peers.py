"""The tools: the command with which each is asked about an environment, and what counts as an answer."""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tampers.stage import NAMES, Ended, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tampers.catalogue import Tamper

FILE, DISTRIBUTION, SOMETHING, NOTHING, HANGS = "the file", "the distribution", "something", "—", "hangs"
_TIME = re.compile(r"\b\d+(\.\d+)?m?s\b")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A way to ask: `shown` is the command for people, `ask` runs it; `program` is the script that it needs."""

    name: str
    shown: str
    program: str
    ask: Callable[[Stage], Ended]

    def missing(self, stage: Stage) -> bool:
        """Whether it isn't installed here."""
        return bool(self.program) and not (stage.tools / self.program).exists()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a tool said of a tampered environment, and what of the tamper it `noticed`: one of the words above."""

    noticed: str
    code: int | None
    output: str


def tools(advisories: str) -> tuple[Tool, ...]:
    """All of them, ours last; `advisories` is the URL of a service in the form of OSV's that knows of none."""
    python = "environment/bin/python"
    return (
        Tool(
            name="pip check",
            shown=f"pip --python {python} check",
            program="pip",
            ask=lambda s: s.call(s.tools / "pip", "--python", s.subject.scripts / "python", "check"),
        ),
        Tool(
            name="uv pip sync --dry-run",
            shown=f"uv pip sync --dry-run --require-hashes --python {python} requirements.txt",
            program="uv",
            ask=lambda s: s.call(
                s.tools / "uv",
                "pip",
                "sync",
                "--dry-run",
                "--require-hashes",
                "--python",
                s.subject.scripts / "python",
                "requirements.txt",
            ),
        ),
        Tool(
            name="uv sync --check",
            shown="uv sync --check --locked",
            program="uv",
            ask=lambda s: s.call(s.tools / "uv", "sync", "--check", "--locked"),
        ),
        Tool(
            name="pip-audit",
            shown="pip-audit -f json -s osv --osv-url … --path environment/lib/python3.X/site-packages",
            program="pip-audit",
            ask=lambda s: s.call(
                s.tools / "pip-audit",
                "--progress-spinner=off",
                "-f",
                "json",
                "--cache-dir",
                s.folder / "home" / "pip-audit",
                "-s",
                "osv",
                "--osv-url",
                advisories,
                "--path",
                s.subject.site,
            ),
        ),
        Tool(
            name="envstamp",
            shown=f"envstamp get {' '.join(NAMES)} --paths environment/lib/python3.X/site-packages",
            program="envstamp",
            ask=lambda s: s.call(s.tools / "envstamp", "get", *NAMES, "--paths", s.subject.site),
        ),
        Tool(
            name="lockproof verify",
            shown="lockproof verify --verbose environment --cell '*'",
            program="",
            ask=lambda s: s.lockproof("verify", "--verbose", s.subject.folder, "--cell", "*"),
        ),
    )


def judge(tamper: Tamper, honest: Ended, found: Ended) -> Answer:
    """Hold an answer against the one that the honest environment got."""
    before, after = _lines(honest.output), _lines(found.output)
    changed = [line for line in after if line not in before] + [line for line in before if line not in after]
    told = "\n".join(changed)
    own = tamper.distribution
    if found.code is None:
        noticed = HANGS
    elif found.code == honest.code and not changed:
        noticed = NOTHING
    elif any(word in told for word in tamper.words):
        noticed = FILE
    elif own and re.search(rf"(?<![\w.-]){re.escape(own)}(?![\w.]|-\w)", told):
        noticed = DISTRIBUTION
    else:
        noticed = SOMETHING
    return Answer(noticed=noticed, code=found.code, output=found.output)


def _lines(output: str) -> Sequence[str]:
    """The lines of an output without times; of a JSON document one line for each package that it lists."""
    start = output.find("{")
    try:
        said = json.loads(output[start:]) if start >= 0 else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return _TIME.sub("<time>", output).splitlines()
    packages = said.get("packages") or said.get("dependencies") or ()
    return [*output[:start].splitlines(), *(" ".join(map(str, package.values())) for package in packages)]


@contextmanager
def no_advisories() -> Iterator[str]:
    """The URL of a service on this machine that answers every query of pip-audit: nothing known."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:  # nothing goes to stderr
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
