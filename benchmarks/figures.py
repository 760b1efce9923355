"""Seconds to ratios, tables and JSON: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN = "<!-- benchmarks/run.py writes from here -->"
END = "<!-- benchmarks/run.py writes to here -->"
OURS = "lockproof"


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """Contenders that did the same work side by side.

    `seconds` has the wall time of each contender in each round, in order; the first contender is ours. `goals` says
    of some contenders which part of their time ours may take at most.
    """

    key: str
    title: str
    what: str
    seconds: Mapping[str, Sequence[float]]
    goals: Mapping[str, float]

    def ratio(self, peer: str) -> float:
        """The part of a peer's time that ours took: the median of the rounds' ratios.

        Both sides of one ratio are of one round, so that what slows the machine down for a while slows both.
        """
        return median(ours / theirs for ours, theirs in zip(self.seconds[OURS], self.seconds[peer], strict=True))

    def missed(self) -> list[str]:
        """Goals that were not reached, in words."""
        return [
            f"{self.title}: {self.ratio(peer):.2f} of {peer}, the goal is {goal:.2f}"
            for peer, goal in self.goals.items()
            if self.ratio(peer) > goal
        ]


def markdown(races: Sequence[Race], facts: Mapping[str, str], command: str) -> str:
    """All races as Markdown: the command that made the figures, what they were made on, and a table a race."""
    rounds = {len(times) for race in races for times in race.seconds.values()}
    lines = [
        f"Made by `{command}`, {' to '.join(str(count) for count in sorted({min(rounds), max(rounds)}))} rounds.",
        "",
        *(f"- {name}: {value}" for name, value in facts.items()),
        "",
    ]
    return "\n".join(lines) + "\n" + "\n".join(_table(race) for race in races)


def _table(race: Race) -> str:
    lines = [
        f"### {race.title}",
        "",
        race.what,
        "",
        "| | median | fastest | lockproof takes | goal |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, times in race.seconds.items():
        part = "" if name == OURS else f"{race.ratio(name):.2f} of it"
        goal = f"{race.goals[name]:.2f}" if name in race.goals else ""
        lines.append(f"| {name} | {_seconds(median(times))} | {_seconds(min(times))} | {part} | {goal} |")
    return "\n".join([*lines, ""])


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def document(races: Sequence[Race], facts: Mapping[str, str]) -> dict[str, object]:
    """All races as JSON: every round's seconds, and for each peer the ratio and the goal (null where there is none)."""
    return {
        "schema": "lockproof/benchmark/v1",
        "facts": dict(facts),
        "races": [
            {
                "key": race.key,
                "title": race.title,
                "seconds": {name: list(times) for name, times in race.seconds.items()},
                "ratios": {
                    name: {"ratio": race.ratio(name), "goal": race.goals.get(name)}
                    for name in race.seconds
                    if name != OURS
                },
            }
            for race in races
        ],
    }


def written_into(text: str, tables: str) -> str:
    """`text` with what stands between its two markers replaced; ValueError where they aren't there once, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected the lines {BEGIN} and {END} in it, once each and in this order")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{rest.split(END)[1]}"
