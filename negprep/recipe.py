"""What ``--sampler`` says: one sampler, or several with shares or fixed counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from negprep.errors import UsageError

SAMPLERS = ("uniform", "popularity", "weak", "hard", "reinforced")
SCORED = ("hard", "reinforced")
"""Those that draw by a model."""

LEVELS = ("weak", "uniform", "level")
"""The components of ``--levels``; the third takes the place of the positive, too."""

LEVEL_SOURCES = ("positive>weak", "positive>unobserved", "weak>unobserved")

FALLBACK = "fallback"
"""The source of a uniform draw in place of a sampler that has nothing for the user."""

_TERM = re.compile(r"([a-z]+)(?:([:=])(.*))?")
_SHARE = r"[0-9]*\.?[0-9]+"
_LARGEST_SHARE_UNIT = 1 << 32


@dataclass(frozen=True)
class Recipe:
    """The components of a sampler.

    Attributes
    ----------
    names : tuple of str
        Different ones of ``SAMPLERS``.
    shares : tuple of int
        Component ``c`` makes a draw with probability ``shares[c] / sum(shares)``.
    fixed : bool
        The shares are counts: of the draws of each group the first component makes the first ``shares[0]``, and so on.
    """

    names: tuple[str, ...]
    shares: tuple[int, ...]
    fixed: bool

    @classmethod
    def parse(cls, terms: tuple[str, ...]) -> Recipe:
        """Parse terms such as ``popularity``, ``uniform:0.7`` or ``weak=1``.

        Raises
        ------
        UsageError
            An unknown name, a name given twice, shares that do not sum to 1, or shares and counts together.
        """
        found = [_parse_term(term) for term in terms]
        if not found:
            raise UsageError("no sampler is named", remedy=f"name one of {', '.join(SAMPLERS)}")
        names = tuple(name for name, _, _ in found)
        for name in names:
            if names.count(name) > 1:
                raise UsageError(f"--sampler {name} is given twice", remedy="name each sampler once")
        if len({*names} & {*SCORED}) > 1:
            raise UsageError("--sampler hard and --sampler reinforced, which need a model each", remedy="choose one")
        marks = {mark for _, mark, _ in found}
        if len(found) == 1 and marks == {None}:
            return cls(names, (1,), fixed=False)
        if marks == {"="}:
            return cls(names, tuple(int(value) for _, _, value in found), fixed=True)
        if marks != {":"}:
            raise UsageError(
                f"--sampler {' --sampler '.join(terms)}: each needs a share, or each a count",
                remedy="write them like uniform:0.7 and weak:0.3, or like uniform=3 and weak=1",
            )
        total = sum(value for _, _, value in found)
        if total != 1:
            raise UsageError(
                f"the shares of the samplers sum to {float(total):g}, not to 1", remedy="give shares that sum to 1"
            )
        return cls(names, _as_counts([value for _, _, value in found]), fixed=False)

    @classmethod
    def parse_levels(cls, text: str) -> Recipe:
        """Parse ``W1,W2``: shares of pairs positive > weak and positive > unobserved; the rest is weak > unobserved.

        Source: Ding et al., Improving implicit recommender systems with view data, IJCAI 2018.

        Raises
        ------
        UsageError
            Not two shares above 0 with a sum below 1.
        """
        words = [word.strip() for word in text.split(",")]
        shares = [Fraction(word) for word in words if re.fullmatch(_SHARE, word, re.ASCII)]
        if len(words) != 2 or len(shares) != 2 or not min(shares) > 0 or not sum(shares) < 1:
            raise UsageError(
                f"--levels {text!r} is not two shares above 0 with a sum below 1", remedy="write it like 0.3,0.5"
            )
        return cls(LEVELS, _as_counts([*shares, 1 - sum(shares, Fraction(0))]), fixed=False)

    @property
    def num_neg(self) -> int | None:
        """Negatives of each positive, where the counts are fixed."""
        return sum(self.shares) if self.fixed else None

    @property
    def is_mixed(self) -> bool:
        """Whether more than one sampler draws."""
        return len(self.names) > 1

    @property
    def scored(self) -> str | None:
        """The component that draws by a model."""
        return next((name for name in self.names if name in SCORED), None)

    @property
    def falls_back(self) -> bool:
        """Whether draws are uniform where a sampler has nothing; popularity alone leaves such a user short."""
        return self.names != ("popularity",)

    @property
    def sources(self) -> tuple[str, ...] | None:
        """What the ``source`` column may say of a negative: the components in order, then the fall-back. None: no such
        column, for there is one source alone.
        """
        if self.names == LEVELS:
            return (*LEVEL_SOURCES, FALLBACK)
        return (*self.names, FALLBACK) if self.is_mixed or self.names[0] in ("weak", *SCORED) else None

    def __str__(self) -> str:
        if not self.is_mixed:
            return self.names[0]
        if self.names == LEVELS:
            return "levels " + " ".join(
                f"{name}:{share / sum(self.shares):.9g}" for name, share in zip(LEVEL_SOURCES, self.shares, strict=True)
            )
        if self.fixed:
            return " ".join(f"{name}={count}" for name, count in zip(self.names, self.shares, strict=True))
        total = sum(self.shares)
        return " ".join(f"{name}:{share / total:.9g}" for name, share in zip(self.names, self.shares, strict=True))


def _as_counts(shares: list[Fraction]) -> tuple[int, ...]:
    """Whole numbers in the proportion of the shares."""
    unit = lcm(*(share.denominator for share in shares))
    if unit > _LARGEST_SHARE_UNIT:
        raise UsageError("the shares of the samplers have too many digits", remedy="give at most nine decimals")
    return tuple(int(share * unit) for share in shares)


def _parse_term(term: str) -> tuple[str, str | None, Fraction]:
    found = _TERM.fullmatch(term.strip())
    if not found or found[1] not in SAMPLERS:
        raise UsageError(f"no sampler is called {term!r}", remedy=f"choose of {', '.join(SAMPLERS)}")
    name, mark, text = found[1], found[2], found[3]
    if mark is None:
        return name, None, Fraction(1)
    form = r"[0-9]{1,7}" if mark == "=" else _SHARE
    value = Fraction(text) if re.fullmatch(form, text, re.ASCII) else Fraction(0)
    if value <= 0:
        wanted = "a whole number above 0, such as =3" if mark == "=" else "a share above 0, such as :0.3"
        raise UsageError(f"--sampler {term}: {text!r} is not {wanted}", remedy="correct it, or leave the sampler out")
    return name, mark, value
