"""How often experiments err over 32 mornings: equal arms, and one that is 10 % better.

    python benchmarks/experiments_over_mornings.py [--runs 1000] [--seed 0]

Users come evenly over 32 days, each in an arm by chance; every morning looks at clicks per
impression, conversion and revenue, all three guardrails. Spending is log-normal, of one user in ten
or of all; impressions have a heavy tail; people spent before much as they do now. Shown is the
share of experiments in which any morning's interval was wrong: above or below zero with equal arms,
above or below the true lift with a better one. "guardrail" is the share in which any of the three
said, wrongly, that the arm is worse. Figures are those of the product's functions.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pipelines.experiments.definition import Guardrail
from pipelines.measure.arms import Sums, adjust_by_cuped, summarise_ratio
from pipelines.measure.decision import ROLL_BACK, ArmEffect, decide_arm
from pipelines.measure.effects import Effect, compare_at_any_time, lift_of
from pipelines.measure.online_metrics import (
    METRICS,
    OnlineMetric,
    skewness_of,
    why_too_few,
    why_too_skewed,
)

LOOKS, LIFT, ALPHA, HALF = 32, 0.1, 0.05, 0.5
#: An effect of which nothing is known.
NOTHING = ArmEffect(Effect(), Effect())

#: Metric, and the side of the truth on which its interval was.
Side = tuple[str, str]


@dataclass(frozen=True)
class World:
    """A shop whose arms are equal, or differ by `lift`.

    Parameters
    ----------
    users : int
        In both arms, at the last morning; as planned.
    sigma : float
        Standard deviation of the logarithm of what a buyer spends.
    buyers : float
        Share of users who buy; with 1, the lift is on what they spend.
    share : float
        Share of users in the second arm.
    lift : float
    """

    users: int
    sigma: float
    buyers: float
    share: float = 0.5
    lift: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Whether each user is in the second arm, and rows y and x of each metric."""
        n, all_buy = self.users, self.buyers == 1
        arm = rng.random(n) < self.share
        better = 1 + self.lift * arm
        impressions = np.ceil(rng.lognormal(2.0, 1.0, n))
        clicks = rng.binomial(impressions.astype(int), np.minimum(rng.beta(2, 18, n) * better, 1))
        habit = rng.gamma(2.0, 0.5, n)
        bought = rng.random(n) < (1 if all_buy else self.buyers * (0.3 + 0.7 * habit) * better)
        spent = bought * habit * rng.lognormal(2.0, self.sigma, n) * (better if all_buy else 1)
        before = rng.poisson(habit * (2 if all_buy else 0.3))
        spent_before = before * rng.lognormal(2.0, self.sigma, n)
        rows = {"ctr": np.array([clicks, impressions]), "revenue": np.array([spent, spent_before])}
        if not all_buy:
            rows["conversion"] = np.array([bought, before > 0], dtype=np.float64)
        return arm, rows


@dataclass(frozen=True)
class Morning:
    """One metric of the users so far: their rows y and x, and each arm's sums and successes."""

    metric: OnlineMetric
    rows: np.ndarray
    sums: tuple[Sums, Sums]
    successes: tuple[float, float]
    planned_users: int

    def effect(self, error: float) -> ArmEffect | None:
        """The effect with intervals of an error; None where nothing is shown yet."""
        is_ratio = self.metric.kind == "ratio"
        counts = [one.user_count for one in self.sums]
        pairs = zip(counts, self.successes, strict=True)
        if any(why_too_few(self.metric, "an arm", *pair) for pair in pairs):
            return None
        y, x = self.rows
        values = y - x * (y.sum() / x.sum()) if is_ratio else y
        if why_too_skewed(skewness_of(values), *counts):
            return None
        if is_ratio:
            arms = summarise_ratio(self.sums[0]), summarise_ratio(self.sums[1])
        else:
            arms = adjust_by_cuped(*self.sums, is_share=self.metric.kind == "share")
        difference = compare_at_any_time(
            *arms, alpha=error, relative=False, planned_users=self.planned_users
        )
        return ArmEffect(difference, lift_of(difference, *arms))


def mornings(name: str, rows: np.ndarray, arm: np.ndarray) -> list[Morning]:
    """One metric on every morning."""
    metric, (y, x) = METRICS[name], rows
    ends = np.linspace(0, len(y), LOOKS + 1).round().astype(int)[1:]
    success = y if metric.kind == "ratio" else y > 0
    parts = np.stack([np.ones_like(y), y, y * y, x, x * x, x * y, success])
    by_arm = [np.cumsum(parts * chosen, axis=1)[:, ends - 1].T for chosen in (~arm, arm)]
    return [
        Morning(
            metric,
            rows[:, :end],
            tuple(Sums(int(one[0]), *map(float, one[1:6])) for one in both),
            tuple(float(one[6]) for one in both),
            len(y),
        )
        for end, *both in zip(ends, *by_arm, strict=True)
    ]


def wrong_sides(world: World, rng: np.random.Generator) -> set[Side]:
    """Intervals that were wrong on any morning of one experiment, by metric and side."""
    arm, drawn = world.draw(rng)
    wrong: set[Side] = set()
    by_metric = {name: mornings(name, rows, arm) for name, rows in drawn.items()}
    for looks in zip(*by_metric.values(), strict=True):
        rails = []
        for name, one in zip(by_metric, looks, strict=True):
            wrong |= {(name, side) for side in sides(one.effect(ALPHA), world.lift)}
            shared = one.effect(ALPHA / len(by_metric))
            if shared is not None:
                rails.append((Guardrail(metric=name), shared))
        verdict = decide_arm(NOTHING, rails, faults=[], days=9, min_days=7, is_full=False)
        if verdict.verdict == ROLL_BACK:
            wrong.add(("guardrail", "below"))
    return wrong


def sides(found: ArmEffect | None, lift: float) -> list[str]:
    """On which side of the truth an interval lies: of the difference if that is zero."""
    if found is None:
        return []
    bounds = found.lift if lift else found.difference
    if bounds.low is None or bounds.high is None:
        return []
    return ["above"] * (bounds.low > lift) + ["below"] * (bounds.high < lift)


def describe(world: World) -> str:
    """A world in a few words."""
    who = "all buy" if world.buyers == 1 else f"{world.buyers:.0%} buy"
    arms = "" if world.share == HALF else f", arms {1 - world.share:.0%}/{world.share:.0%}"
    truth = f"lift {world.lift:+.0%}" if world.lift else "A/A"
    return f"{truth}, {world.users:,} users, {who}, sigma {world.sigma}{arms}"


def main() -> None:
    """Run every world and print the share of experiments that err, by metric and side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    worlds = [
        World(users, sigma, buyers, lift=lift)
        for lift in (0.0, LIFT)
        for buyers in (1.0, 0.1)
        for users in (1500, 4000)
        for sigma in (0.8, 1.2, 1.6)
    ]
    worlds += [World(4000, sigma, 1.0, share) for share in (0.2, 0.9) for sigma in (0.8, 1.2, 1.6)]
    metrics = ("ctr", "conversion", "revenue")
    names = [*(f"{name} above/below" for name in metrics), "guardrail"]
    print(f"{'':52}" + "".join(f"{name:>24}" for name in names))
    for place, world in enumerate(worlds):
        started, counts = time.monotonic(), Counter[Side]()
        for number in range(chosen.runs):
            counts.update(wrong_sides(world, np.random.default_rng([chosen.seed, place, number])))
        share = {side: count / chosen.runs for side, count in counts.items()}
        cells = [
            f"{share.get((name, 'above'), 0):.1%} / {share.get((name, 'below'), 0):.1%}"
            for name in metrics
        ]
        cells.append(f"{share.get(('guardrail', 'below'), 0):.1%}")
        seconds = time.monotonic() - started
        print(f"{describe(world):52}" + "".join(f"{cell:>24}" for cell in cells), end="")
        print(f"  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
