"""What a team tolerates: `policy` in matrix.yaml, or a file of the same keys. The default tolerates nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lockproof.cells.shapes import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.shapes import Checker
    from lockproof.cells.trees import KeyPath, Value

EXACT = "exact"
BUILD = "build"
LIBC = "libc"
REWRITTEN = "rewritten"
SEED_NAMES = ("pip", "setuptools", "wheel")
INTERPRETERS = (EXACT, BUILD)
PLATFORMS = (EXACT, LIBC)
BYTECODE = (EXACT, REWRITTEN)
_KEYS = ("seeds", "interpreter", "platform", "bytecode")
_SEED = re.compile(r"(?P<name>[A-Za-z]+)(?:==(?P<version>[0-9][A-Za-z0-9.!+_-]*))?")
_EXPECTED = f"one of {', '.join(SEED_NAMES)}, or one with its version such as pip==26.3"


class Seed(NamedTuple):
    """A distribution that may be there beside the lock's; `version` empty stands for any."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What may differ from a prediction.

    `seeds` may be there though the lock doesn't name them; `interpreter` BUILD lets another build of the exact version
    pass, `platform` LIBC another version of the C library, `bytecode` REWRITTEN what pytest made of test modules.
    """

    seeds: tuple[Seed, ...] = ()
    interpreter: str = EXACT
    platform: str = EXACT
    bytecode: str = EXACT


STRICT = Policy()


def read_policy(check: Checker, at: KeyPath, value: Value) -> Policy:
    """The policy that a mapping says; what is wrong with it is noted."""
    data = check.mapping(at, value, _KEYS)
    if not isinstance(value, dict):
        return STRICT
    return Policy(
        seeds=_seeds(check, (*at, "seeds"), data["seeds"]) if "seeds" in data else (),
        interpreter=_choice(check, (*at, "interpreter"), data, INTERPRETERS),
        platform=_choice(check, (*at, "platform"), data, PLATFORMS),
        bytecode=_choice(check, (*at, "bytecode"), data, BYTECODE),
    )


def _choice(check: Checker, at: KeyPath, data: dict[str, Value], choices: Sequence[str]) -> str:
    key = str(at[-1])
    return (check.choice(at, data[key], choices) or EXACT) if key in data else EXACT


def _seeds(check: Checker, at: KeyPath, value: Value) -> tuple[Seed, ...]:
    seeds: dict[str, Seed] = {}
    for item_at, item in check.items(at, value, f"a list such as [{', '.join(SEED_NAMES)}]"):
        match = _SEED.fullmatch(item) if isinstance(item, str) else None
        name = match["name"].lower() if match else ""
        if match is None or name not in SEED_NAMES:
            hint = did_you_mean(name or str(item), SEED_NAMES) if isinstance(item, str) else ""
            check.expected(item_at, item, _EXPECTED, hint or "anything else belongs into the lock")
        elif name in seeds:
            check.problem(item_at, f"found {name} a second time, expected it once")
        else:
            seeds[name] = Seed(name, match["version"] or "")
    return tuple(seeds.values())
