"""`lockproof attest` and `verify --attestation`: what one checkout attests holds on another, and no forgery does."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.attesting import Json, envelope_of, holds, payload_of, signature, write_keys
from support.projects import Project, make_project
from support.reports import findings_of, is_right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A checkout whose cells were run, another one of the same project, and what the first attests of its cells."""

    first: Project
    second: Project
    cells: tuple[str, ...]  # one for each Python
    key: Ed25519PrivateKey
    private: Path
    public: Path
    envelopes: tuple[Json, ...]

    def environment(self, project: Project, number: int = 0) -> str:
        return str(project.folder / ".lockproof" / self.cells[number])

    def save(self, *envelopes: Json, name: str = "given.jsonl") -> str:
        path = self.first.base / name
        path.write_text("".join(json.dumps(envelope) + "\n" for envelope in envelopes))
        return str(path)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, pythons: dict[str, Path], warm: Path) -> Signed:
    first = make_project(tmp_path_factory.mktemp("attest"), pythons, warm=warm)
    first.sample()
    first.lock()
    first.matrix(commands=["plain"])
    second = first.checkout(first.base / "another checkout")
    cells: tuple[str, ...] = ()
    for project in (first, second):
        ran = project.run()
        is_right(ran)
        cells = tuple(str(cell["id"]) for cell in ran.cells)
    key = Ed25519PrivateKey.generate()
    private = write_keys(first.base / "keys", "key", key)
    ended = first("attest", "--key", str(private))
    assert ended.code == 0, ended
    envelopes = tuple(json.loads(line) for line in ended.out.splitlines())
    return Signed(
        first=first,
        second=second,
        cells=cells,
        key=key,
        private=private,
        public=private.with_name("key.pub"),
        envelopes=envelopes,
    )


def verify(signed: Signed, file: str, *more: str, number: int = 0, code: int = 0) -> Json:
    target = signed.environment(signed.second, number)
    return signed.second.json("verify", target, "--attestation", file, "--key", str(signed.public), *more, code=code)


def test_what_one_checkout_attests_holds_on_another(signed: Signed) -> None:
    for number, cell in enumerate(signed.cells):
        file = signed.save(signed.envelopes[number])
        for more in ((), ("--cell", cell)):
            proof = verify(signed, file, *more, number=number)
            assert (proof["verdict"], findings_of(proof), proof["predicted"]) == ("match", [], proof["observed"])
            assert proof["attestation"]["cell"] == cell  # type: ignore[index]
    ended = signed.second(
        "verify", signed.environment(signed.second), "--attestation", file, "--key", str(signed.public)
    )
    assert (ended.code, ended.out.splitlines()[0].partition(":")[0]) == (3, "mismatch")


def test_a_bundle_holds_for_each_of_its_environments(signed: Signed) -> None:
    file = signed.save(*signed.envelopes)
    for number, cell in enumerate(signed.cells):
        proof = verify(signed, file, number=number)
        assert (proof["verdict"], proof["attestation"]["cell"]) == ("match", cell)  # type: ignore[index]
        target = signed.environment(signed.second, number)
        told = signed.second("verify", target, "--attestation", file, "--key", str(signed.public)).out
        assert told.splitlines()[1].startswith(f"  of 2 attestations: attestation of {cell}, lock sha256:")


def test_the_same_is_attested_everywhere_and_always(signed: Signed) -> None:
    """Payloads hold nothing of a time, a path or a machine."""
    file = signed.second.folder / "out.jsonl"
    ended = signed.second("attest", *signed.cells, "--key", str(signed.private), "-o", str(file))
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (0, "", len(signed.cells))
    again = [json.loads(line) for line in file.read_text().splitlines()]
    assert [envelope["payload"] for envelope in again] == [envelope["payload"] for envelope in signed.envelopes]
    text = json.dumps([payload_of(envelope) for envelope in again])
    assert str(signed.first.base) not in text


def test_the_statement_names_the_files_and_every_wheel(signed: Signed) -> None:
    statement = payload_of(signed.envelopes[0])
    lock = (signed.first.folder / "pylock.toml").read_bytes()
    predicted = signed.first.json("predict", signed.cells[0])
    layers: dict[str, str] = predicted["layers"]  # type: ignore[assignment]
    wheels = [dist["artifact"] for dist in predicted["distributions"]]  # type: ignore[attr-defined]
    subjects = [(signed.cells[0], layers["files"].removeprefix("sha256:"))]
    subjects += sorted((wheel["filename"], wheel["sha256"]) for wheel in wheels)
    assert [(s["name"], s["digest"]["sha256"]) for s in statement["subject"]] == subjects  # type: ignore[attr-defined]
    predicate: Json = statement["predicate"]  # type: ignore[assignment]
    assert {key: predicate[key] for key in ("cell", "digest", "layers", "verdict", "python")} == {
        "cell": signed.cells[0],
        "digest": predicted["digest"],
        "layers": layers,
        "verdict": "match",
        "python": next(iter(signed.first.pythons)),
    }
    assert predicate["lock"] == {"digest": {"sha256": hashlib.sha256(lock).hexdigest()}}


def test_other_tools_read_it(signed: Signed) -> None:
    """Bare cryptography, securesystemslib's own envelope, and in-toto's own statement."""
    envelope = signed.envelopes[0]
    assert holds(signed.key, envelope)
    dsse, signer = importlib.import_module("securesystemslib.dsse"), importlib.import_module("securesystemslib.signer")
    key = signer.SSlibKey.from_crypto(signed.key.public_key())
    read = dsse.Envelope.from_dict(json.loads(json.dumps(envelope)))
    assert list(read.verify([key], 1)) == [key.keyid]
    statements = importlib.import_module("in_toto_attestation.v1.statement")
    pb = importlib.import_module("in_toto_attestation.v1.statement_pb2")
    parsed = importlib.import_module("google.protobuf.json_format").Parse(read.payload.decode(), pb.Statement())
    statements.Statement.copy_from_pb(parsed).validate()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_keys_of_ssh_keygen(signed: Signed, tmp_path: Path, kind: str) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("ssh-keygen is not installed")
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "open sesame", "-C", "x", "-f", str(key)], check=True)
    arguments = ("attest", signed.environment(signed.first), "--cell", signed.cells[0], "--key", str(key))
    refused = signed.first(*arguments)
    assert (refused.code, "LOCKPROOF_KEY_PASSPHRASE" in refused.err) == (2, True)
    wrong = signed.first(*arguments, env={"LOCKPROOF_KEY_PASSPHRASE": "wrong"})
    assert wrong.code == 2
    ended = signed.first(*arguments, env={"LOCKPROOF_KEY_PASSPHRASE": "open sesame"})
    file = signed.save(json.loads(ended.out))
    target = signed.environment(signed.second)
    checked = signed.second("verify", target, "--attestation", file, "--key", f"{key}.pub")
    assert checked.code == 0, checked


def resigned(signed: Signed, change: Callable[[Json], object], key: Ed25519PrivateKey | None = None) -> Json:
    """The first envelope with its statement changed, and signed anew."""
    statement = payload_of(signed.envelopes[0])
    change(statement)
    payload = json.dumps(statement).encode()
    return envelope_of(payload, signature(key or signed.key, payload))


def test_another_key_a_changed_payload_and_another_cells_statement_are_refused(signed: Signed) -> None:
    target, public = signed.environment(signed.second), str(signed.public)
    stranger = Ed25519PrivateKey.generate()
    changed = resigned(signed, lambda s: s.update(note="x"), stranger)
    file = signed.save(changed)
    ended = signed.second("verify", target, "--attestation", file, "--key", public)
    assert (ended.code, ended.out) == (3, "")
    assert "not signed with the key" in ended.err
    file = signed.save(signed.envelopes[1])
    proof = verify(signed, file, "--cell", signed.cells[0], code=3)
    assert ("attested", "cell") in findings_of(proof)


def test_a_statement_of_another_environment_is_a_mismatch_that_names_the_distribution(signed: Signed) -> None:
    changed = signed.first.base / "changed"
    if not changed.exists():
        shutil.copytree(signed.environment(signed.first), changed, symlinks=True)
    (module,) = changed.glob("lib/python*/site-packages/plain/__init__.py")
    module.chmod(0o644)
    module.write_text("ANSWER = 43\n")
    file, public = signed.save(signed.envelopes[0]), str(signed.public)
    proof = signed.first.json("verify", str(changed), "--attestation", file, "--key", public, code=3)
    assert (proof["verdict"], proof["layer"]) == ("mismatch", "files")
    assert ("attested", "files") in findings_of(proof)
    assert ("attested", "plain") in findings_of(proof)
    told = signed.first("verify", str(changed), "--attestation", file, "--key", public).out.splitlines()
    assert [line.partition(":")[0] for line in told[:2]] == [
        "mismatch",
        f"  attestation of {signed.cells[0]}, lock sha256",
    ]
    attested = sorted(path for code, path in findings_of(proof) if code == "attested")
    assert [line.split(": ")[1] for line in told[2 : 2 + len(attested)]] == attested  # before all others
    refused = signed.first("attest", str(changed), "--cell", signed.cells[0], "--key", str(signed.private))
    assert (refused.code, refused.out, refused.err.splitlines()[-1]) == (3, "", "nothing was attested")


def test_another_lock_is_told_where_a_cell_is_named(signed: Signed) -> None:
    """The cell's prediction is the same, but the file isn't that which the attestation speaks of."""
    file = signed.save(signed.envelopes[0])
    lock = signed.second.folder / "pylock.toml"
    before = lock.read_text()
    lock.write_text(before + "# one more line\n")
    try:
        proof = verify(signed, file, "--cell", signed.cells[0], code=3)
    finally:
        lock.write_text(before)
    assert findings_of(proof) == [("attested", "lock")]


def test_a_saved_fingerprint_is_verified_and_never_attested(signed: Signed) -> None:
    saved = signed.first.base / "saved.json"
    saved.write_text(signed.first("fingerprint", signed.environment(signed.first), "--json").out)
    file, public = signed.save(signed.envelopes[0]), str(signed.public)
    assert signed.first("verify", str(saved), "--attestation", file, "--key", public).code == 0
    refused = signed.first("attest", str(saved), "--cell", signed.cells[0], "--key", str(signed.private))
    assert (refused.code, refused.out) == (2, "")


USAGE = {
    "attest without a key": (["attest"], "--key"),
    "attest with a key that isn't there": (["attest", "--key", "nowhere"], "nowhere"),
    "attest with a public key": (["attest", "--key", "{public}"], "no private key"),
    "attest of two targets": (["attest", "a", "b", "--cell", "{cell}", "--key", "{private}"], "one TARGET"),
    "attest of what was not made": (
        ["attest", "--matrix", "more.yaml", "--key", "{private}"],
        "has no environment here",
    ),
    "verify without a key": (["verify", ".", "--attestation", "f"], "--key"),
    "verify with a private key": (["verify", ".", "--attestation", "f", "--key", "{private}"], "private key"),
    "verify of nothing": (["verify", ".", "--attestation", "nowhere", "--key", "{public}"], "nowhere"),
    "both": (["verify", ".", "--attestation", "f", "--expect", "g", "--key", "{public}"], "--expect"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage_errors_say_what_to_do(signed: Signed, case: str) -> None:
    arguments, part = USAGE[case]
    names = {"public": signed.public, "private": signed.private, "cell": signed.cells[0]}
    matrix = json.loads((signed.first.folder / "matrix.yaml").read_text())
    signed.first.write("more.yaml", json.dumps({**matrix, "platform": ["macos-arm64"]}))
    ended = signed.first(*(argument.format_map(names) for argument in arguments))
    assert (ended.code, ended.out) == (2, "")
    assert part in ended.err


def test_without_the_libraries_it_says_what_to_install(signed: Signed, tmp_path: Path) -> None:
    (tmp_path / "securesystemslib").mkdir()
    (tmp_path / "securesystemslib" / "__init__.py").write_text("raise ImportError('not here')\n")
    path = f"{tmp_path}:{signed.first.environ['PYTHONPATH']}"
    for arguments in (("attest",), ("verify", ".", "--attestation", "f", "--key", "k")):
        ended = signed.first(*arguments, env={"PYTHONPATH": path})
        assert (ended.code, ended.out, 'pip install "lockproof[attest]"' in ended.err) == (4, "", True)
