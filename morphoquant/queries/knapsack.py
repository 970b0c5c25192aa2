"""One option a group so that the losses add up to least under a budget of costs: the multiple-choice knapsack, solved exactly.

By dynamic programming over the cost: with L(c) the least loss of the groups so far at cost c or less, a further group makes it
min over its options o of L(c - cost_o) + loss_o. Costs are counted in their greatest common divisor. Where that would take more
than `UNITS` units, they are rounded up to that many: a budget is then kept all the same, and what is found is the least among
choices whose rounded costs keep it.

Source: Kellerer, Pferschy and Pisinger 2004, Knapsack Problems, section 11.5 (dynamic programming, multiple choice).
"""

from dataclasses import dataclass

import numpy as np

UNITS = 20_000
# Sums of equal losses in another order differ by less, as a share of the largest.
_NOISE = 1e-12


@dataclass(frozen=True, eq=False)
class Solved:
    """The least loss at every budget.

    Attributes:
        least: cost of the cheapest choice.
        unit: cost that an entry of `losses` stands for.
        losses: least loss at cost `least + unit * i` or less, [units + 1], never rising.
        chosen: option of each group in reaching it, [groups, units + 1].
        steps: what each option costs beyond the group's cheapest, in units, [groups, options].
    """

    least: int
    unit: int
    losses: np.ndarray
    chosen: np.ndarray
    steps: np.ndarray

    def options(self, place: int) -> np.ndarray:
        """The option of each group [groups] that reaches `losses[place]`."""
        found = np.empty(len(self.steps), np.int64)
        for group in range(len(self.steps) - 1, -1, -1):
            found[group] = self.chosen[group, place]
            place -= self.steps[group, found[group]]
        return found

    def place(self, budget: float) -> int:
        """The entry of `losses` that a budget of costs allows; below zero where it is less than the cheapest choice."""
        return min(int((budget - self.least) // self.unit), len(self.losses) - 1)

    def corners(self) -> np.ndarray:
        """Entries where a little more cost lowers the loss: the Pareto front, from the cheapest."""
        return np.flatnonzero(np.diff(self.losses, prepend=np.inf) < -_NOISE * self.losses[0])


def solve(costs: np.ndarray, losses: np.ndarray) -> Solved:
    """Solves it for all budgets at once.

    Args:
        costs: whole numbers [groups, options].
        losses: [groups, options]; of options that cost and lose the same, the first is taken.
    """
    costs = np.asarray(costs, np.int64)
    extra = costs - costs.min(1, keepdims=True)
    span = int(extra.max(1).sum())
    unit = max(int(np.gcd.reduce(extra, axis=None)), -(-span // UNITS), 1)
    steps = -(-extra // unit)
    size = int(steps.max(1).sum()) + 1
    best, chosen = np.zeros(size), np.empty((len(costs), size), np.int16)
    for group, (ahead, lost) in enumerate(zip(steps, np.asarray(losses, float), strict=True)):
        candidates = np.full((len(ahead), size), np.inf)
        for option, (step, loss) in enumerate(zip(ahead, lost, strict=True)):
            candidates[option, step:] = best[: size - step] + loss
        chosen[group] = candidates.argmin(0)
        best = candidates.min(0)
    return Solved(int(costs.min(1).sum()), unit, best, chosen, steps)
