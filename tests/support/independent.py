"""A second implementation of docs/reference/fingerprint.md, written from that page: nothing of ours is imported.

It reads an environment the slow and obvious way. The wrappers' texts are taken from the page itself.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from pathlib import Path
from typing import NamedTuple, TypedDict

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "fingerprint.md"
PYTHON_NAME = re.compile(r"python(3(\.\d+)?)?t?(\.exe|w\.exe)?")
ROOT_FILES = {"pyvenv.cfg", "CACHEDIR.TAG", ".gitignore", ".lock"}
SHELLS = ("", ".bat", ".csh", ".fish", ".nu", ".ps1", ".xsh")
ACTIVATORS = {f"{word}{end}" for word in ("activate", "Activate", "deactivate") for end in SHELLS}
ACTIVATORS |= {"activate_this.py", "pydoc.bat"}
BYTECODE = re.compile(r"[^/]+\.[\w-]+(\.opt-\w+)?\.pyc")
INSTALLERS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
INSTALLERS |= {"provenance_url.json"}
SILENT_KEYS = re.compile(
    "base-(exec-)?prefix|base-executable|command|executable|home|implementation|include-system-site-packages"
    "|lockproof(-link)?|prompt|python-version|relocatable|seed|uv|version(_info)?|virtualenv"
)


class Document(TypedDict):
    """What digests are made of in a fingerprint's JSON form."""

    distributions: list[dict[str, str]]
    files: dict[str, list[str | int]]
    startup: list[str]
    interpreter: dict[str, str]
    interpreter_files: dict[str, str]
    platform: dict[str, str]


class Independent(NamedTuple):
    """The lines of three layers, in no order, and the digests of these."""

    files: list[bytes]
    startup: list[bytes]
    pins: list[bytes]

    @property
    def layers(self) -> dict[str, str]:
        """The digests by layer."""
        titles = {"files": self.files, "startup": [*set(self.startup)], "set": self.pins}
        return {layer: digest(f"lockproof {layer} 1", lines) for layer, lines in titles.items()}


def digest(title: str, lines: list[bytes]) -> str:
    """A titled digest."""
    text = title.encode() + b"\n" + b"".join(line + b"\n" for line in sorted(lines))
    return "sha256:" + hashlib.sha256(text).hexdigest()


def as_bytes(*fields: str) -> bytes:
    """The fields of a line, with NULs between them."""
    return "\0".join(fields).encode("utf-8", "surrogateescape")


def read(root: Path, executable: bytes = b"") -> Independent:
    """What an environment is; `executable` are the bytes of its base interpreter."""
    paths = [
        os.path.relpath(os.path.join(folder, name), root)
        for folder, folders, names in os.walk(root)
        for name in (*folders, *names)
    ]
    keys = config(root / "pyvenv.cfg")
    x_y = re.match(r"3\.\d+", keys.get("version") or keys["version_info"])
    assert x_y
    windows = any(path.startswith("Scripts/") and (root / path).is_file() for path in paths)
    tag = f"python{x_y[0]}" + "t" * (root / "lib" / f"python{x_y[0]}t").is_dir()
    places = ("Lib/site-packages", "Scripts", "Include")
    if not windows:
        places = (f"lib/{tag}/site-packages", "bin", f"include/site/{tag}")
    return Reading(root, paths, keys, places, executable).result()


def config(path: Path) -> dict[str, str]:
    """The keys of pyvenv.cfg."""
    pairs = (line.split("=", 1) for line in path.read_text(errors="surrogateescape").split("\n") if "=" in line)
    return {key.strip().lower(): value.strip() for key, value in pairs}


class Reading:
    """One environment; `places` are its folders for site-packages, scripts and headers."""

    def __init__(
        self, root: Path, paths: list[str], keys: dict[str, str], places: tuple[str, str, str], executable: bytes
    ) -> None:
        self.root, self.paths, self.keys, self.executable = root, paths, keys, executable
        self.site, self.scripts, self.headers = places
        names = [name for folder, name in map(os.path.split, paths) if folder == self.scripts]
        self.pythons = [name for name in names if PYTHON_NAME.fullmatch(name)]
        page = PAGE.read_text()
        self.stubs = re.findall(r"^([0-9a-f]{64}) (console|gui)$", page, re.MULTILINE)
        self.wrappers = re.findall(r"```python wrapper\n(.*?)```\n", page, re.DOTALL)
        own = [os.path.dirname(path) for path in paths if path.endswith(".dist-info/METADATA")]
        self.infos = sorted(folder for folder in own if os.path.dirname(folder) == self.site)

    def result(self) -> Independent:
        """All the lines."""
        files, startup = [], self.config_lines()
        for path in self.paths:
            real, logical = self.root / path, self.logical(path)
            if real.is_symlink():
                if not self.unlisted_link(path):
                    files.append(as_bytes(logical, "l", os.readlink(real).replace("\n", "\0n")))
                    startup += [as_bytes(logical, "link", os.readlink(real))] * starts(logical)
            elif real.is_file():
                content = real.read_bytes()
                if not self.unlisted_file(path, content):
                    files.append(as_bytes(logical, *self.kind(logical, content)))
                    startup += startup_lines(logical, content) if starts(logical) else []
        return Independent(files, startup, self.pins())

    def logical(self, path: str) -> str:
        for area, folder in (("site", self.site), ("scripts", self.scripts)):
            if path.startswith(f"{folder}/"):
                return f"{area}/{path[len(folder) + 1 :]}"
        if path.startswith(f"{self.headers}/") and "/" in path[len(self.headers) + 1 :]:
            name, rest = path[len(self.headers) + 1 :].split("/", 1)
            return f"headers/{normalised(name)}/{rest}"
        return f"data/{path}"

    def unlisted_link(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if path == "lib64" and os.readlink(self.root / path) in ("lib", f"{self.root}/lib"):
            return True
        return folder == self.scripts and name in self.pythons

    def unlisted_file(self, path: str, content: bytes) -> bool:
        folder, name = os.path.split(path)
        return (
            path in ROOT_FILES
            or (folder == self.scripts and name in ACTIVATORS)
            or (folder == self.scripts and name in self.pythons and content == self.executable)
            or (os.path.basename(folder) == "__pycache__" and BYTECODE.fullmatch(name) is not None)
            or (folder in self.infos and name in INSTALLERS)
        )

    def kind(self, logical: str, content: bytes) -> tuple[str, str]:
        kind = "f"
        program = self.scripts == "Scripts" and logical.startswith("scripts/") and logical.endswith(".exe")
        if program and (called := self.program(content)) is not None:
            return "e", called
        if logical.startswith("scripts/") and (body := self.body(content)) is not None:
            if (wrapped := self.wrapped(body)) is not None:
                return "e", wrapped
            kind, content = "s", b"#!python\n" + body
        return kind, f"{hashlib.sha256(content).hexdigest()} {len(content)}"

    def body(self, script: bytes) -> bytes | None:
        """What follows the first lines of a script of this environment's Python."""
        for name in map(os.fsencode, self.pythons):
            for root in (self.root, self.root.resolve()):
                python = os.fsencode(root / self.scripts) + b"/" + name
                words = [quoted(python), shell_word(python), BESIDE + quoted(name)]
                words += [] if re.search(rb"[ \t\n|&;<>()$`\\\"'*?\[{]", python) else [python]
                words += [] if re.search(rb'["$`]|\\[\\\n]', python) else [b'"%s"' % python]
                starts = [b"#!/bin/sh\n" + called(word) for word in words]
                plain = b"#!%s\n" % python
                starts += [] if re.search(rb"[ \t\n]", python) and self.wrapped(script[len(plain) :]) else [plain]
                if coding := re.match(rb"#!/bin/sh\n# coding: ([-\w.]+)\n[^\n]*\n[^\n]*\n([^\n]*)", script):
                    declared = re.match(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", coding[2])
                    if declared and declared[1] == coding[1]:
                        head = b"#!/bin/sh\n# coding: %s\n" % coding[1]
                        starts += [head + called(word) for word in (octal(python), BESIDE + octal(name))]
                for start in starts:
                    if script.startswith(start):
                        return script[len(start) :]
        return None

    def program(self, content: bytes) -> str | None:
        """What a wrapper on Windows calls."""
        pythons = [os.fsencode(f"{self.root}/Scripts/{name}") for name in self.pythons]
        for stub, kind in self.stubs:
            for line in re.finditer(rb"#!(\"?)([^\"\r\n]+)\1\r?\n(?=PK\x03\x04)", content):
                if hashlib.sha256(content[: line.start()]).hexdigest() != stub:
                    continue
                if line[2].replace(b"\\", b"/").lower() not in [python.lower() for python in pythons]:
                    return None
                text = only_member(content[line.end() :])
                called = self.wrapped(text) if text is not None else None
                return called and called + (" gui" if kind == "gui" else "")
        return None

    def wrapped(self, body: bytes) -> str | None:
        text = body.decode("latin-1")
        for wrapper in self.wrappers:
            pattern = re.escape(wrapper)
            pattern = pattern.replace(r"\{module\}", r"(?P<module>\w+(?:\.\w+)*)", 1)
            pattern = pattern.replace(r"\{name\}", r"(?P<name>\w+)", 1)
            pattern = pattern.replace(r"\{attr\}", r"(?P<attr>(?P=name)(?:\.\w+)*)", 1)
            if match := re.fullmatch(pattern, text):
                return f"{match['module']}:{match['attr']}"
        return None

    def config_lines(self) -> list[bytes]:
        switch = self.keys.get("include-system-site-packages", "false").lower()
        lines = [as_bytes("pyvenv.cfg", "include-system-site-packages", switch)]
        return lines + [as_bytes("pyvenv.cfg", k, v) for k, v in self.keys.items() if not SILENT_KEYS.fullmatch(k)]

    def pins(self) -> list[bytes]:
        found: dict[str, bytes] = {}
        for folder in self.infos:
            header = (self.root / folder / "METADATA").read_text(errors="replace").split("\n\n")[0] + "\n"
            name, version = (re.search(rf"(?mi)^{key}:(.*)$", header) for key in ("name", "version"))
            own = normalised(name[1].strip() if name else "")
            own = f"{own}#{os.path.basename(folder)}" if own in found else own
            found[own] = f"{own}=={version[1].strip() if version else ''}".encode()
        return list(found.values())


def only_member(archive: bytes) -> bytes | None:
    """The bytes of a stored `__main__.py`, where an archive is the one that zipfile writes of it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as given:
        member, text = given.infolist()[0], given.read(given.infolist()[0])
    again, made = io.BytesIO(), zipfile.ZipInfo("__main__.py", member.date_time)
    made.external_attr, made.create_system = member.external_attr, member.create_system
    with zipfile.ZipFile(again, "w") as writing:
        writing.writestr(made, text)
    return text if again.getvalue() == archive else None


BESIDE = b'"$(dirname -- "$(realpath -- "$0")")"/'


def called(word: bytes) -> bytes:
    """The shell's lines that call a Python."""
    return b"'''exec' %s \"$0\" \"$@\"\n' '''\n" % word


def quoted(path: bytes) -> bytes:
    """In single quotes."""
    return b"'" + path.replace(b"'", b"'\"'\"'") + b"'"


def shell_word(path: bytes) -> bytes:
    """As a word of the shell."""
    word = path if re.fullmatch(rb"[\w@%+=:,./-]+", path, re.ASCII) else quoted(path)
    return word.replace(b"\\", b"'\"\\\\\"'")


def octal(path: bytes) -> bytes:
    """As printf writes it from octal digits."""
    return b'"$(printf %b ' + b" ".join(b"'\\'0%03o" % byte for byte in path) + b')"'


def normalised(name: str) -> str:
    """A distribution's normalised name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def starts(logical: str) -> bool:
    """Whether it is a startup file."""
    own = re.fullmatch(r"site/[^/]+\.(pth|start)", logical)
    hook = re.fullmatch(r"site/(sitecustomize|usercustomize)(\.[^/]*|/__init__\.[^/]*)?", logical)
    return bool(own or hook)


def startup_lines(logical: str, content: bytes) -> list[bytes]:
    """The lines of a startup file that is no link."""
    lines = [as_bytes(logical, "sha256", hashlib.sha256(content).hexdigest())]
    if logical.endswith((".pth", ".start")) and logical.count("/") == 1:
        for line in content.decode("utf-8", "surrogateescape").removeprefix("\ufeff").splitlines():
            stripped = line.strip()
            if stripped and stripped[0] != "#":
                runs = line.startswith(("import ", "import\t")) or logical.endswith(".start")
                lines.append(as_bytes(logical, "exec" if runs else "path", stripped))
    return lines


def recomputed(document: Document) -> dict[str, str]:
    """The digests of a fingerprint in its JSON form, from what the document has them of; the whole one is `digest`."""
    facts = dict(document["interpreter"])
    rows = document["interpreter_files"].items()
    for part, title in (("stdlib", "lockproof stdlib 2"), ("lib-dynload", "lockproof lib-dynload 1")):
        own = [as_bytes(row.split("/", 1)[1], value) for row, value in rows if row.startswith(f"{part}/")]
        facts[part] = digest(title, own) if own else facts.get(part, "none")
    lines = {
        "set": [f"{row['name']}=={row['version']}".encode() for row in document["distributions"]],
        "files": [
            as_bytes(path, str(fact[0]), " ".join(map(str, fact[1:]))) for path, fact in document["files"].items()
        ],
        "startup": [line.encode("utf-8", "surrogateescape") for line in document["startup"]],
        "interpreter": [as_bytes(name, value) for name, value in facts.items()],
        "platform": [as_bytes(name, value) for name, value in document["platform"].items()],
    }
    layers = {layer: digest(f"lockproof {layer} 1", own) for layer, own in lines.items()}
    whole = "".join(f"{layer}\0{layers[layer]}\n" for layer in ("set", "files", "startup", "interpreter"))
    return {**layers, "digest": "sha256:" + hashlib.sha256(f"lockproof fingerprint 1\n{whole}".encode()).hexdigest()}
