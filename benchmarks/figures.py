"""Seconds to ratios, tables and JSON: values in, values out."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN = "<!-- benchmarks/run.py writes from here -->"
END = "<!-- benchmarks/run.py writes to here -->"
OURS = "lockproof"


class Time(NamedTuple):
    """Seconds of one run: by the clock, and of work by all its processes on all cores."""

    wall: float
    work: float

    def __str__(self) -> str:
        return f"{_seconds(self.wall)}, work {_seconds(self.work)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Race:
    """Contenders that did the same work side by side.

    `times` has each contender's time of each round, in the same order for all; one contender is ours. `goals` says of
    some contenders which part of their time by the clock ours may take at most.
    """

    key: str
    title: str
    what: str
    times: Mapping[str, Sequence[Time]]
    goals: Mapping[str, float]

    def ratio(self, peer: str) -> float:
        """The part of a peer's time that ours took: the median of the rounds' ratios.

        Both sides of one ratio are of one round, so that what slows the machine down for a while slows both.
        """
        rounds = zip(self.times[OURS], self.times[peer], strict=True)
        return median(ours.wall / theirs.wall for ours, theirs in rounds)

    def missed(self) -> list[str]:
        """Goals that were not reached, in words."""
        return [
            f"{self.title}: {self.ratio(peer):.2f} of {peer}, the goal is {goal:.2f}"
            for peer, goal in self.goals.items()
            if self.ratio(peer) > goal
        ]


def markdown(races: Sequence[Race], facts: Mapping[str, str], command: str) -> str:
    """All races as Markdown: the command that made the figures, what they were made on, and a table a race."""
    lines = [
        f"Made by `{command}`. Times are by the clock; work is what all processes did on all cores.",
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
        "| | median | fastest | work, median | lockproof takes | goal |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, times in race.times.items():
        wall = [time.wall for time in times]
        work = median(time.work for time in times)
        part = "" if name == OURS else f"{race.ratio(name):.2f} of it"
        goal = f"{race.goals[name]:.2f}" if name in race.goals else ""
        cells = [name, _seconds(median(wall)), _seconds(min(wall)), _seconds(work), part, goal]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join([*lines, ""])


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def document(races: Sequence[Race], facts: Mapping[str, str]) -> dict[str, object]:
    """All races as JSON: every round's seconds and work; for each peer the ratio, and the goal or null."""
    return {
        "schema": "lockproof/benchmark/v1",
        "facts": dict(facts),
        "races": [
            {
                "key": race.key,
                "title": race.title,
                "seconds": {name: [time.wall for time in times] for name, times in race.times.items()},
                "work": {name: [time.work for time in times] for name, times in race.times.items()},
                "ratios": {
                    name: {"ratio": race.ratio(name), "goal": race.goals.get(name)}
                    for name in race.times
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
