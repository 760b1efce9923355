"""`lockproof verify` and `fingerprint`: every tampering is found and named, and honest use is not."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, make_project
from support.reports import Ran, findings_of, is_right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An environment under test."""

    folder: Path
    site: Path

    @property
    def module(self) -> Path:
        return self.site / "plain" / "__init__.py"

    @property
    def record(self) -> Path:
        return self.site / "plain-1.0.dist-info" / "RECORD"


def append(path: Path, text: str) -> None:
    path.chmod(path.stat().st_mode | 0o200)
    with path.open("a") as stream:
        stream.write(text)


def forge_record(subject: Subject, changed: Path) -> None:
    """Make RECORD tell of a changed file what is true now, as a careful forger would."""
    rows = list(csv.reader(subject.record.read_text().splitlines()))
    name = changed.relative_to(subject.site).as_posix()
    content = changed.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    forged = [[name, f"sha256={digest}", str(len(content))] if row[0] == name else row for row in rows]
    subject.record.chmod(0o644)
    subject.record.write_text("".join(",".join(row) + "\n" for row in forged))


def byte_and_record(subject: Subject) -> None:
    append(subject.module, "#")
    forge_record(subject, subject.module)


def by_link(subject: Subject) -> None:
    copy = subject.folder.parent.parent / "elsewhere.txt"
    copy.write_bytes((subject.site / "plain" / "data.txt").read_bytes())
    (subject.site / "plain" / "data.txt").unlink()
    (subject.site / "plain" / "data.txt").symlink_to(copy)


# What is done, the file that must be named, and the distribution that it belongs to.
TAMPERING: dict[str, tuple[Callable[[Subject], object], str, str]] = {
    "a byte appended to a module": (lambda s: append(s.module, "#"), "site/plain/__init__.py", "plain 1.0"),
    "the same with RECORD forged": (byte_and_record, "site/plain/__init__.py", "plain 1.0"),
    "a deleted file": (lambda s: (s.site / "plain" / "data.txt").unlink(), "site/plain/data.txt", "plain 1.0"),
    "a new .pth": (lambda s: (s.site / "new.pth").write_text("import os\n"), "site/new.pth", ""),
    "a sitecustomize.py": (lambda s: (s.site / "sitecustomize.py").write_text(""), "site/sitecustomize.py", ""),
    "a module of nothing": (lambda s: (s.site / "stray.py").write_text(""), "site/stray.py", ""),
    "a new entry point": (
        lambda s: append(s.record.with_name("entry_points.txt"), "[pytest11]\nevil = plain\n"),
        "site/plain-1.0.dist-info/entry_points.txt",
        "plain 1.0",
    ),
    "an edited console script": (lambda s: append(s.folder / "bin" / "plain", "#"), "scripts/plain", "plain 1.0"),
    "a file replaced by a symlink": (by_link, "site/plain/data.txt", "plain 1.0"),
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory, python: dict[str, Path], warm: Path) -> Project:
    """A project whose one cell is made anew, or found right, before each test."""
    project = make_project(tmp_path_factory.mktemp("verify"), python, warm=warm)
    project.sample()
    project.lock()
    project.matrix(commands=["plain"])
    return project


@pytest.fixture
def made(subject: Project) -> Ran:
    ran = subject.run("--install-only")
    is_right(ran)
    return ran


def of(project: Project, ran: Ran) -> Subject:
    return Subject(folder=project.environment(ran), site=project.site(ran))


def cell_id(ran: Ran) -> str:
    return str(ran.cell()["id"])


@pytest.mark.parametrize("kind", TAMPERING)
def test_tampering_is_found_and_named(subject: Project, made: Ran, kind: str) -> None:
    tamper, path, distribution = TAMPERING[kind]
    target = of(subject, made)
    tamper(target)
    proof = subject.json("verify", str(target.folder), "--cell", cell_id(made), code=3)
    assert proof["verdict"] == "mismatch"
    assert {found for _, found in findings_of(proof)} <= {path, "site/plain-1.0.dist-info/RECORD"}
    told = [f"{found['path']}: {found['message']}" for found in proof["findings"]]  # type: ignore[attr-defined]
    assert any(line.startswith(path) and distribution in line for line in told), told


def test_what_changed_in_a_text_file_is_shown_by_the_locked_wheel(subject: Project, made: Ran) -> None:
    target = of(subject, made)
    before = target.module.read_text().splitlines()
    append(target.module, "evil = 1\n")
    command = ("verify", str(target.folder), "--cell", cell_id(made))
    shown = subject(*command)
    start = shown.out.splitlines().index("  --- site/plain/__init__.py")
    told = shown.out.splitlines()[start:]
    assert (shown.code, told[1], told[-1]) == (3, "  +++ site/plain/__init__.py", "  +evil = 1")
    assert [line[3:] for line in told[3:-1]] == before[-3:]
    plain = subject(*command, "--no-diff")
    assert (plain.code, plain.out.splitlines()) == (3, shown.out.splitlines()[:start])


def test_what_is_untouched_matches_in_words_and_as_json(subject: Project, made: Ran) -> None:
    folder = of(subject, made).folder
    ended = subject("verify", str(folder), "--cell", cell_id(made))
    assert (ended.code, ended.out.count("\n")) == (0, 1)
    assert ended.out.startswith("match: ")
    proof = subject.json("verify", str(folder), "--cell", cell_id(made))
    assert (proof["verdict"], proof["layer"], findings_of(proof)) == ("match", None, [])
    assert proof["predicted"] == proof["observed"]
    observed = made.cell()["proof"]["observed"]  # type: ignore[index]
    assert proof["observed"] == observed


def test_ordinary_use_changes_nothing(subject: Project, made: Ran) -> None:
    """Imports that write bytecode, by anybody's Python, leave a match."""
    target = of(subject, made)
    quiet = {"PATH": os.defpath}
    use = "import plain, every, native, space.one, json, sys; sys.exit(plain.ANSWER != 42)"
    for flags in ([], ["-O"], ["-OO"]):
        subprocess.run([target.folder / "bin" / "python", *flags, "-c", use], check=True, env=quiet)
    subprocess.run([target.folder / "bin" / "plain"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    assert len(list(target.site.rglob("*.pyc"))) >= 12
    assert subject.json("verify", str(target.folder), "--cell", cell_id(made))["verdict"] == "match"
    again = subject.run()
    is_right(again)


@pytest.mark.parametrize("kind", ["flags", "content", "orphan"])
def test_bytecode_that_lies_is_found(subject: Project, made: Ran, kind: str) -> None:
    target = of(subject, made)
    compile_it = (
        "import py_compile, sys; "
        f"py_compile.compile({str(target.module)!r} if sys.argv[1] == 'flags' else sys.argv[2], "
        "sys.argv[3], invalidation_mode=getattr(py_compile.PycInvalidationMode, sys.argv[4]))"
    )
    cache = target.module.parent / "__pycache__"
    version = ".".join(next(iter(subject.pythons)).split(".")[:2]).replace(".", "")
    bytecode = cache / f"__init__.cpython-{version}.pyc"
    if kind == "orphan":
        bytecode = target.site / "stray.pyc"  # beside sources, it is loaded without one
    other = target.folder.parent.parent / "other.py"
    other.write_text("ANSWER = 43\n")
    stat = target.module.stat()
    if kind == "content":
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        other.write_text("ANSWER = 43\n".ljust(stat.st_size, "#"))
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    mode = "UNCHECKED_HASH" if kind == "flags" else "TIMESTAMP"
    arguments = [kind, str(other), str(bytecode), mode]
    subprocess.run([target.folder / "bin" / "python", "-c", compile_it, *arguments], check=True)
    proof = subject.json("verify", str(target.folder), "--cell", cell_id(made), code=3)
    assert {path for _, path in findings_of(proof)} == {
        "site/stray.pyc" if kind == "orphan" else f"site/plain/__pycache__/{bytecode.name}"
    }


def test_against_a_saved_fingerprint_and_a_prediction(subject: Project, made: Ran, tmp_path: Path) -> None:
    target = of(subject, made)
    saved, predicted = tmp_path / "saved.json", tmp_path / "predicted.json"
    saved.write_text(json.dumps(subject.json("fingerprint", str(target.folder))))
    predicted.write_text(json.dumps(subject.json("predict", cell_id(made))))
    for expected in (saved, predicted):
        assert subject.json("verify", str(target.folder), "--expect", str(expected))["verdict"] == "match"
        assert subject.json("verify", str(saved), "--expect", str(expected))["verdict"] == "match"
    append(target.module, "#")
    for expected in (saved, predicted):
        proof = subject.json("verify", str(target.folder), "--expect", str(expected), code=3)
        assert ("file-changed", "site/plain/__init__.py") in findings_of(proof)


def test_what_is_no_target_is_a_usage_error(subject: Project, made: Ran, tmp_path: Path) -> None:
    cell = cell_id(made)
    altered = tmp_path / "altered.json"
    document = subject.json("fingerprint", str(of(subject, made).folder))
    document["files"]["site/plain/data.txt"][1] = "0" * 64  # type: ignore[index]
    altered.write_text(json.dumps(document))
    (tmp_path / "text.json").write_text("no JSON")
    (tmp_path / "empty").mkdir()
    for target, reason in {
        str(tmp_path / "nothing"): "no such folder or file",
        str(tmp_path / "empty"): "not a virtual environment",
        str(tmp_path / "text.json"): "text.json",
        str(altered): "altered.json",
        "conda:box": "conda: targets are not known",
    }.items():
        ended = subject("verify", target, "--cell", cell)
        assert (ended.code, ended.out) == (2, ""), ended
        assert reason in ended.err
    assert subject("verify", str(tmp_path)).code == 2
    assert subject("verify", str(tmp_path), "--cell", "3.99.0-linux-x86_64").code == 2


def test_a_fingerprint_in_words(subject: Project, made: Ran) -> None:
    ended = subject("fingerprint", str(of(subject, made).folder))
    assert ended.code == 0
    digest = made.cell()["proof"]["observed"]["layers"]["files"]  # type: ignore[index]
    assert digest in ended.out
    assert "5 distributions" in ended.out
