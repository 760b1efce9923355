"""Small projects for tests of the command line, each with wheels, a lock, a matrix, a store and a home of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import lockproof
from support.reports import Ended, Json, Ran
from support.sdists import make_sdist
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCES = Path(lockproof.__file__).parent.parent


@dataclass(kw_only=True)
class Project:
    """A checkout at `folder`; `base` holds all that is beside it: wheels, home, temporary folder, cache."""

    base: Path
    folder: Path
    pythons: Mapping[str, Path]  # exact version to executable
    cache: Path
    variables: dict[str, str] = field(default_factory=dict)
    wheels: list[Path] = field(default_factory=list)
    sdists: list[Path] = field(default_factory=list)

    # making it

    def wheel(self, name: str, version: str, files: Mapping[str, str | bytes] | None = None, **more: object) -> Path:
        """Make a wheel beside the project and lock it with the next lock."""
        path = make_wheel(self.base / "wheels", name, version, files, **more)  # type: ignore[arg-type]
        self.wheels.append(path)
        return path

    def sdist(self, name: str, version: str, files: Mapping[str, str]) -> Path:
        """Make an sdist beside the wheels and lock it with the next lock."""
        path = make_sdist(self.base / "wheels", name, version, files)
        self.sdists = [*(other for other in self.sdists if other != path), path]
        return path

    def sample(self) -> None:
        """Wheels with everything that a wheel can bring; `native` has other bytes for every Python."""
        self.wheel(
            "plain",
            "1.0",
            {
                "plain/__init__.py": "ANSWER = 42\ndef main():\n    print('plain says', ANSWER)\n",
                "plain/data.txt": "d\n",
            },
            entry_points={"console_scripts": {"plain": "plain:main"}, "gui_scripts": {"plain-gui": "plain:main"}},
        )
        self.wheel(
            "Every.Scheme",
            "2.0.post1",
            {"every.py": "E = 1\n"},
            scripts={
                "every-script": "#!python\nimport every; print('every', every.E)\n",
                "every-sh": "#!/bin/sh\necho sh\n",
            },
            data={
                "headers/every.h": "int e;\n",
                "data/share/every/table.txt": "t\n",
                "purelib/every_pure.py": "P = 1\n",
                "platlib/every_plat.py": "L = 1\n",
            },
        )
        self.wheel("space-one", "1.0", {"space/one.py": "N = 1\n"})
        self.wheel("space-two", "1.0", {"space/two.py": "N = 2\n"})
        for python in self.pythons:
            tag = "cp" + "".join(python.split(".")[:2])
            self.wheel("native", "1.0", {"native.py": f"TAG = {tag!r}\n"}, tag=f"{tag}-none-any")

    def use_all(self) -> list[str]:
        """Commands that use everything that the sample's wheels bring."""
        use = self.script(
            "import sys, plain, every, every_pure, every_plat, native, space.one, space.two",
            "print('uses', plain.ANSWER, every.E, every_pure.P, every_plat.L, space.one.N, space.two.N)",
            "print(native.TAG == 'cp%d%d' % sys.version_info[:2])",
        )
        return [use, "plain", "plain-gui", "every-script", "every-sh"]

    def write(self, name: str, text: str) -> Path:
        """A file of the checkout."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def script(self, *lines: str) -> str:
        """A command of a matrix that runs these lines of Python in the environment."""
        name = f"script_{len(list(self.folder.glob('script_*')))}.py"
        self.write(name, "\n".join(lines) + "\n")
        return f"python {name}"

    def matrix(self, **keys: object) -> Path:
        """matrix.yaml of these keys, for all of the Pythons by default; JSON is YAML."""
        document = {"version": 1, "lock": "pylock.toml", "python": list(self.pythons), **keys}
        return self.write("matrix.yaml", json.dumps(document, indent=1) + "\n")

    def lock(self, *, index: str | None = None, head: str = "", hashes: Mapping[str, str] | None = None) -> Path:
        """pylock.toml of the wheels: by URL where an index's base is given, else by path; `hashes` replaces some."""
        return self.lock_of([*self.wheels, *self.sdists], "pylock.toml", index=index, head=head, hashes=hashes)

    def lock_of(
        self,
        files: Iterable[Path],
        name: str,
        *,
        index: str | None = None,
        head: str = "",
        hashes: Mapping[str, str] | None = None,
    ) -> Path:
        """A lock of that name, in pylock.toml's format, of some wheels and sdists."""
        by_name: dict[str, list[Path]] = {}
        for file in files:
            by_name.setdefault(file.name.split("-")[0].replace("_", "-"), []).append(file)
        lines = [
            'lock-version = "1.0"',
            'created-by = "test"',
            head or "# no more",
            *([] if by_name else ["packages = []"]),
        ]
        for package, found in sorted(by_name.items()):
            version = found[0].name.removesuffix(".tar.gz").split("-")[1]
            lines += ["[[packages]]", f'name = "{package}"', f'version = "{version}"']
            entries = {}
            for file in found:
                place = f'url = "{index}/files/{file.name}"' if index else f'path = "{self._near(file)}"'
                sha256 = (hashes or {}).get(file.name) or sha256_of(file)
                entries[file] = f'{{name = "{file.name}", {place}, hashes = {{sha256 = "{sha256}"}}}}'
            lines += [f"sdist = {entry}" for file, entry in entries.items() if file.suffix == ".gz"]
            lines += ["wheels = [", *(f"  {entry}," for file, entry in entries.items() if file.suffix == ".whl"), "]"]
        return self.write(name, "\n".join(lines) + "\n")

    def _near(self, wheel: Path) -> str:
        return Path(os.path.relpath(wheel, self.folder)).as_posix()

    def requirements(self, *options: str) -> Path:
        """requirements.txt with the hashes of the wheels, after some option lines."""
        hashes: dict[str, list[str]] = {}
        for file in (*self.wheels, *self.sdists):
            name, version, *_ = file.name.removesuffix(".tar.gz").split("-")
            hashes.setdefault(f"{name}=={version}", []).append(f"--hash=sha256:{sha256_of(file)}")
        lines = [" \\\n    ".join([pin, *found]) for pin, found in hashes.items()]
        return self.write("requirements.txt", "\n".join([*options, *lines]) + "\n")

    def checkout(self, folder: Path) -> Project:
        """A second checkout of the same project, sharing the store."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns(".lockproof"))
        return Project(
            base=self.base,
            folder=folder,
            pythons=self.pythons,
            cache=self.cache,
            variables=self.variables,
            wheels=list(self.wheels),
            sdists=list(self.sdists),
        )

    # running it

    @property
    def environ(self) -> dict[str, str]:
        """What the command line gets: nothing of this process's environment."""
        folders = {str(python.parent): None for python in self.pythons.values()}
        return {
            "PATH": os.pathsep.join([*folders, "/usr/bin", "/bin"]),
            "HOME": str(self.base / "home"),
            "TMPDIR": str(self.base / "tmp"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(SOURCES),
            "LOCKPROOF_STORE": str(self.cache),
            **self.variables,
        }

    def start(
        self, *arguments: str, cwd: Path | None = None, umask: int = -1, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the command line in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "lockproof", *arguments],
            cwd=cwd or self.folder,
            env={**self.environ, **(env or {})},
            umask=umask,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __call__(
        self, *arguments: str, cwd: Path | None = None, umask: int = -1, env: Mapping[str, str] | None = None
    ) -> Ended:
        """Run the command line to its end; there never is a traceback, and nothing stays in the temporary folder."""
        ended = finish(self.start(*arguments, cwd=cwd, umask=umask, env=env))
        assert os.listdir(self.base / "tmp") == []
        return ended

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a started command line at whatever moment this is.

        Where virtualenv was just then looking at what the file system can do, its empty probes stay: they are not ours.
        """
        kill_group(process)
        for probe in (self.base / "tmp").glob("TmP*"):
            assert probe.is_symlink() or probe.read_bytes() == b""
            probe.unlink()

    def run(
        self, *arguments: str, cwd: Path | None = None, umask: int = -1, env: Mapping[str, str] | None = None
    ) -> Ran:
        """`lockproof run --json` with its report; its exit code is the process's."""
        target = self.base / "report.json"
        target.unlink(missing_ok=True)
        ended = self("run", "--json", str(target), *arguments, cwd=cwd, umask=umask, env=env)
        assert target.exists(), ended
        report = json.loads(target.read_text())
        assert report["exit_code"] == ended.code, ended
        return Ran(ended=ended, report=report)

    def json(self, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None) -> Json:
        """What a command prints as JSON, and the exit code it ends with."""
        ended = self(*arguments, "--json", env=env)
        assert ended.code == code, ended
        document = json.loads(ended.out)
        assert isinstance(document, dict)
        return document

    # looking at it

    def environment(self, ran: Ran, part: str = "") -> Path:
        """The folder of a cell's environment."""
        return Path(str(ran.cell(part)["environment"]))

    def site(self, ran: Ran, part: str = "") -> Path:
        """The site-packages of a cell's environment."""
        (found,) = self.environment(ran, part).glob("lib/python*/site-packages")
        return found

    def remains(self) -> list[str]:
        """What work has left behind: environments, records, entries of the store, and temporary files anywhere."""
        work = self.folder / ".lockproof"
        found = [path for path in work.glob("*") if path.is_dir() and not path.name.startswith(".")]
        found += work.glob(".state/*.json")
        found += self.cache.glob("store/wheels/*/*/")
        found += self.cache.glob("store/downloads/*")
        for place in (self.folder, self.cache):
            found += [path for path in place.rglob(".*") if _is_temporary(path)]
        return sorted({path.relative_to(self.base).as_posix() for path in found if not path.name.endswith(".lock")})


def _is_temporary(path: Path) -> bool:
    return any(sign in path.name for sign in (".new", ".try", ".part", ".writing", ".json.", ".py.", ".txt."))


def finish(process: subprocess.Popen[str], timeout: float = 100.0) -> Ended:
    """Wait for a started command line; one that shows a traceback or never ends fails the test."""
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        kill_group(process)
        raise
    ended = Ended(code=process.returncode, out=out, err=err)
    assert "Traceback" not in ended.told, ended.told
    assert "a bug in lockproof" not in ended.told, ended.told
    return ended


def kill_group(process: subprocess.Popen[str]) -> None:
    """End a started command line and its group at once, without asking."""
    import signal

    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def still_running(pids: Iterable[int], seconds: float = 10.0) -> list[int]:
    """Those processes that have not ended; the kernel gets some time to end one that was killed."""
    deadline = time.monotonic() + seconds
    left = list(pids)
    while (left := [pid for pid in left if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.005)  # only between two looks at what has nearly ended
    return left


def _is_alive(pid: int) -> bool:
    try:
        status = Path("/proc", str(pid), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"  # one that nobody has reaped yet has ended, too


def processes_of(project: Project, seconds: float = 10.0) -> list[str]:
    """What runs with the project's environment variables and does not end by itself: the command lines."""
    mark = f"HOME={project.base / 'home'}".encode()
    pids = [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and mark in _read(path / "environ")
    ]
    return [_read(Path("/proc", str(pid), "cmdline")).decode() for pid in still_running(pids, seconds)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return b""


def make_project(
    base: Path, pythons: Mapping[str, Path], *, warm: Path | None = None, name: str = "project"
) -> Project:
    """An empty project below `base`; `warm` is a cache whose knowledge of interpreters is copied."""
    for folder in ("home", "tmp", "wheels", name):
        (base / folder).mkdir(parents=True, exist_ok=True)
    cache = base / "cache"
    for part in ("interpreters", "virtualenv"):
        if warm and (warm / part).exists():
            shutil.copytree(warm / part, cache / part)
    if warm:
        cache.mkdir(exist_ok=True)
        (cache / "bytecode").symlink_to(warm / "bytecode")  # a thousand links to the standard library's own
    return Project(base=base, folder=base / name, pythons=pythons, cache=cache)


def make_sampled_project(base: Path, pythons: Mapping[str, Path], cache: Path) -> Project:
    """A project with the sample's wheels, locked, whose cells run nothing; the cache is used as it is, not copied."""
    project = make_project(base, pythons)
    project.cache = cache
    project.sample()
    project.lock()
    project.matrix(commands=[])
    return project


def files_below(folder: Path, leave_out: Iterable[str] = ()) -> dict[str, bytes | str]:
    """Every file's bytes and every link's target, by path."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and not any(part in name for part in leave_out):
            found[name] = path.read_bytes()
    return found
