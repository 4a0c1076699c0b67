"""How often the gate promotes over many nights: equal candidates, and one that is truly better.

    python benchmarks/gate_over_nights.py [--runs 1000] [--seed 0]

A user is active on some days, on which each candidate's list scores an NDCG, often zero; a window's
NDCG is the mean over its active days. So windows of consecutive nights share all days but two, in
selection and gate alike. "Redrawn" candidates draw every user's NDCG anew each night, as if every
night refitted all of them on other luck. There are two laws, with the means and spreads of the
bundled shop's placements. Verdicts are those of `gate.decide`; nights whose challenger is not even
two standard errors ahead are not asked, since the gate refuses them at either of the two errors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import beta

from pipelines.evaluate.intervals import MIN_VALUES
from pipelines.gate.contenders import Contender
from pipelines.gate.decide import decide
from pipelines.gate.differences import NIGHTS_A_YEAR, Thresholds

HORIZON_DAYS = 14
#: Chance that a user is active on a day; 9 of 10 users then have truth in a window.
ACTIVE_SHARE = 0.15
#: Standard errors below which no level of error of a night up to 2.5 % promotes.
ASKED_FROM = 1.9
LIFT = 0.1
#: Quantiles that stand for a law.
TABLE_SIZE = 4096

#: NDCG by user of a challenger and of the champion.
Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Law:
    """How the NDCG of a user's active day is drawn.

    Parameters
    ----------
    hit_share : float
        Mean chance that a day's NDCG is above zero; users differ in it.
    gain : tuple of float
        Parameters of the beta law of the NDCG where it is above zero.
    common_share : float
        Share of users' days on which a candidate's list scores what is common to all.
    """

    hit_share: float
    gain: tuple[float, float]
    common_share: float

    def draw(self, rng: np.random.Generator, candidates: int, shape: tuple[int, ...]) -> np.ndarray:
        """NDCG of candidates by user (first axis of `shape`) and day, equal in law."""
        ability = (2, 2 * (1 - self.hit_share) / self.hit_share)
        hits = pick(rng, ability, (shape[0], *(1,) * (len(shape) - 1)))
        all_shape = (candidates + 1, *shape)
        is_hit = rng.random(all_shape, dtype=np.float32) < hits
        drawn = np.where(is_hit, pick(rng, self.gain, all_shape), np.float32(0))
        is_common = rng.random((candidates, *shape), dtype=np.float32) < self.common_share
        return np.where(is_common, drawn[-1], drawn[:-1])


@cache
def quantiles(law: tuple[float, float]) -> np.ndarray:
    """Evenly spaced quantiles of a beta law."""
    return beta.ppf((np.arange(TABLE_SIZE) + 0.5) / TABLE_SIZE, *law).astype(np.float32)


def pick(rng: np.random.Generator, law: tuple[float, float], shape: tuple[int, ...]) -> np.ndarray:
    """Draw from the quantiles of a beta law, much faster than from the law."""
    return quantiles(law)[rng.integers(0, TABLE_SIZE, shape, dtype=np.uint16)]


LAWS = {"discover": Law(0.33, (1.2, 2.0), 0.7), "for_you": Law(0.63, (1.7, 1.45), 0.9)}


def thresholds_of(yearly_error: float) -> Thresholds:
    """Thresholds that leave the decision to the paired differences."""
    return Thresholds(
        k=10,
        confidence=0.95,
        min_users=500,
        ndcg_floor=0.0,
        ndcg_ceiling=1.0,
        coverage_margin=1.0,
        segment_margin=1.0,
        min_segment_users=30,
        yearly_error=yearly_error,
    )


@cache
def names_of(count: int) -> np.ndarray:
    """Names of so many users, sorted."""
    return np.array([f"u{number:05d}" for number in range(count)])


def is_promoted(challenger: np.ndarray, champion: np.ndarray, thresholds: Thresholds) -> bool:
    """Whether the gate promotes the challenger over the champion and half as good a baseline."""
    users = names_of(len(champion))

    def contender(name: str, values: np.ndarray) -> Contender:
        mean = float(np.mean(values))
        return Contender(name, name, "run", mean, 0.5, users, values, np.full(len(users), "all"))

    return decide(
        "simulated",
        challenger=contender("challenger", challenger),
        champion=contender("champion", champion),
        baselines=[contender("baseline", champion / 2)],
        thresholds=thresholds,
    ).is_promoted


def is_ahead(challenger: np.ndarray, champion: np.ndarray) -> bool:
    """Whether a challenger is far enough ahead for the gate to be asked."""
    differences = challenger - champion
    if len(differences) < MIN_VALUES:
        return False
    error = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    return float(np.mean(differences)) > ASKED_FROM * error


def windows_of(
    rng: np.random.Generator, law: Law, users: int, candidates: int, nights: int, *, lift: bool
) -> np.ndarray:
    """NDCG by candidate, user and first day of a window; NaN without truth in it.

    With `lift`, the first candidate is better than all others by `LIFT`: they lose so many hits.
    """
    days = nights + 2 * HORIZON_DAYS - 1
    values = law.draw(rng, candidates, (round(users / (1 - 0.85**HORIZON_DAYS)), days))
    if lift:
        values[1:] *= rng.random(values[1:].shape, dtype=np.float32) < 1 / (1 + LIFT)
    is_active = rng.random(values.shape[1:]) < ACTIVE_SHARE
    sums = np.cumsum(np.where(is_active, values, 0), axis=-1, dtype=np.float64)
    counts = np.cumsum(is_active, axis=-1)

    def over_windows(totals: np.ndarray) -> np.ndarray:
        before = np.zeros((*totals.shape[:-1], 1))
        padded = np.concatenate([before, totals], axis=-1)
        return padded[..., HORIZON_DAYS:] - padded[..., :-HORIZON_DAYS]

    known = over_windows(counts)
    return np.clip(over_windows(sums) / np.where(known > 0, known, np.nan), 0, 1)


def pairs_over_nights(
    rng: np.random.Generator,
    law: Law,
    *,
    users: int = 700,
    challengers: int,
    nights: int,
    lift: bool = False,
) -> Iterator[Pair]:
    """Each night's challenger, the best of the selection window, and the champion, the last."""
    values = windows_of(rng, law, users, challengers + 1, nights, lift=lift)
    for night in range(nights):
        selection, gate = values[..., night], values[..., night + HORIZON_DAYS]
        means = np.nanmean(selection[:-1], axis=1)
        chosen = gate[[int(np.argmax(means)), -1]]
        challenger, champion = chosen[:, ~np.isnan(chosen[0])]
        yield challenger, champion


def redrawn_pairs(
    rng: np.random.Generator, law: Law, *, nights: int, users: int = 700
) -> Iterator[Pair]:
    """Each night's challenger and champion, equal candidates whose luck is drawn anew each night.

    Whichever of them the selection window chose, its luck on the gate window is that of any.
    """
    for _ in range(nights):
        challenger, champion = law.draw(rng, 2, (users,)).astype(np.float64)
        yield challenger, champion


def describe(rng: np.random.Generator, law: Law) -> str:
    """Mean and spread of a law's windows, and of the differences of two candidates."""
    first, second = windows_of(rng, law, 20_000, 2, 1, lift=False)[..., 0]
    differences = (first - second)[~np.isnan(first)]
    return (
        f"NDCG {np.nanmean(first):.3f}, standard deviation {np.nanstd(first):.3f}, "
        f"of paired differences {np.std(differences):.3f}"
    )


def main() -> None:
    """Run every scenario under the yearly error and under one error a night, and print shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    rules = {
        "5% a year": thresholds_of(0.05),
        "2.5% a night": thresholds_of(0.025 * NIGHTS_A_YEAR),
    }
    for placement, law in LAWS.items():
        print(f"\n{placement}: {describe(np.random.default_rng(chosen.seed), law)}")
        print(f"{'promoted in share of runs':46}" + "".join(f"{name:>16}" for name in rules))
        better = {"challengers": 1, "nights": 3, "lift": True}
        scenarios = {
            "12 equal, 90 nights": {"challengers": 12, "nights": 90},
            "12 equal, redrawn nightly, 90 nights": {"nights": 90},
            "12 equal, redrawn nightly, 365 nights": {"nights": 365},
            "+10 % within 3 nights, 700 users": better,
            "+10 % and 11 equal ones, 3 nights": {**better, "challengers": 12},
            "+10 % within 3 nights, 6,000 users": {**better, "users": 6000},
        }
        for name, options in scenarios.items():
            draw = pairs_over_nights if "challengers" in options else redrawn_pairs
            started, counts = time.monotonic(), dict.fromkeys(rules, 0)
            for number in range(chosen.runs):
                rng = np.random.default_rng([chosen.seed, number])
                asked = [pair for pair in draw(rng, law, **options) if is_ahead(*pair)]
                for rule, thresholds in rules.items():
                    counts[rule] += any(is_promoted(*pair, thresholds) for pair in asked)
            shares = [count / chosen.runs for count in counts.values()]
            seconds = time.monotonic() - started
            print(f"{name:46}" + "".join(f"{share:>15.1%} " for share in shares), end="")
            print(f"  {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
