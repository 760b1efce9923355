"""What a command line names as TARGET: a folder, an archive, a container, another machine's, or a saved fingerprint."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError, why_of
from lockproof.proof.bundle import find_bundle, one_of
from lockproof.proof.fingerprint import Finding, Fingerprint, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from lockproof.environments.overlay import Overlay
    from lockproof.project import Project
    from lockproof.pythons.carried import Carried
    from lockproof.pythons.interpreters import Discovery, Interpreter
    from lockproof.pythons.probing import Probe
    from lockproof.reading.inspection import Inspection

SCHEMES = ("tar", "ssh", "docker", "docker-image", "podman", "podman-image")


def read_target(named: str, project: Project, expected: Interpreter | None = None) -> Fingerprint:
    """The fingerprint of whatever a TARGET names; UsageError for anything else."""
    if not named:
        raise UsageError("an empty word is no target", remedy="name the current folder as .")
    elsewhere = bool(_scheme_of(named))
    if not elsewhere and (found := find_bundle(project.places.folder, named)):
        return one_of(*found)
    path = project.places.folder / named
    if not elsewhere and path.is_file():
        try:
            return from_json(path.read_text(encoding="utf-8"), named)
        except UnicodeDecodeError as error:
            remedy = f"an archive is named as tar:{named}"
            raise UsageError("this is no saved fingerprint", where=named, why="it is no text", remedy=remedy) from error
        except OSError as error:
            raise UsageError("this saved fingerprint can't be read", where=named, why=why_of(error)) from error
    observed = observe_target(named, project, expected)
    if elsewhere:
        return observed
    from dataclasses import replace

    from lockproof.environments.workspace import describe_origin

    return replace(observed, about={**observed.about, **describe_origin(path.absolute(), observed)})


def observe_target(named: str, project: Project, expected: Interpreter | None = None) -> Fingerprint:
    """The fingerprint of an environment's folder, as it is now; UsageError for anything else."""
    path = project.places.folder / named
    if path.is_dir() and (overlay := _overlay_at(path, project)):
        from lockproof.environments.overlay import fingerprint_inside

        return fingerprint_inside(overlay, project.places.cache)
    return inspect_target(named, project, expected).fingerprint


def inspect_target(named: str, project: Project, expected: Interpreter | None = None) -> Inspection:
    """The reading of an environment, wherever it is; UsageError for what isn't there or is none."""
    scheme = _scheme_of(named)
    if not scheme:
        return _inspect_folder(named, project, expected)
    inspect = {"tar": _inspect_tar, "ssh": _inspect_ssh}.get(scheme, _inspect_image)
    try:
        return inspect(named, project, expected)
    except (UsageError, UnavailableError) as error:
        where = error.where if error.where.startswith(named[:4]) else named  # a place on this machine it is not
        kind = UsageError if isinstance(error, UsageError) else UnavailableError
        raise kind(error.what, where=where, why=error.why, remedy=error.remedy) from error


def _scheme_of(named: str) -> str:
    """The scheme of a target that is elsewhere; empty for a folder or a file."""
    scheme, colon, _ = named.partition(":")
    return scheme if colon and scheme in SCHEMES else ""


class Recogniser:
    """Interpreters of this machine, by content: the expected one first, then all of the same series."""

    def __init__(self, project: Project, expected: Interpreter | None) -> None:
        """`expected` is the interpreter that a cell declares; one that lies in an image is none of this machine."""
        self._project = project
        self._expected = None if expected and expected.image else expected
        self.declared = str(expected.executable) if expected else ""
        self.vouched = project.places.cache / "vouched"
        self._known: list[Probe] | None = None

    def look_around(self) -> list[Probe]:
        """What the interpreters of this machine say of themselves; asked once."""
        from lockproof.pythons.interpreters import known_interpreters

        if self._known is None:
            self._known = known_interpreters(self._project.discovery)
        return self._known

    def __call__(self, carried: Carried, outside: str = "\0") -> Interpreter | None:
        """The interpreter with exactly these files; none that lies below the folder `outside`, which isn't run."""
        from lockproof.pythons.interpreters import describe

        if self._expected and carried.is_build(self._expected.files):
            return self._expected
        for said in self._of_series(carried, outside):
            found = describe(said, self._project.discovery)
            if carried.is_build(found.files):
                return found
        return None

    def stand_in(self, carried: Carried, outside: str = "\0") -> Interpreter | None:
        """Another build of the same version, or else of the same series."""
        from lockproof.pythons.interpreters import describe

        alike = sorted(self._of_series(carried, outside), key=lambda said: said.version != carried.version)
        return describe(alike[0], self._project.discovery) if alike else None

    def _of_series(self, carried: Carried, outside: str) -> list[Probe]:
        series = f"{carried.series.removesuffix('t')}."
        return [
            said
            for said in self.look_around()
            if said.version.startswith(series) and not str(said.executable).startswith(f"{outside}/")
        ]


def _inspect_tar(named: str, project: Project, expected: Interpreter | None) -> Inspection:
    from lockproof.reading.archives import environment_in, inspect_archive, new_archive, take

    file, folder = _split(named[len("tar:") :], project.places.folder)
    where = f"tar:{file}"
    recogniser = Recogniser(project, expected)
    with new_archive() as archive:
        with _opened(file, project.places.folder) as stream:
            take(archive, stream, where)
        return inspect_archive(
            archive,
            environment_in(archive, folder, where),
            recognise=recogniser,
            stand_in=recogniser.stand_in,
            called=folder,
            declared=recogniser.declared,
            vouched=recogniser.vouched,
        )


def _inspect_ssh(named: str, project: Project, expected: Interpreter | None) -> Inspection:
    from lockproof.reading.sshhost import parse_remote, sending

    with sending(parse_remote(named, project.environ.get("LOCKPROOF_SSH", ""))) as sent:
        from lockproof.reading.remote import inspect_remote  # while the connection is made

        recogniser = Recogniser(project, expected)
        recogniser.look_around()
        return inspect_remote(sent, recogniser, recogniser.declared, recogniser.vouched, recogniser.stand_in)


def _inspect_image(named: str, project: Project, expected: Interpreter | None) -> Inspection:
    from lockproof.containers.engines import find_engine
    from lockproof.reading.images import inspect_image, parse_image_target

    target = parse_image_target(named)
    engine, recogniser = find_engine(target.engine, project.environ), Recogniser(project, expected)
    return inspect_image(target, engine, recogniser, recogniser.declared, recogniser.vouched, recogniser.stand_in)


def _split(text: str, base: Path) -> tuple[str, str]:
    """An archive's file and the folder in it: `FILE`, `FILE:/path`, `-`, `-:/path`; a file's name may hold `:/`."""
    if text == "-" or (base / text).exists() or ":/" not in text:
        return text, ""
    file, _, folder = text.rpartition(":/")
    return file, f"/{folder}"


@contextmanager
def _opened(file: str, base: Path) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    path = base / file
    if not path.is_file():
        why = "it is a folder, and no archive" if path.is_dir() else "there is no such file"
        raise UsageError("this archive can't be read", where=f"tar:{file}", why=why, remedy="name a tar archive, or -")
    try:
        with path.open("rb", buffering=0) as stream:
            before = os.fstat(stream.fileno())
            yield stream
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise UsageError("this archive can't be read", where=f"tar:{file}", why=error.strerror or str(error)) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UsageError("this archive changed while it was read", where=f"tar:{file}", remedy="repeat it")


def _inspect_folder(named: str, project: Project, expected: Interpreter | None) -> Inspection:
    kind = named.partition(":")[0]
    path = project.places.folder / named
    if not path.is_dir():
        why = f"{kind}: targets are not known" if ":" in named else "there is no such folder or file"
        remedy = (
            "name a folder or a saved fingerprint; what is elsewhere as tar:FILE, ssh:HOST:/path, docker-image:IMAGE"
        )
        if path.is_file():
            why, remedy = "it is a file, and the environment itself is needed", "name its folder, or tar:FILE"
        raise UsageError("this is no target", where=named, why=why, remedy=remedy)
    if _overlay_at(path, project):
        raise UsageError("this environment is an overlay, which has no files of its own here", where=named,
                         remedy="run its cell with link: auto, and name that one")  # fmt: skip
    if (path / "pyvenv.cfg").exists():
        return _inspect_environment(path, project, expected)
    from lockproof.reading.prefixes import inspect_prefix, is_prefix
    from lockproof.reading.readtree import layout_of
    from lockproof.reading.sharedwork import read_on_all_cores

    if not is_prefix(path):
        return _inspect_environment(path, project, expected)
    recogniser = Recogniser(project, expected)
    inspection = inspect_prefix(
        path,
        recognise=recogniser,
        stand_in=lambda carried: recogniser.stand_in(carried, str(path.resolve())),
        declared=recogniser.declared,
        vouched=recogniser.vouched,
        reading=read_on_all_cores,
    )
    if inspection.interpreter is None:
        return inspection
    library = path / "lib" / layout_of(inspection.tree).headers.rpartition("/")[2]
    return _told_of(inspection, _library_s_bytecode(inspection.interpreter, project.discovery, library))


def _inspect_environment(path: Path, project: Project, expected: Interpreter | None) -> Inspection:
    """A virtual environment, whose interpreter is looked at while its files are read."""
    from dataclasses import replace
    from pathlib import Path

    from lockproof.pythons.interpreters import identify
    from lockproof.reading.sharedwork import Ahead, read_on_all_cores

    contained = expected if expected and expected.image else None
    discovery = replace(project.discovery, trusted=(expected.executable,) if expected and not contained else ())

    def look(executable: Path) -> tuple[Interpreter | None, tuple[Finding, ...]]:
        interpreter = identify(executable, discovery)
        return interpreter, _library_s_bytecode(interpreter, discovery) if interpreter else ()

    python = os.path.realpath(path / "bin" / "python")
    inside = python.startswith(f"{os.path.realpath(path)}/")  # which nobody may run, whatever names it
    with Ahead(look, None if inside or contained else Path(python)) as looked:
        from lockproof.reading.inspection import inspect_environment  # while the other is at work

        inspection = inspect_environment(
            path,
            identify=lambda real: looked(real)[0],
            store=project.store.folder,
            declared=expected.executable if expected else None,
            vouched=project.places.cache / "vouched",
            reading=read_on_all_cores,
            contained=contained,
        )
        answer = looked.answer if inspection.interpreter and not contained else None
    return _told_of(inspection, answer[1]) if answer else inspection


def _library_s_bytecode(
    interpreter: Interpreter, discovery: Discovery, library: Path | None = None
) -> tuple[Finding, ...]:
    """What is wrong with the bytecode of an interpreter's standard library, or of a copy in `library`."""
    from dataclasses import replace

    from lockproof.pythons.stdlibbytecode import unchecked_bytecode

    said = discovery.ask(interpreter.executable)
    return unchecked_bytecode(replace(said, stdlib=library) if library else said)


def _told_of(inspection: Inspection, findings: tuple[Finding, ...]) -> Inspection:
    from dataclasses import replace

    fingerprint = inspection.fingerprint
    return replace(inspection, fingerprint=replace(fingerprint, findings=(*fingerprint.findings, *findings)))


def _overlay_at(path: Path, project: Project) -> Overlay | None:
    """The overlay that has this path, seen from outside; None for any other folder."""
    if os.path.lexists(path / "pyvenv.cfg"):  # most are none, and the module costs 50 ms
        return None
    from lockproof.environments.overlay import overlay_at

    return overlay_at(path, project.store.folder / "images")
