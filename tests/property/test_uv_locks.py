"""Laws of uv.lock: any text is read or refused; a lock of several exports answers as each of them alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockproof.errors import LockError, ProblemsError
from lockproof.locks import Selection
from lockproof.locks.plan import plan_cells
from lockproof.locks.uvexport import Export, Names, lock_of_exports
from lockproof.locks.uvlock import parse_uv_lock
from support.lockdata import FOLDER, cell, hex_of

LINES = st.sampled_from(
    [
        *(
            "version = 1",
            "[manifest]",
            'members = ["a", "b"]',
            "members = 3",
            "[manifest.dependency-groups]",
            "dev = []",
        ),
        *("[[package]]", 'name = "a"', 'name = "b"', 'version = "1"', 'source = { virtual = "." }', "package = 3"),
        *('source = { editable = "p/b" }', 'source = { virtual = "\\u0000" }', "[package.metadata]", "metadata = []"),
        *('provides-extras = ["x", 3]', "[package.metadata.requires-dev]", "requires-dev = 3", "é = 'x", "[package]"),
    ]
)
TEXTS = st.one_of(st.lists(LINES, max_size=25).map("\n".join), st.text(), st.text().map("version = 1\n".__add__))


@given(TEXTS, st.sampled_from([".", "p/b", "p/b/c", "..", "p"]))
def test_any_text_is_read_or_refused(text: str, asked: str) -> None:
    try:
        lock = parse_uv_lock(text, "uv.lock")
        target = lock.target(asked)
    except LockError as error:
        assert error.where.startswith("uv.lock")
        assert error.remedy
        return
    assert set(target.own_groups) <= set(target.groups)
    assert all(
        text.removeprefix("\ufeff").split("\n")[entry.line - 1].startswith("[[package]]") for entry in lock.entries
    )


NAMES = ("a", "b", "c")
VERSIONS = ("1", "2")
UV = parse_uv_lock(
    "version = 1\n"
    + "\n".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "x" }}\n'
        f"# sha256:{hex_of(name + version)}"
        for name in NAMES
        for version in VERSIONS
    ),
    "uv.lock",
)
MARKERS = st.sampled_from(
    [None, "python_version < '3.12'", "python_version >= '3.12'", "os_name == 'nt' or os_name == 'posix'"]
)
PACKAGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VERSIONS), MARKERS), max_size=5, unique=True)
SELECTIONS = st.builds(
    Selection,
    extras=st.frozensets(st.sampled_from(["e", "f"])),
    groups=st.frozensets(st.sampled_from(["dev", "g", "h"])),
)


def export(selection: Selection, packages: list[tuple[str, str, str | None]]) -> Export:
    found = [
        {
            "name": name,
            "version": version,
            **({"marker": marker} if marker else {}),
            "wheels": [
                {
                    "name": f"{name}-{version}-py3-none-any.whl",
                    "path": "x",
                    "hashes": {"sha256": hex_of(name + version)},
                }
            ],
        }
        for name, version, marker in packages
    ]
    return Export(selection=selection, document={"packages": found})


def answer(exports: list[Export], selection: Selection) -> list[list[tuple[str, str]]] | str:
    names = Names(extras=["e", "f"], groups=["dev", "g", "h"], default_groups=["dev"])
    lock = lock_of_exports(UV, exports, names, sha256="0" * 64, folder=FOLDER)
    extras, groups = tuple(selection.extras), tuple(selection.groups)
    cells = [cell(python, extras=extras, groups=groups) for python in ("3.11.7", "3.12.1")]
    cells += [cell(extras=extras)] if groups == ("dev",) else []
    try:
        return [[(one.name, one.version) for one in plan.artifacts] for plan in plan_cells(lock, cells)]
    except (LockError, ProblemsError):
        return "refused"


@given(st.dictionaries(SELECTIONS, PACKAGES, min_size=1, max_size=5))
def test_a_lock_of_several_exports_answers_as_each_of_them_alone(
    exports: dict[Selection, list[tuple[str, str, str | None]]],
) -> None:
    together = [export(selection, packages) for selection, packages in exports.items()]
    for alone in together:
        assert answer(together, alone.selection) == answer([alone], alone.selection)
