"""The posterior of a reviewed share, slowly and as the formulas of docs/statistics.md say."""

import math
from dataclasses import dataclass
from statistics import NormalDist

MIDDLES = [-8 + 0.25 * k + 0.125 for k in range(64)]
EDGES = (-4, -2.5, -1.25, 0, 1.25, 2.5, 4)
STRATUM = [sum(x > edge for edge in EDGES) for x in MIDDLES]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def centre_of(coefficients: tuple[float, ...], histogram: list[int]) -> float:
    cells, chances = sum(histogram), [sigmoid(x) for x in MIDDLES]
    mean = sum(n * p for n, p in zip(histogram, chances, strict=True)) / cells
    unsure = sum(n * p * (1 - p) for n, p in zip(histogram, chances, strict=True)) / cells
    features = (1, math.log((mean + 0.002) / (1 - mean + 0.002)), unsure)
    return sum(c * f for c, f in zip(coefficients, features, strict=True))


def log_prior(prior: dict, histogram: list[int], a: float, c: float) -> float:
    u = (a - centre_of(prior["intercept"], histogram)) / prior["intercept_scale"]
    v = (c - centre_of(prior["log_slope"], histogram)) / prior["log_slope_scale"]
    rho = prior["correlation"]
    square = (u * u - 2 * rho * u * v + v * v) / (1 - rho * rho)
    return -4 * math.log(1 + square / 6)


def leukocytes_left(
    called: float, seen: int, leukocytes: int, all_seen: int, all_leukocytes: int
) -> tuple[float, float]:
    """Mean and variance of the leukocytes among ``called`` cells of a stratum not looked at."""
    part = (11.5 + all_leukocytes) / (11.5 + 0.8 + all_seen)
    alpha, beta = 8.4 * part + leukocytes, 8.4 * (1 - part) + seen - leukocytes
    mean, both = called * alpha / (alpha + beta), alpha + beta
    return mean, called * alpha * beta * (both + called) / (both**2 * (both + 1))


def unseen_leukocytes(
    unseen: list[int], seen: list[tuple[int, bool]], *, is_reported: bool
) -> tuple[list[float], list[float]]:
    """By bin how many of the ``unseen`` are leukocytes; by stratum the variance over its square."""
    part, unsure = [1.0] * 8, [0.0] * 8
    for h in range(8):
        called = sum(n for k, n in enumerate(unseen) if STRATUM[k] == h)
        own = sum(STRATUM[k] == h for k, _ in seen)
        if called and not is_reported:
            mean, variance = leukocytes_left(called, own, own, len(seen), len(seen))
            part[h], unsure[h] = mean / called, variance / mean**2
    return [n * part[STRATUM[k]] for k, n in enumerate(unseen)], unsure


def pulls(hits: list[float], left: list[float], share: float) -> list[float]:
    """Of each stratum the blasts above those at ``share``."""
    above = [hit - share * n for hit, n in zip(hits, left, strict=True)]
    return [sum(x for k, x in enumerate(above) if STRATUM[k] == h) for h in range(8)]


@dataclass(frozen=True)
class Mixture:
    """The distribution of a share: a weight and a normal one a curve, cut off at both ends."""

    curves: list[tuple[float, NormalDist]]
    least: float
    most: float

    def below(self, share: float) -> float:
        if share >= self.most:
            return 1.0
        return sum(w * d.cdf(share) for w, d in self.curves) if share >= self.least else 0.0

    def quantile(self, mass: float) -> float:
        low, high = self.least, self.most
        if self.below(low) >= mass:
            return low
        for _ in range(24):
            middle = (low + high) / 2
            low, high = (middle, high) if self.below(middle) < mass else (low, middle)
        return (low + high) / 2

    def of_blood(self, total: float) -> "Mixture":
        """Of what ``total`` cells are a sample of."""
        curves = []
        for w, d in self.curves:
            mean = (total * d.mean + 1) / (total + 2)
            spread = math.sqrt(d.stdev**2 + mean * (1 - mean) / (total + 3))
            curves.append((w, NormalDist(mean, spread)))
        return Mixture(curves, 0.0, 1.0)


def slow_share(
    prior: dict,
    histogram: list[int],
    unseen: list[int],
    seen: list[tuple[int, bool]],
    blasts: int,
    others: int,
    *,
    is_reported: bool = False,
) -> dict[str, float]:
    """``share``, ``low``, ``high``, ``under_20`` and ``surprise`` of one patient.

    ``unseen``: cells called leukocytes, by bin; those ``seen`` are. ``is_reported``: by a run, that
    is of the blood which the cells, all taken for leukocytes, are a sample of.
    """
    cells = sum(histogram)
    strength = [max(0.5, prior["worth_cells"] * n / cells - 1) for n in histogram]
    nodes = [(-9 + 0.25 * i, -3 + 0.1 * j) for i in range(73) for j in range(43)]
    weight = [math.exp(log_prior(prior, histogram, a, c)) for a, c in nodes]
    chances = [
        [min(max(sigmoid(a + math.exp(c) * x), 1e-3), 1 - 1e-3) for x in MIDDLES] for a, c in nodes
    ]
    looked_at, blasts_seen = [0] * 64, [0] * 64

    def chance(node: int, k: int) -> float:
        return (strength[k] * chances[node][k] + blasts_seen[k]) / (strength[k] + looked_at[k])

    score = variance = 0.0
    for k, is_blast in seen:
        p = sum(w * chance(i, k) for i, w in enumerate(weight)) / sum(weight)
        score += math.log(p if is_blast else 1 - p) - p * math.log(p) - (1 - p) * math.log(1 - p)
        variance += p * (1 - p) * (math.log(p) - math.log(1 - p)) ** 2
        weight = [
            w * (chance(i, k) if is_blast else 1 - chance(i, k)) for i, w in enumerate(weight)
        ]
        looked_at[k] += 1
        blasts_seen[k] += is_blast
    left, unsure = unseen_leukocytes(unseen, seen, is_reported=is_reported)
    total, all_weight = blasts + others + sum(left), sum(weight)
    curves = []
    for i, w in enumerate(weight):
        if w < 1e-9 * max(weight):
            continue
        hits = [left[k] * chance(i, k) for k in range(64)]
        mean, spread = blasts + sum(hits), 0.0
        for k in range(64):
            p, s = chance(i, k), strength[k] + looked_at[k]
            spread += left[k] * p * (1 - p) * (s + left[k]) / (s + 1)
        spread += sum(
            u * pull**2 for u, pull in zip(unsure, pulls(hits, left, mean / total), strict=True)
        )
        curves.append((w / all_weight, NormalDist(mean / total, math.sqrt(spread) / total)))
    most = blasts + others + sum(unseen)
    scored = Mixture(curves, blasts / most, 1 - others / most)
    blood = scored.of_blood(total)
    interval = blood if is_reported else scored
    return {
        "share": scored.quantile(0.5),
        "low": interval.quantile(0.025),
        "high": interval.quantile(0.975),
        "under_20": blood.below(0.2),
        "surprise": score / math.sqrt(variance) if variance else 0.0,
    }
