"""Natural logarithms that are the same on every machine.

The logarithms of numpy and of the C library differ in the last bit between processors; an output must not. This one
takes only additions, multiplications and divisions, which IEEE 754 defines to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts, of which the first has few enough bits to be multiplied by an exponent exactly."""

_TERMS = 11


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
