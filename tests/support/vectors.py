"""The test vectors of docs/reference/fingerprint.md: small environments with all their lines and digests.

PYTHONPATH=src:tests python tests/support/vectors.py     writes docs/reference/vectors/*.json
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.reading.inspection import inspect_environment
from lockproof.wheels.launchers import _TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parents[2] / "docs" / "reference" / "vectors"
Entry = dict[str, str]

CONFIG = "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.12.1\n"
SITE = "lib/python3.12/site-packages"
PLAIN = {"module": "plain", "name": "main", "attr": "main"}


def text(content: str) -> Entry:
    """A file of UTF-8; `{root}` in it is the root's own path."""
    return {"text": content}


def raw(content: bytes) -> Entry:
    """A file of any bytes."""
    return {"base64": base64.b64encode(content).decode()}


def link(target: str) -> Entry:
    """A link."""
    return {"link": target}


def distribution(name: str, version: str, *, site: str = SITE, folder: str = "") -> dict[str, Entry]:
    """The metadata of a distribution, without rows of RECORD that matter here."""
    info = f"{site}/{folder or name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: of the description\n"
    return {
        f"{info}/METADATA": text(metadata),
        f"{info}/WHEEL": text("Wheel-Version: 1.0\n"),
        f"{info}/RECORD": text(f"{info.removeprefix(site + '/')}/RECORD,,\n"),
        f"{info}/INSTALLER": text("pip\n"),
    }


def _environment(files: Mapping[str, Entry], config: str = CONFIG) -> dict[str, Entry]:
    return {"pyvenv.cfg": text(config), "bin/python": link("/usr/bin/python3.12"), **files}


def _shell(word: str, coding: str = "") -> str:
    return f"#!/bin/sh\n{coding}'''exec' {word} \"$0\" \"$@\"\n' '''\n"


def _scripts() -> dict[str, Entry]:
    python, body = "{root}/bin/python", _TEMPLATES[0].format(**PLAIN)
    beside = '"$(dirname -- "$(realpath -- "$0")")"/'
    octal = " ".join(f"'\\'0{byte:03o}" for byte in b"python")
    first = {
        "plain": f"#!{python}\n",
        "bare": _shell(python),
        "double": _shell(f'"{python}"'),
        "single": _shell(f"'{python}'"),
        "beside": _shell(f"{beside}'python'"),
    }
    files = {f"bin/lines-{name}": text(lines + body) for name, lines in first.items()}
    files |= {
        f"bin/body-{number}": text(f"#!{python}\n{template.format(module='a.b', name='c', attr='c.d')}")
        for number, template in enumerate(_TEMPLATES, 1)
    }
    encoded = f'{beside}"$(printf %b {octal})"'
    return files | {
        "bin/script": text(f"#!{python}\nprint('a script')\n"),
        "bin/script-coded": text(_shell(encoded, "# coding: latin-1\n") + "# -*- coding: latin-1 -*-\nprint()\n"),
        "bin/script-coded-otherwise": text(_shell(encoded, "# coding: utf-8\n") + "# -*- coding: latin-1 -*-\n"),
        "bin/another-python": text(f"#!/usr/bin/python3\n{body}"),
        "bin/one-byte-more": text(f"#!{python}\n{body}#"),
        "bin/another-name": text(f"#!{python}\n{body.replace('import main', 'import other')}"),
        "bin/shell": text("#!/bin/sh\necho\n"),
        "bin/beside-with-options": text(_shell(f"{beside}'python' -E") + body),
        "bin/beside-another": text(_shell(f"{beside}'python2'") + body),
        "share/not-a-script": text(_shell(f"{beside}'python'") + body),
    }


def _startup() -> dict[str, Entry]:
    return {
        f"{SITE}/lines.pth": text("# a comment\n\nimport os\nimport\tsys\n  import re  \n/somewhere\r\nimportant\n"),
        f"{SITE}/mark.pth": raw("\ufeffimport os\n".encode()),
        f"{SITE}/ends.pth": raw(b"one\rtwo\r\nthree\x0cfour"),
        f"{SITE}/begins.start": text("plain:main\n# comment\n"),
        f"{SITE}/leads.pth": link("elsewhere.pth"),
        f"{SITE}/sitecustomize.py": text("import os\n"),
        f"{SITE}/usercustomize/__init__.py": text(""),
        f"{SITE}/usercustomize/more.py": text(""),
        f"{SITE}/folder/other.pth": text("import os\n"),
    }


VECTORS: dict[str, tuple[str, dict[str, Entry]]] = {
    "plain": (
        "a distribution with a module, a wrapper, a header and data; names that are normalised",
        _environment(
            {
                **distribution("Some.Thing", "1.0", folder="some_thing"),
                **distribution("other", "1.0.post1"),
                f"{SITE}/some_thing/__init__.py": text("ANSWER = 42\n"),
                f"{SITE}/some_thing/empty.txt": text(""),
                f"{SITE}/some_thing/bytes.bin": raw(bytes(range(256))),
                f"{SITE}/vendored/third-1.0.dist-info/METADATA": text("Name: third\nVersion: 1.0\n"),
                f"{SITE}/vendored/third-1.0.dist-info/RECORD": text(""),
                f"{SITE}/nothing-1.0.dist-info/RECORD": text(""),
                "include/site/python3.12/Some_Thing/thing.h": text("int i;\n"),
                "include/site/python3.12/thing.h": text("int j;\n"),
                "share/doc/thing.txt": text("thing\n"),
                "bin/thing": text("#!{root}/bin/python\n" + _TEMPLATES[1].format(**PLAIN)),
            }
        ),
    ),
    "scripts": ("every wrapper, every form of first lines, and what is none of these", _environment(_scripts())),
    "startup": (
        "startup files, and keys of pyvenv.cfg",
        _environment(
            _startup(),
            "HOME = /usr/bin\nversion_info = 3.12.1.final.0\nno equals sign\nInclude-System-Site-Packages = TRUE\n"
            "uv = 1\nrelocatable = true\nprompt = mine\nother = a = b\nother = last\n",
        ),
    ),
    "without-lines": (
        "what has no line, and what looks like that and has one",
        _environment(
            {
                **distribution("plain", "1.0"),
                f"{SITE}/plain-1.0.dist-info/REQUESTED": text(""),
                f"{SITE}/plain-1.0.dist-info/direct_url.json": text('{"archive_info": {}, "url": "file:///w.whl"}'),
                f"{SITE}/plain-1.0.dist-info/licenses/RECORD": text("no RECORD\n"),
                f"{SITE}/plain/__pycache__/a.cpython-312.pyc": raw(b"bytecode"),
                f"{SITE}/plain/__pycache__/a.cpython-312.opt-2.pyc": raw(b"bytecode"),
                f"{SITE}/plain/__pycache__/a.pyc": raw(b"no tag"),
                f"{SITE}/plain/__pycache__/a.cpython-312.py": text(""),
                f"{SITE}/plain/b.cpython-312.pyc": raw(b"beside"),
                "share/__pycache__/a.cpython-312.pyc": raw(b"bytecode"),
                "bin/python3": link("python"),
                "bin/python3.12": link("python"),
                "bin/python3.12-config": link("python"),
                "bin/activate": text("# any\n"),
                "bin/activate.fish": text("# any\n"),
                "bin/activate.evil": text("# any\n"),
                "bin/activate_this.py": text(""),
                "lib64": link("lib"),
                ".lock": text(""),
                ".gitignore": text("*\n"),
                "CACHEDIR.TAG": text("any\n"),
                "other.txt": text("any\n"),
            }
        ),
    ),
    "names": (
        "links, and names that are odd",
        _environment(
            {
                f"{SITE}/link.py": link("two\nlines"),
                f"{SITE}/loop": link("."),
                f"{SITE}/spaced name.py": text(""),
                f"{SITE}/new\nline.py": text(""),
                f"{SITE}/byte\udcff.py": text(""),
                f"{SITE}/\u00e9.py": text(""),
                f"{SITE}/Case.py": text(""),
                f"{SITE}/case.py": text(""),
                "lib64": link("elsewhere"),
            }
        ),
    ),
    "free-threaded": (
        "the folders of a free-threaded Python",
        {
            "pyvenv.cfg": text("home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.13.0\n"),
            "bin/python3.13t": link("/usr/bin/python3.13t"),
            **distribution("plain", "1.0", site="lib/python3.13t/site-packages"),
            "lib/python3.13t/site-packages/plain.py": text(""),
            "include/site/python3.13t/plain/plain.h": text(""),
        },
    ),
}


def materialise(files: Mapping[str, Entry], root: Path) -> None:
    """Make the environment of a vector in a folder."""
    for path, entry in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if "link" in entry:
            target.symlink_to(entry["link"])
        elif "base64" in entry:
            target.write_bytes(base64.b64decode(entry["base64"]))
        else:
            target.write_bytes(entry["text"].replace("{root}", str(root)).encode())


def vector(name: str, root: Path) -> dict[str, object]:
    """A vector as it is published, by this project's own code."""
    about, files = VECTORS[name]
    materialise(files, root)
    seen = inspect_environment(root, identify=lambda _: None, store=None).fingerprint
    lines = sorted(fact.line(path) for path, fact in seen.files.items())
    return {
        "about": about,
        "files": files,
        "lines": [line.decode("utf-8", "surrogateescape").split("\0", 2) for line in lines],
        "startup": list(seen.startup),
        "set": sorted(f"{dist.name}=={dist.version}" for dist in seen.distributions),
        "layers": {layer: seen.layers[layer] for layer in ("files", "set", "startup")},
    }


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name in VECTORS:
        with tempfile.TemporaryDirectory() as folder:
            document = json.dumps(vector(name, Path(os.path.realpath(folder))), indent=1)
        (FOLDER / f"{name}.json").write_text(document + "\n")


if __name__ == "__main__":
    main()
