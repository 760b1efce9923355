"""Dask clusters of real processes: schedulers and workers, on loopback or on hosts made of network namespaces."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.projects import SOURCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PATIENCE = 60.0  # seconds for what takes two


class Program:
    """A program that runs beside the test, whose lines (both streams) are read as they come."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def line(self, pattern: str) -> re.Match[str]:
        """The first line in which the pattern is found, waiting for it; fails where it can't come any more."""
        with self._news:
            self._news.wait_for(lambda: self._over or self._found(pattern), _PATIENCE)
            found = self._found(pattern)
        assert found, "\n".join([f"no line with {pattern!r}:", *self.lines])
        return found

    def _found(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in self.lines if (match := re.search(pattern, line))), None)

    def count(self, pattern: str) -> int:
        """The lines so far in which the pattern is found."""
        return sum(bool(re.search(pattern, line)) for line in tuple(self.lines))

    def ended(self) -> int:
        """Its exit code, once it has ended by itself; it showed no traceback."""
        code = self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        assert "Traceback" not in "\n".join(self.lines), "\n".join(self.lines)
        return code

    def stop(self, number: int = signal.SIGKILL) -> None:
        """Send a signal, if it still runs, and wait for its end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)


@dataclass(kw_only=True)
class Host:
    """A machine: a folder with a home and a store of its own, and what its programs are started through."""

    folder: Path
    address: str = "127.0.0.1"
    through: Sequence[str] = ()
    programs: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        """The home folder of everything that runs there."""
        return self.folder / "home"

    def start(self, *command: str, path: str = "", env: Mapping[str, str] | None = None) -> Program:
        """Start a program there, with nothing of this process's environment."""
        environ = {
            "PATH": f"{path}{os.pathsep if path else ''}/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(SOURCES),
            "LOCKPROOF_STORE": str(self.folder / "cache"),
            **(env or {}),
        }
        program = Program([*self.through, *command], environ, self.home)
        self.programs.append(program)
        return program

    def scheduler(self, *options: str) -> tuple[Program, str]:
        """Start a scheduler, and its address."""
        module = "distributed.cli.dask_scheduler"
        program = self.start(
            sys.executable, "-m", module, "--host", self.address, "--port", "0", "--no-dashboard", *options
        )
        return program, program.line(r"Scheduler at: +(\S+)")[1]

    def worker(
        self, scheduler: str, pythons: Mapping[str, Path], *options: str, env: Mapping[str, str] | None = None
    ) -> tuple[Program, str]:
        """Start a worker that offers these Pythons, and its address."""
        offers = [word for python in pythons for word in ("--python", python)]
        program = self.start(
            *(sys.executable, "-m", "lockproof", "worker", "--scheduler", scheduler, "--host", self.address),
            *(*offers, *options),
            path=os.pathsep.join(str(python.parent) for python in pythons.values()),
            env=env,
        )
        return program, program.line(r"(\S+) offers ")[1]

    def close(self) -> None:
        """End all that was started there."""
        for program in reversed(self.programs):
            program.stop(signal.SIGKILL)


class Network:
    """Hosts of network namespaces of their own, with one switch between them; for root on Linux, with iproute2.

    What lies in `hidden` folders isn't there for a host's programs: an empty file system is mounted on each.
    """

    def __init__(self, base: Path, names: Sequence[str]) -> None:
        """Raises OSError or CalledProcessError where namespaces can't be made."""
        self._base = base
        self._mark = f"lp{os.getpid()}"
        self._made: list[str] = []
        self.hosts: dict[str, Host] = {}
        try:
            self._make(names)
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def _make(self, names: Sequence[str]) -> None:
        switch = self._namespace("switch")
        self._ip("-n", switch, "link", "add", "bridge0", "type", "bridge")
        self._ip("-n", switch, "link", "set", "bridge0", "up")
        for number, name in enumerate(names, 1):
            space, port = self._namespace(name), f"port{number}"
            self._ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
            self._ip("-n", switch, "link", "set", port, "master", "bridge0", "up")
            self._ip("-n", space, "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self._ip("-n", space, "link", "set", device, "up")
            hidden = [str(self._base / other) for other in names if other != name]
            self.hosts[name] = Host(
                folder=self._base / name,
                address=f"10.77.0.{number}",
                # The shell is replaced by what it starts, so that a signal reaches that.
                through=["ip", "netns", "exec", space, "sh", "-ec", _HIDE, "sh", str(len(hidden)), *hidden],
            )

    def _namespace(self, name: str) -> str:
        space = f"{self._mark}-{name}"
        self._ip("netns", "add", space)
        self._made.append(space)
        return space

    @staticmethod
    def _ip(*arguments: str) -> None:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, env={"PATH": path})

    def close(self) -> None:
        """End all programs, and remove the namespaces."""
        for host in self.hosts.values():
            host.close()
        for space in reversed(self._made):
            self._ip("netns", "delete", space)


_HIDE = 'count=$1; shift; for _ in $(seq "$count"); do mount -t tmpfs none "$1"; shift; done; exec "$@"'
