"""Student's distribution, without SciPy."""

import math
from statistics import NormalDist


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t: Abramowitz & Stegun (1964), 26.7.5, from the normal's.

    From 7 degrees of ``freedom`` on right to 0.001 up to a ``share`` of 0.995.
    """
    x: float = NormalDist().inv_cdf(share)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
