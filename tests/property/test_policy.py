"""Laws of policies: a strict one changes nothing, none excuses a locked file, and what one lets pass is listed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from lockproof.cells.policykeys import BYTECODE, INTERPRETERS, PLATFORMS, SEED_NAMES, STRICT, Policy, Seed
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import (
    FileFact,
    Finding,
    Fingerprint,
    artifacts_digest,
    files_digest,
    interpreter_digest,
    platform_digest,
)
from lockproof.proof.policy import apply
from lockproof.pythons.buildrows import part_digest
from support.fingerprints import DISTUTILS_LINE, environment, pip, setuptools

LOCKED = {
    "demo==1.0": {"site/demo/core.py": "x = 1\n", "site/demo/more.py": "", "scripts/demo": "demo:main"},
    "other==2.0": {"site/other.py": "y = 2\n"},
}
POLICIES = st.builds(
    Policy,
    seeds=st.lists(
        st.builds(Seed, st.sampled_from(SEED_NAMES), st.sampled_from(["", "23.2.1", "65.5.0", "1.0"])),
        unique_by=lambda seed: seed.name,
    ).map(tuple),
    interpreter=st.sampled_from(INTERPRETERS),
    platform=st.sampled_from(PLATFORMS),
    bytecode=st.sampled_from(BYTECODE),
)
_HEX = st.integers(0, 3).map("{:064x}".format)
_ROWS = st.dictionaries(
    st.sampled_from(["stdlib/os.py", "stdlib/test/", "stdlib/evil.py", "stdlib/idlelib/a.py", "lib-dynload/a.so"]),
    _HEX,
)


@st.composite
def sides(draw: st.DrawFn, *, seeds: bool) -> Fingerprint:
    """An environment that holds what is locked, seeds or none, and tells of any Python and platform."""
    pins = dict(LOCKED)
    startup: tuple[str, ...] = ()
    if seeds and draw(st.booleans()):
        pins |= pip(**draw(st.dictionaries(st.sampled_from(["site/pip/a.py", "site/demo/x.py"]), st.just("z"))))
    if seeds and draw(st.booleans()):
        pins |= setuptools()
        startup = (DISTUTILS_LINE,)
    rows = draw(_ROWS)
    python = {"version": draw(st.sampled_from(["3.12.1", "3.12.2"])), "build": draw(st.sampled_from(["a", "b"]))}
    python |= {part: part_digest(part, rows) for part in ("stdlib", "lib-dynload")}
    platform = {"libc": "glibc", "glibc version": draw(st.sampled_from(["2.31", "2.36"]))}
    rewritten = [Finding("bytecode-rewritten", "site/demo/x.pyc", "is what pytest made of a test module", "unproven")]
    findings = tuple(rewritten if seeds and draw(st.booleans()) else [])
    side = environment(pins, startup=startup, findings=findings)
    layers = {**side.layers, "interpreter": interpreter_digest(python), "platform": platform_digest(platform)}
    for layer in draw(st.sets(st.sampled_from(["interpreter", "platform"]))):
        del layers[layer]
    rows = draw(st.sampled_from([rows, {}]))
    return replace(side, interpreter=python, interpreter_files=rows, platform=platform, layers=layers)


def as_locked(side: Fingerprint) -> Fingerprint:
    known = tuple(replace(dist, artifact=(f"{dist.name}.whl", "a" * 64)) for dist in side.distributions)
    return replace(side, distributions=known, layers={**side.layers, "artifacts": artifacts_digest(known) or ""})


@given(sides(seeds=False), sides(seeds=True))
def test_a_strict_policy_changes_nothing(locked: Fingerprint, observed: Fingerprint) -> None:
    proof = prove(as_locked(locked), observed)
    assert apply(STRICT, proof) is proof


@given(sides(seeds=False), sides(seeds=True), POLICIES)
def test_what_a_policy_lets_pass_is_listed(locked: Fingerprint, observed: Fingerprint, policy: Policy) -> None:
    proof = prove(as_locked(locked), observed)
    under = apply(policy, proof)
    assert under.predicted is proof.predicted
    assert under.observed is proof.observed
    refused = [finding for finding in under.findings if finding.code == "seed"]
    if not under.tolerated:
        assert under == replace(proof, findings=(*refused, *proof.findings))
        assert not refused or proof.verdict == "mismatch"
    if under.verdict == "match":
        assert under.layer == ""


@given(sides(seeds=False), sides(seeds=True), POLICIES)
def test_a_policy_tolerates_only_what_it_names(locked: Fingerprint, observed: Fingerprint, policy: Policy) -> None:
    tolerated = apply(policy, prove(as_locked(locked), observed)).tolerated
    named = {f"seeds: {seed}" for seed in policy.seeds}
    named |= {f"interpreter: {policy.interpreter}", f"platform: {policy.platform}", f"bytecode: {policy.bytecode}"}
    assert {tolerance.rule for tolerance in tolerated} <= {rule for rule in named if not rule.endswith(": exact")}


@given(sides(seeds=False), sides(seeds=True), POLICIES, st.data())
def test_no_policy_excuses_a_file_of_a_locked_distribution(
    locked: Fingerprint, observed: Fingerprint, policy: Policy, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(locked.files)))
    fact = data.draw(st.sampled_from([None, FileFact("f", "0" * 64, 1), FileFact("l", "elsewhere")]))
    files = {**observed.files, **({path: fact} if fact else {})}
    if fact is None:
        del files[path]
    assume(files != observed.files)
    tampered = replace(observed, files=files, layers={**observed.layers, "files": files_digest(files)})
    under = apply(policy, prove(as_locked(locked), tampered))
    assert under.verdict == "mismatch"
    assert path in [finding.path for finding in under.findings]
