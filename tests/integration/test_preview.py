"""`lockproof predict --preview`: what wheels say of themselves where they lie, quick and labelled unproven."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.loopback import Fault
from support.reports import findings_of, is_right
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex
    from support.projects import Project
    from support.reports import Json

pytestmark = pytest.mark.integration
LARGE = bytes(range(256)) * 4096  # a MiB, of which a preview reads nothing


def served(project: Project, serve: Callable[[Project], LoopbackIndex], *, by_hash: bool = False) -> LoopbackIndex:
    """A project whose sample, and a large wheel, lie on an index; locked with URLs, or by hash alone."""
    project.sample()
    project.wheel("large", "1.0", {"large/__init__.py": "", **{f"large/{n}.bin": LARGE[n:] for n in range(4)}})
    index = serve(project)
    if by_hash:
        project.requirements(f"--index-url {index.url}")
        project.matrix(lock="requirements.txt", commands=["plain"])
    else:
        project.lock(index=index.base)
        project.matrix(commands=["plain"])
    return index


def without_label(fingerprint: Json) -> Json:
    return {key: value for key, value in fingerprint.items() if key not in ("about", "findings")}


@pytest.mark.parametrize("by_hash", [False, True], ids=["by URL", "by hash"])
def test_a_preview_is_unproven_and_the_whole_download_is_a_proof(
    small: Project, serve: Callable[[Project], LoopbackIndex], by_hash: bool
) -> None:
    index = served(small, serve, by_hash=by_hash)
    preview = small.json("predict", "--preview")
    about = preview["about"]
    assert isinstance(about, dict)
    assert (about["level"], about["verdict"], findings_of(preview)) == ("preview", "unproven", [("preview", "")])
    files = [seen for seen in index.requests if seen.path.startswith("/files/")]
    assert {"range" in seen.headers for seen in files} == {True}
    assert not (small.cache / "store" / "wheels").exists()
    text = small("predict", "--preview")
    assert (text.code, "can't vouch for what is in it" in text.out) == (0, True)
    saved = small.write("preview.json", json.dumps(preview))

    whole = small.json("predict")
    assert without_label(whole) == without_label(preview)
    after = small.json("predict", "--preview")
    assert (after["about"]["level"], after["about"]["verdict"]) == ("proof", "match")  # type: ignore[index]
    assert (without_label(after), findings_of(after)) == (without_label(whole), [])

    ran = small.run()
    is_right(ran)
    held = small.json("verify", str(small.environment(ran)), "--expect", str(saved), code=4)
    assert (held["verdict"], findings_of(held)) == ("unproven", [("preview", "")])
    saved.write_text(json.dumps(after))
    assert small.json("verify", str(small.environment(ran)), "--expect", str(saved))["verdict"] == "match"


def test_a_preview_reads_little(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    index = served(small, serve)
    small("predict", "--preview")
    asked = [seen.headers["range"] for seen in index.requests if "large-1.0" in seen.path]
    bounds = [range_.removeprefix("bytes=").split("-") for range_ in asked]
    wheel = next(path for path in small.wheels if path.name.startswith("large"))
    assert sum(min(int(stop) + 1, wheel.stat().st_size) - int(start) for start, stop in bounds) <= 3 << 16


def test_a_wheel_that_lies_of_itself_has_a_preview_that_is_no_match(
    small: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    """The index has another file than the locked one; only a whole download can tell."""
    index = served(small, serve)
    name = next(path.name for path in small.wheels if path.name.startswith("plain"))
    other = make_wheel(small.base / "other", "plain", "1.0", {"plain.py": "evil = 1\n"})
    index.faults[name] = Fault(body=other.read_bytes())
    assert findings_of(small.json("predict", "--preview")) == [("preview", "")]
    ended = small("predict")
    assert (ended.code, "is not the file that was locked" in ended.err) == (5, True)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(no_ranges=True), "the server gives whole files only, no ranges"),
        (Fault(status=404), "HTTP 404 Not Found"),
        (Fault(body=b"<html>no wheel</html>"), "it is no zip archive"),
    ],
    ids=["no ranges", "not there", "no wheel"],
)
def test_what_gives_no_preview_says_why(
    small: Project, serve: Callable[[Project], LoopbackIndex], fault: Fault, why: str
) -> None:
    index = served(small, serve)
    index.faults[next(path.name for path in small.wheels if path.name.startswith("plain"))] = fault
    ended = small("predict", "--preview")
    assert (ended.code, ended.out) == (2 if "zip" in why else 4, "")
    assert why in ended.err


def test_what_has_to_be_built_has_no_preview(small: Project) -> None:
    small.sdist("source", "1.0", {"setup.py": ""})
    small.lock()
    small.matrix(build="allow")
    ended = small("predict", "--preview")
    assert (ended.code, "source-1.0.tar.gz has to be built" in ended.err) == (4, True)


def test_a_folder_of_wheels_has_previews_too(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix()
    preview = small.json("predict", "--preview")
    assert (findings_of(preview), preview["about"]["level"]) == ([("preview", "")], "preview")  # type: ignore[index]
