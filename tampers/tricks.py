"""What is done to environments behind their installer's back: each function is a tamper, or a step of some."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An environment: its folder, its parts, and the base interpreter that it was made with."""

    folder: Path
    python: Path

    @property
    def site(self) -> Path:
        """Its site-packages."""
        (found,) = self.folder.glob("lib/python3.*/site-packages")
        return found

    @property
    def scripts(self) -> Path:
        """Its scripts."""
        return self.folder / "bin"

    @property
    def module(self) -> Path:
        """A module of the distribution `plain`, which is imported with it."""
        return self.site / "plain" / "__init__.py"

    @property
    def info(self) -> Path:
        """The metadata of the distribution `plain`."""
        return self.site / "plain-1.0.dist-info"

    @property
    def beside(self) -> Path:
        """A folder outside the environment, made if need be."""
        folder = self.folder.with_name("beside")
        folder.mkdir(exist_ok=True)
        return folder


IMPORT = "import os\n"
EVIL = "ANSWER = 43\n"


def append(path: Path, text: str) -> None:
    """Add a text to a file."""
    path.chmod(path.stat().st_mode | 0o200)
    with path.open("a") as stream:
        stream.write(text)


def write(path: Path, content: str | bytes = "") -> Path:
    """A file with that content, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def replace_text(path: Path, old: str, new: str) -> None:
    """Put another text in the place of one that is there."""
    text = path.read_text()
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new))


def change_record(
    subject: Subject, change: Callable[[list[str]], Iterator[list[str]]], info: Path | None = None
) -> None:
    """Write a RECORD again, each row changed to some rows."""
    record = (info or subject.info) / "RECORD"
    rows = list(csv.reader(record.read_text().splitlines()))
    record.write_text("".join(",".join(new) + "\n" for row in rows for new in change(row)))


def forge_record(subject: Subject, changed: Path, info: Path | None = None) -> None:
    """Make RECORD tell of a changed file what is true now, as a careful forger would."""
    name = changed.relative_to(subject.site).as_posix()
    content = changed.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

    def forged(row: list[str]) -> Iterator[list[str]]:
        yield [name, f"sha256={digest}", str(len(content))] if row[0] == name else row

    change_record(subject, forged, info)


def drop_row(subject: Subject, name: str) -> None:
    """Take a file out of RECORD."""
    change_record(subject, lambda row: iter([] if row[0] == name else [row]))


def add_row(subject: Subject, path: str) -> None:
    """Have RECORD list one file more."""
    append(subject.info / "RECORD", f"{path},,\n")


def copy_dist(subject: Subject, name: str, version: str, *, code: bool) -> None:
    """The metadata of `plain` under another name, and a module if it is to have code."""
    info = subject.site / f"{name}-{version}.dist-info"
    shutil.copytree(subject.info, info)
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").unlink()
    names = [f"{info.name}/{file}" for file in ("METADATA", "RECORD")]
    if code:
        names.append(write(subject.site / f"{name}.py", EVIL).name)
    write(info / "RECORD", "".join(f"{file},,\n" for file in names))


def edit_unseen(subject: Subject) -> None:
    """Another value of the same length, and the times that were there."""
    status = subject.module.stat()
    replace_text(subject.module, "42", "43")
    os.utime(subject.module, ns=(status.st_atime_ns, status.st_mtime_ns))


def edit_and_forge(subject: Subject) -> None:
    append(subject.module, "#")
    forge_record(subject, subject.module)


def edit_and_drop(subject: Subject) -> None:
    append(subject.module, "#")
    drop_row(subject, "plain/__init__.py")


def replace_by_link(subject: Subject) -> None:
    target = subject.beside / "init.py"
    shutil.copy(subject.module, target)
    subject.module.unlink()
    subject.module.symlink_to(target)


def forge_metadata(subject: Subject, old: str, new: str) -> None:
    replace_text(subject.info / "METADATA", old, new)
    forge_record(subject, subject.info / "METADATA")


def add_plugin(subject: Subject) -> None:
    append(subject.info / "entry_points.txt", "[pytest11]\nevil = plain\n")
    forge_record(subject, subject.info / "entry_points.txt")


def change_path_file(subject: Subject) -> None:
    append(subject.site / "starts.pth", IMPORT)
    forge_record(subject, subject.site / "starts.pth", subject.site / "starts-1.0.dist-info")


def set_key(subject: Subject, key: str, value: str) -> None:
    config = subject.folder / "pyvenv.cfg"
    lines = [line for line in config.read_text().splitlines() if line.partition("=")[0].strip() != key]
    write(config, "\n".join([*lines, f"{key} = {value}", ""]))


def own_python(subject: Subject) -> None:
    python = subject.scripts / "python"
    python.unlink()
    write(python, f'#!/bin/sh\nexec {subject.python} "$@"\n').chmod(0o755)


def copy_of_python(subject: Subject) -> None:
    """The link leads to a copy of the interpreter, whose bytes can be changed by whoever has the folder."""
    copy = subject.beside / "python"
    shutil.copy2(subject.python, copy)
    python = subject.scripts / "python"
    python.unlink()
    python.symlink_to(copy)


def poison(subject: Subject, mode: str) -> None:
    """Bytecode of other code for `plain`, which Python takes for that of its source."""
    script = (
        "import importlib.util, marshal, os, struct, sys\n"
        "source, mode, code = sys.argv[1:]\n"
        "status, text = os.stat(source), open(source, 'rb').read()\n"
        "flags = {'unchecked': 1, 'checked': 3, 'timestamp': 0}[mode]\n"
        "times = struct.pack('<LL', int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)\n"
        "head = times if mode == 'timestamp' else importlib.util.source_hash(text)\n"
        "body = marshal.dumps(compile(code, source, 'exec'))\n"
        "target = importlib.util.cache_from_source(source)\n"
        "os.makedirs(os.path.dirname(target), exist_ok=True)\n"
        "open(target, 'wb').write(importlib.util.MAGIC_NUMBER + struct.pack('<L', flags) + head + body)\n"
    )
    command = [str(subject.python), "-I", "-S", "-B", "-c", script, str(subject.module), mode, EVIL]
    subprocess.run(command, check=True)


def sourceless(subject: Subject) -> None:
    source = write(subject.beside / "stray.py", EVIL)
    script = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], doraise=True)"
    subprocess.run([subject.python, "-I", "-S", "-B", "-c", script, source, subject.site / "stray.pyc"], check=True)


def other_shebang(subject: Subject) -> None:
    script = subject.scripts / "plain"
    first, _, rest = script.read_text().partition("\n")
    write(script, f"#!{subject.python}\n{rest}" if first.startswith("#!/") else rest).chmod(0o755)


def new_script(subject: Subject) -> None:
    write(subject.scripts / "ls", "#!/bin/sh\necho not ls\n").chmod(0o755)


def without_info(subject: Subject) -> None:
    shutil.rmtree(subject.info)


def second_info(subject: Subject) -> None:
    info = subject.site / "plain-2.0.dist-info"
    shutil.copytree(subject.info, info)
    replace_text(info / "METADATA", "Version: 1.0", "Version: 2.0")


def remove(subject: Subject) -> None:
    shutil.rmtree(subject.info)
    shutil.rmtree(subject.site / "plain")
    (subject.scripts / "plain").unlink()


def editable(subject: Subject) -> None:
    """What an editable install leaves behind: a finder at start, and code that lies elsewhere."""
    write(subject.beside / "code" / "plain" / "__init__.py", EVIL)
    shutil.rmtree(subject.site / "plain")
    write(subject.site / "__editable___plain_finder.py", f"import sys\nsys.path.insert(0, {str(subject.beside)!r})\n")
    write(subject.site / "__editable__.plain-1.0.pth", "import __editable___plain_finder\n")
    write(subject.info / "direct_url.json", '{"url": "file:///code", "dir_info": {"editable": true}}')
    kept = ("plain/",)
    change_record(subject, lambda row: iter([] if row[0].startswith(kept) else [row]))
    for path in ("__editable___plain_finder.py", "__editable__.plain-1.0.pth", "plain-1.0.dist-info/direct_url.json"):
        add_row(subject, path)


def site_elsewhere(subject: Subject) -> None:
    site, target = subject.site, subject.beside / "site-packages"
    shutil.move(site, target)
    site.symlink_to(target)


def shadow_extension(subject: Subject) -> None:
    """An extension module is found before the module of the same name."""
    write(subject.site / "plain" / "words.abi3.so", b"\x7fELF not really")


def make_fifo(subject: Subject) -> None:
    os.mkfifo(subject.site / "plain" / "queue")


def loop(subject: Subject) -> None:
    (subject.site / "plain" / "loop").symlink_to("..")


def odd_name(subject: Subject, name: bytes) -> None:
    (subject.site / os.fsdecode(name)).write_text("")
