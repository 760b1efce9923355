"""Real interpreters: what they say of themselves, their tags and markers, and environments made of them."""

import json
import subprocess
from pathlib import Path

import packaging
import pytest

from lockproof.errors import UnavailableError
from lockproof.pythons.interpreters import Discovery, find_interpreter, identify, known_interpreters
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python
from lockproof.pythons.probing import Probe

pytestmark = pytest.mark.integration

PACKAGING = Path(packaging.__file__).parent.parent
OLDEST_FOR_PACKAGING = 9  # its releases of today need 3.9
TAGS = "from packaging.tags import sys_tags; print(json.dumps([str(tag) for tag in sys_tags()]))"
MARKERS = "from packaging.markers import default_environment; print(json.dumps(default_environment()))"


@pytest.fixture(scope="session")
def search(tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    return Discovery(cache=tmp_path_factory.mktemp("interpreters"))


@pytest.fixture(scope="session")
def pythons(search: Discovery) -> list[Probe]:
    """Every release build of CPython at hand."""
    return [said for said in known_interpreters(search) if said.label == said.version]


def run_inside(executable: Path, code: str) -> str:
    """What `code` prints in that interpreter, which sees this process's packaging and nothing else of it."""
    program = f"import json, sys; sys.path.insert(0, {str(PACKAGING)!r}); {code}"
    return subprocess.run([executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True).stdout


def test_more_than_the_running_python_is_at_hand(pythons: list[Probe]) -> None:
    if len(pythons) < 2:
        pytest.skip("only one interpreter is installed here")
    assert len({said.executable for said in pythons}) == len(pythons)


def of_series(minor: int, pythons: list[Probe]) -> list[Probe]:
    """Those of one minor version; skips the test where there are none."""
    found = [said for said in pythons if said.version.startswith(f"3.{minor}.")]
    if not found:
        pytest.skip(f"no CPython 3.{minor} is installed here")
    return found


@pytest.mark.parametrize("minor", range(OLDEST_FOR_PACKAGING, 15))
def test_tags_are_those_of_packaging_inside_the_interpreter(minor: int, pythons: list[Probe]) -> None:
    for said in of_series(minor, pythons):
        tags = [str(tag) for tag in compatible_tags(parse_python(said.version), said.platform)]
        assert tags == json.loads(run_inside(said.executable, TAGS))


@pytest.mark.parametrize("minor", range(OLDEST_FOR_PACKAGING, 15))
def test_markers_are_those_of_packaging_inside_the_interpreter(minor: int, pythons: list[Probe]) -> None:
    for said in of_series(minor, pythons):
        stable = {"platform_release": "", "platform_version": ""}
        inside = json.loads(run_inside(said.executable, MARKERS)) | stable
        assert marker_environment(parse_python(said.version), said.platform) == inside


def test_each_is_found_by_its_exact_version_and_says_so_itself(pythons: list[Probe], search: Discovery) -> None:
    for said in pythons:
        found = find_interpreter(said.version, search)
        assert found.version == said.version
        inside = run_inside(found.executable, "import platform; print(platform.python_version())").strip()
        assert inside == said.version.removesuffix("t")


def test_no_two_builds_share_a_layer(pythons: list[Probe], search: Discovery) -> None:
    found = [find_interpreter(version, search) for version in sorted({said.version for said in pythons})]
    assert len({interpreter.layer for interpreter in found}) == len(found)


def test_what_is_remembered_is_what_is_found_anew(pythons: list[Probe], search: Discovery) -> None:
    version = pythons[0].version
    remembered = [find_interpreter(version, search) for _ in range(2)]
    anew = find_interpreter(version, Discovery())
    assert remembered == [anew, anew]


def test_a_patch_version_that_isn_t_here_is_an_error_with_the_near_miss(
    pythons: list[Probe], search: Discovery
) -> None:
    series = pythons[0].version.rpartition(".")[0]
    with pytest.raises(UnavailableError) as caught:
        find_interpreter(f"{series}.99", search)
    assert f"{pythons[0].version} at {pythons[0].executable}" in caught.value.why


@pytest.mark.parametrize("how", ["--symlinks", "--copies"])
def test_an_environment_on_path_stands_for_its_base(
    how: str, pythons: list[Probe], search: Discovery, tmp_path: Path
) -> None:
    base = pythons[0]
    environment = tmp_path / "with space"
    subprocess.run([base.executable, "-I", "-m", "venv", "--without-pip", how, environment], check=True)
    python = environment / "bin" / "python"
    inside = Discovery(environ={"PATH": str(python.parent)}, running=python, cache=search.cache)
    assert find_interpreter(base.version, inside).executable == base.executable
    identified = identify(python, inside)
    assert (identified and identified.executable) == (base.executable if how == "--symlinks" else None)


def test_old_pythons_are_known_or_left_out_but_break_nothing(search: Discovery) -> None:
    known = known_interpreters(search)
    assert [said for said in known if int(said.version.partition(".")[0]) < 3] == []
