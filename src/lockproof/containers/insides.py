"""The interpreter in an image: found in its files, asked once in a container of its own, and known by its content."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.containers.starting import (
    NO_EMULATION,
    Mount,
    Start,
    emptied,
    named_container,
    start_arguments,
    what_became_of,
)
from lockproof.digests import sha256_hex
from lockproof.errors import UnavailableError
from lockproof.pythons.carried import Holder, carried_build
from lockproof.pythons.interpreters import Interpreter
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probing import NotAnInterpreterError, answer_of, probe_script
from lockproof.reading.archives import new_archive, take
from lockproof.writing import write_if_possible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.containers.engines import Engine, Image
    from lockproof.pythons.carried import Carried
    from lockproof.pythons.probing import Probe
    from lockproof.reading.tarreader import Archive

_SCHEMA = "1"  # of what is kept; another number makes it anew
_PYTHON = re.compile(r"(?:.*/)?bin/python(3\.\d{1,2}t?)")
_INSIDE = "/lockproof-probe.py"
_TIMEOUT = 120.0  # seconds; emulated machines are slow


class Insides:
    """Looks into images; what an image holds never changes, so it is kept by the image's id in the folder `cache`."""

    def __init__(self, cache: Path) -> None:
        """Nothing is made before there is something to keep."""
        self._cache = cache

    def interpreter(
        self, python: str, image: Image, engine: Engine, *, named: str = "", user: Sequence[str] = ()
    ) -> Interpreter:
        """The CPython of exactly that version in an image; `named` is its path there, else it is looked for.

        Raises UnavailableError where the image has none such, where not all of its files can be known, and where it
        can't be run.
        """
        # Where docker keeps images as registries do, one id is that of the images of all platforms.
        script = sha256_hex(probe_script().read_bytes())
        key = sha256_hex("\0".join((_SCHEMA, script, image.id, image.platform, python, named)).encode())
        store = self._cache / f"{key[:32]}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _from_json(json.loads(store.read_bytes()))
        with new_archive() as archive:
            engine.read_image(image.id, lambda stream: take(archive, stream, image.id))
            found = _find(python, archive, image, engine, named, user)
        with suppress(OSError):
            self._cache.mkdir(parents=True, exist_ok=True)
            write_if_possible(store, json.dumps(_to_json(found)).encode())
        return found


def _find(python: str, archive: Archive, image: Image, engine: Engine, named: str, user: Sequence[str]) -> Interpreter:
    others: list[str] = []
    for path in _candidates(python, archive, image, named):
        said = _ask(path, image, engine, user)
        if said.label == python:
            return _described(said, archive, image)
        others.append(f"{said.label} at /{path}")
    known = (f"{match[1]} at /{path}" for path in archive.files if (match := _PYTHON.fullmatch(path)))
    told = ", ".join(others or sorted(known)[:8])
    raise UnavailableError(
        f"Python {python} isn't in the image", where=image.id, why=f"it has {told}" if told else "it has no CPython",
        remedy=f"choose an image that has exactly {python}, or say the version that it has",
    )  # fmt: skip


def _candidates(python: str, archive: Archive, image: Image, named: str) -> list[str]:
    """The real paths of executables that may be the one, those of the image's own PATH first."""
    if named:
        path = archive.real_path(named.lstrip("/"))
        return [path] if path in archive.files else []
    series = python.rsplit(".", 1)[0] + ("t" if python.endswith("t") else "")
    found = {path for path in archive.files if (match := _PYTHON.fullmatch(path)) and match[1] == series}
    folders = [archive.real_path(folder.strip("/")) for folder in image.variables.get("PATH", "").split(":")]
    order = {folder: number for number, folder in reversed(list(enumerate(folders)))}
    return sorted(found, key=lambda path: (order.get(path.rpartition("/")[0], len(order)), path))


def _ask(path: str, image: Image, engine: Engine, user: Sequence[str]) -> Probe:
    """What the executable says of itself, in a container without network that sees nothing but the question."""
    start = Start(
        image=image.id,
        program=f"/{path}",
        arguments=("-I", "-S", "-B", _INSIDE),
        mounts=(Mount(probe_script(), _INSIDE),),
        variables={"LANG": "C.UTF-8", **emptied(image.variables)},
        user=user,
    )
    with named_container(engine) as name:
        try:
            done = subprocess.run(
                start_arguments(engine, name, start),
                stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False, env=dict(engine.environ),
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(
                "the image's Python gave no answer", where=image.id, why=f"/{path} was asked for {_TIMEOUT:g} s",
                remedy=f"see whether `{engine.name} run` starts it at all",
            ) from error  # fmt: skip
        words = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        code, why = what_became_of(engine, name, done.returncode, words)
    if "exec format error" in words:
        raise UnavailableError(
            f"programs of this image's platform don't run here: {image.platform}", where=image.id, why=words,
            remedy=NO_EMULATION,
        )  # fmt: skip
    try:
        if code:
            raise NotAnInterpreterError(f"ended with code {code} {why or words}")
        return answer_of(done.stdout.decode("utf-8", "replace"), Path("/", path))
    except NotAnInterpreterError as error:
        raise UnavailableError(
            "the image's Python can't be asked", where=image.id, why=f"/{path} {error}",
            remedy="choose an image whose Python runs, or name another one in it: container: {python: /path}",
        ) from error  # fmt: skip


def _described(said: Probe, archive: Archive, image: Image) -> Interpreter:
    carried = _carried(said, archive)
    library = archive.files.get(archive.real_path(str(said.libpython or "").lstrip("/")))
    if carried is None or (said.libpython and library is None):
        raise UnavailableError(
            "not all files of the image's Python can be known", where=image.id, why=f"that of {said.executable}, whose "
            "standard library must lie whole in lib/ beside its bin/", remedy="choose another image, or another Python "
            "in it: container: {python: /path}",
        )  # fmt: skip
    files = dict(carried.files)
    files["libpython"] = f"sha256:{library[0]}" if library else "static"
    return Interpreter(
        executable=said.executable,
        version=said.version,
        implementation=said.implementation,
        prefix=said.prefix,
        platform=said.platform,
        facts=said.facts,
        files=files,
        rows=carried.rows,
        image=image.id,
    )


def _carried(said: Probe, archive: Archive) -> Carried | None:
    digests = {path: fact[0] for path, fact in archive.files.items()}
    holder = Holder(digests, archive.links, archive.texts, archive.real_path)
    return carried_build(holder, str(said.executable).lstrip("/"))


def _to_json(found: Interpreter) -> dict[str, object]:
    platform = found.platform
    return {
        "executable": str(found.executable),
        "version": found.version,
        "implementation": found.implementation,
        "prefix": str(found.prefix),
        "platform": [platform.os, platform.machine, platform.libc, *(platform.version or ())],
        "facts": dict(found.facts),
        "files": dict(found.files),
        "rows": dict(found.rows),
        "image": found.image,
    }


def _from_json(kept: dict[str, object]) -> Interpreter:
    """What was kept; ValueError where it is not that."""
    match kept:
        case {
            "executable": str(executable),
            "version": str(version),
            "implementation": str(implementation),
            "prefix": str(prefix),
            "platform": [str(system), str(machine), str(libc), *numbers],
            "facts": dict(facts),
            "files": dict(files),
            "rows": dict(rows),
            "image": str(image),
        }:
            return Interpreter(
                executable=Path(executable),
                version=version,
                implementation=implementation,
                prefix=Path(prefix),
                platform=Platform(os=system, machine=machine, libc=libc, version=_version(numbers)),
                facts=_texts(facts),
                files=_texts(files),
                rows=_texts(rows),
                image=image,
            )
    raise ValueError("is no interpreter")


def _version(numbers: Sequence[object]) -> tuple[int, int] | None:
    match numbers:
        case [int(major), int(minor)]:
            return (major, minor)
    return None


def _texts(kept: dict[object, object]) -> dict[str, str]:
    return {str(name): str(value) for name, value in kept.items()}
