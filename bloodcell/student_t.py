"""Student's distribution, without SciPy."""

from statistics import NormalDist


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t: Abramowitz & Stegun (1964), 26.7.5, from the normal's.

    From 8 degrees of ``freedom`` on right to 0.001 at a ``share`` of 0.975.
    """
    x: float = NormalDist().inv_cdf(share)
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
    )
    return x + terms[0] / freedom + terms[1] / freedom**2 + terms[2] / freedom**3
