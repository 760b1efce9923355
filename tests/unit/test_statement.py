"""The statement: its published schema, what it names, and that it is the same bytes for the same facts."""

from __future__ import annotations

import importlib
import json
from importlib.resources import files

import pytest

from lockproof import __version__
from lockproof.attestation.statement import PREDICATE_TYPE, STATEMENT_TYPE, parse_statement, statement_bytes
from lockproof.attestation.statement import statement_of as of_proof
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import FileFact, Finding, finding_to_json
from support.attesting import ABOUT, environment, statement

NOTE = Finding("hash-style", "site/demo-1.0.dist-info/RECORD", "hashes are hexadecimal", "note")


def test_it_says_what_was_proven_and_nothing_else() -> None:
    made = statement(findings=(NOTE,))
    layers = environment().layers
    demo = environment().distributions[0]
    wheel = {"filename": "demo-1.0-py3-none-any.whl", "sha256": "a" * 64}
    assert json.loads(statement_bytes(made)) == {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "subject": [
            {"name": "3.12.1-linux-x86_64", "digest": {"sha256": layers["files"].removeprefix("sha256:")}},
            {"name": wheel["filename"], "digest": {"sha256": wheel["sha256"]}},
        ],
        "predicate": {
            "cell": "3.12.1-linux-x86_64",
            "python": "3.12.1",
            "platform": "linux-x86_64",
            "selector": "packaging 26.3",
            "verdict": "match",
            "lock": {"digest": {"sha256": "c" * 64}},
            "lockproof": __version__,
            "digest": environment().digest,
            "layers": layers,
            "distributions": [{"name": "demo", "version": "1.0", "artifact": wheel, "files": demo.files}],
            "interpreter": {"version": "3.12.1"},
            "system": {},
            "tolerated": [],
            "expected": [finding_to_json(NOTE)],
            "findings": [],
        },
    }


def test_what_is_written_is_read_back() -> None:
    made = statement(findings=(NOTE,))
    payload = statement_bytes(made)
    read = parse_statement(payload, "f")
    assert (read.subjects, read.told, read.attested.findings) == (made.subjects, (), (NOTE,))
    assert (read.attested.layers, read.attested.digest) == (made.attested.layers, made.attested.digest)
    assert read.about == {**ABOUT, "lockproof": __version__}
    assert payload == statement_bytes(made) == statement_bytes(read)


@pytest.mark.parametrize("observed", [environment(files={"site/demo/core.py": FileFact("f", "2" * 64, 1)})])
def test_nothing_but_a_match_is_attested(observed: object) -> None:
    proof = prove(environment(), observed)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the verdict is mismatch"):
        of_proof(proof, ABOUT)


def test_the_published_schema_is_that_of_what_is_written() -> None:
    """And it is strict: whatever is left out, it notices."""
    jsonschema = importlib.import_module("jsonschema")
    schema = json.loads((files("lockproof") / "schemas" / "environment-v1.json").read_text())
    assert f"{schema['$id']}#lockproof/environment/v1" == PREDICATE_TYPE
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    predicate = json.loads(statement_bytes(statement(findings=(NOTE,))))["predicate"]
    assert list(validator.iter_errors(predicate)) == []
    for key in predicate:
        assert not validator.is_valid({name: value for name, value in predicate.items() if name != key})
    assert not validator.is_valid({**predicate, "verdict": "unproven"})
