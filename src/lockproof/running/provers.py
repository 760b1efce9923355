"""Proofs of several cells at the same time, each in a fork of the run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.proof.compare import Proof
from lockproof.running.forks import Fork, spare_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.proof.fingerprint import Fingerprint

# Proves the cell of that id; whether its commands have run since it was last proven.
Prove = Callable[[str, bool], Proof]


class Provers:
    """As many forks as are of use. Each cell stays with the one that first proved it, which knows what it read."""

    def __init__(self, prove: Prove, predicted: Mapping[str, Fingerprint], at_once: int) -> None:
        """`predicted` has the prediction of each cell by its id; so many cells run at once."""
        self._predicted = predicted
        self._forks: list[tuple[Fork[tuple[str, bool], Proof], threading.Lock]] = []
        self._of_cell: dict[str, int] = {}
        self._guard = threading.Lock()
        count = spare_cores(min(len(predicted), at_once))
        try:
            for _ in range(count if count > 1 else 0):
                fork = Fork[tuple[str, bool], Proof](lambda asked: stripped(prove(*asked)))
                self._forks.append((fork, threading.Lock()))
        except OSError:  # no processes to be had: the run proves as well as it can
            self.close()

    def prove(self, cell: str, *, again: bool) -> Proof | None:
        """The proof of a cell; None where it has to be found out in another way."""
        if not self._forks or cell not in self._predicted:
            return None
        with self._guard:
            number = self._of_cell.setdefault(cell, len(self._of_cell) % len(self._forks))
        fork, alone = self._forks[number]
        with alone:
            proof = fork.ask((cell, again))
        return proof and restored(proof, self._predicted[cell])

    def close(self) -> None:
        """End the forks."""
        for fork, _ in self._forks:
            fork.close()
        self._forks.clear()


def stripped(proof: Proof) -> Proof:
    """The proof without what the asking side has already: thousands of facts that are as predicted."""
    observed, predicted = proof.observed, proof.predicted
    if observed.files == predicted.files:
        observed = replace(observed, files={})
    if observed.interpreter_files == predicted.interpreter_files:
        observed = replace(observed, interpreter_files={})
    predicted = replace(predicted, files={}, distributions=(), interpreter_files={})
    return replace(proof, observed=observed, predicted=predicted)


def restored(proof: Proof, predicted: Fingerprint) -> Proof:
    """What `stripped` was given, by one who has the prediction."""
    observed = proof.observed
    if not observed.files and observed.layers.get("files") == predicted.layers.get("files"):
        observed = replace(observed, files=predicted.files)
    if not observed.interpreter_files and observed.interpreter == predicted.interpreter:
        observed = replace(observed, interpreter_files=predicted.interpreter_files)
    return replace(proof, observed=observed, predicted=predicted)
