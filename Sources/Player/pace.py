"""When a person acts next: think times and bursts of cells, drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A think time in seconds, and the cells (by position) that are then submitted at once."""

    think: float
    cells: tuple[int, ...]


class Pace:
    """Draws think times from two lognormals, in seconds: 0.504 · LN(0.91, 0.91) + 0.496 · LN(4.57, 1.76).

    That mixture was fitted to the gaps between the cells of 459 public timed notebooks (Kolmogorov–Smirnov distance
    0.023): people either go straight on (median 2.5 s) or stop to think (median 97 s). A drawn time is multiplied by
    `scale`, then cut off at `longest`. With probability `burst_share` a step has the next two or three cells instead
    of one, as Run All sends them.
    """

    QUICK_SHARE = 0.504
    QUICK = (0.91, 0.91)
    SLOW = (4.57, 1.76)

    def __init__(self, seed: int, scale: float, longest: float, burst_share: float) -> None:
        self.scale = scale
        self.longest = longest
        self.burst_share = burst_share
        self._planned = random.Random(f"{seed} planned")
        # Second attempts draw from a stream of their own, so that a mishap in one round leaves the next as it was.
        self._unplanned = random.Random(f"{seed} unplanned")

    def round(self, count: int) -> list[Step]:
        """The steps of one pass through a notebook of `count` cells."""
        return self._steps(count, self._planned)

    def round_again(self, count: int) -> list[Step]:
        """The steps of a pass that nobody had planned: the kernel died, and the notebook starts over."""
        return self._steps(count, self._unplanned)

    def think_again(self) -> float:
        """The seconds before a person tries a failed cell once more."""
        return self._think(self._unplanned)

    def _steps(self, count: int, source: random.Random) -> list[Step]:
        steps = []
        position = 0
        while position < count:
            think = self._think(source)
            size = source.choice((2, 3)) if source.random() < self.burst_share else 1
            steps.append(Step(think, tuple(range(position, min(position + size, count)))))
            position += size
        return steps

    def _think(self, source: random.Random) -> float:
        mean, deviation = self.QUICK if source.random() < self.QUICK_SHARE else self.SLOW
        return min(self.longest, self.scale * source.lognormvariate(mean, deviation))
