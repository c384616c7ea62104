"""Natural logarithms and exponentials that are the same on every machine.

Those of numpy and of the C library differ in the last bit between processors; an output must not. These
take only additions, multiplications and divisions, which IEEE 754 defines to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts, of which the first has few enough bits to be multiplied by an exponent exactly."""

_TERMS = 11
_POWERS = 14


def natural_log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ln of values that are 0 or positive and normal: float64, the same shape; -inf for 0. Good to about 1e-15.

    x = m * 2**e with m in [1/sqrt 2, sqrt 2); ln m = 2 artanh s, s = (m - 1) / (m + 1), as a series in s.
    """
    mantissas, exponents = np.frexp(values)
    is_low = mantissas < 0.5**0.5
    mantissas = np.where(is_low, mantissas * 2, mantissas)
    exponents = exponents - is_low
    s = (mantissas - 1) / (mantissas + 1)
    square = s * s
    series = np.full_like(s, 1 / (2 * _TERMS + 1))
    for term in range(_TERMS - 1, -1, -1):
        series = series * square + 1 / (2 * term + 1)
    logs = exponents * _LN2_HIGH + (2 * s * series + exponents * _LN2_LOW)
    return np.where(values == 0, -np.inf, logs)


def exponential(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """E to the power of values from -700 to 700: float64, the same shape. Good to about 1e-15.

    x = n ln 2 + r with |r| <= ln 2 / 2; e**x = 2**n e**r, the latter as a series in r.
    """
    exponents = np.rint(values * (1 / (_LN2_HIGH + _LN2_LOW)))
    rest = (values - exponents * _LN2_HIGH) - exponents * _LN2_LOW
    series = np.ones_like(rest)
    for term in range(_POWERS, 0, -1):
        series = series * (rest / term) + 1
    return np.ldexp(series, exponents.astype(np.int32))
