"""Functions of one or two numbers, each as C++ computes it, and where ``TTree::Draw`` computes something else.

``TFormula`` has its own ``sqrt`` (of the absolute value), ``log`` (0 for what has none), ``exp`` (cut off at 700) and
inverse functions (0 outside their domain: ``TTreeFormula::EvalInstance``). ``TMath::`` and ``std::`` functions are
those of C++ for both. A value outside ``agree`` is unknown: the cut is refused if an event depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hepae.arrays import Booleans, Floats

__all__ = ["ABSOLUTE", "CONSTANTS", "EXTREMES", "FUNCTIONS", "Function"]

TURN: Final = 2 * np.pi
TURNS: Final = 8
"""``Phi_mpi_pi`` takes off one turn at a time: so many for a difference of angles, and no endless loop."""


@dataclass(frozen=True)
class Function:
    """A function of doubles.

    Attributes
    ----------
    compute
        float64[n], … → float64[n] or bool[n].
    arguments
        How many it has.
    agree
        Where C++ and ``TTree::Draw`` have the same value; None for everywhere.
    hint
        What to write instead.
    """

    compute: Callable[..., Any]
    arguments: int = 1
    agree: Callable[..., Any] | None = None
    hint: str = ""


EXTREMES: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **dict.fromkeys(("max", "std::max"), lambda a, b: np.where(a < b, b, a)),
    **dict.fromkeys(("min", "std::min"), lambda a, b: np.where(b < a, b, a)),
    "TMath::Max": lambda a, b: np.where(a >= b, a, b),
    "TMath::Min": lambda a, b: np.where(a <= b, a, b),
}
"""The larger and the smaller of two, which differ for NaN."""

ABSOLUTE: Final = ("abs", "std::abs", "TMath::Abs")
"""Functions that keep integers, as `EXTREMES` do."""


def _from_minus_pi(angle: Floats) -> Floats:
    """``TVector2::Phi_mpi_pi``: turn by turn, with its rounding."""
    angle = angle.copy()
    for _ in range(TURNS):
        angle = np.where(angle >= np.pi, angle - TURN, angle)
        angle = np.where(angle < -np.pi, angle + TURN, angle)
    return angle


def _few_turns(angle: Floats) -> Booleans:
    return (np.abs(angle) < TURN * TURNS) | np.isnan(angle)


def _atan2_agrees(y: Floats, x: Floats) -> Any:
    """``TMath::ATan2`` takes x = -0 for +0, and NaN over 0 for a right angle."""
    return ~((x == 0) & (np.isnan(y) | (np.signbit(x) & (y == 0))))


def _within(low: float, high: float) -> Callable[[Floats], Booleans]:
    return lambda values: ((values >= low) & (values <= high)) | np.isnan(values)


def _positive(values: Floats) -> Booleans:
    return values > 0


def _of_c() -> dict[str, Function]:
    """Functions whose bare name is that of C++ for ``TTree::Draw`` too."""
    same = (
        "sin", "cos", "tan", "sinh", "cosh", "tanh", "floor", "ceil", "log2", "trunc",
        "isnan", "isinf", "isfinite",
    )  # fmt: skip
    found = {name: Function(getattr(np, name)) for name in same}
    found |= {"atan": Function(np.arctan), "asinh": Function(np.arcsinh), "fabs": Function(np.abs)}
    found |= {"fmod": Function(np.fmod, 2), "hypot": Function(np.hypot, 2), "pow": Function(np.power, 2)}
    return found | {"atan2": Function(np.arctan2, 2, _atan2_agrees, "keep y and x from being both 0")}


def _of_c_alone() -> dict[str, Function]:
    """Functions that ``TFormula`` has its own of: the last is what C++ and ``TTree::Draw`` share."""
    return {
        "sqrt": Function(
            np.sqrt, 1, _within(0, np.inf), "write TMath::Sqrt(x), NaN below 0, or sqrt(abs(x))"
        ),
        "exp": Function(np.exp, 1, _within(-700, 700), "write TMath::Exp(x)"),
        "log": Function(np.log, 1, _positive, "write TMath::Log(x), or x > 0 && log(x) ..."),
        "log10": Function(np.log10, 1, _positive, "write TMath::Log10(x), or x > 0 && log10(x) ..."),
        "asin": Function(np.arcsin, 1, _within(-1, 1), "write TMath::ASin(x), or abs(x) <= 1 && asin(x) ..."),
        "acos": Function(np.arccos, 1, _within(-1, 1), "write TMath::ACos(x), or abs(x) <= 1 && acos(x) ..."),
        "acosh": Function(np.arccosh, 1, _within(1, np.inf), "write x >= 1 && acosh(x) ..."),
        "atanh": Function(np.arctanh, 1, _within(-1, 1), "write abs(x) <= 1 && atanh(x) ..."),
    }


def _of_tmath() -> dict[str, Function]:
    plain = {
        "Sqrt": np.sqrt, "Exp": np.exp, "Log": np.log, "Log10": np.log10, "Log2": np.log2, "Sin": np.sin,
        "Cos": np.cos, "Tan": np.tan, "SinH": np.sinh, "CosH": np.cosh, "TanH": np.tanh, "ATan": np.arctan,
        "ASin": np.arcsin, "ACos": np.arccos, "Floor": np.floor, "Ceil": np.ceil,
        "IsNaN": np.isnan, "Finite": np.isfinite,
    }  # fmt: skip
    found = {f"TMath::{name}": Function(compute) for name, compute in plain.items()}
    bare = _of_c()
    return found | {
        "TMath::Power": bare["pow"],
        "TMath::Hypot": bare["hypot"],
        "TMath::ATan2": bare["atan2"],
        "TVector2::Phi_mpi_pi": Function(_from_minus_pi, 1, _few_turns, "the angle is no difference of two"),
    }


FUNCTIONS: Final[dict[str, Function]] = {
    **_of_c(),
    **_of_c_alone(),
    **_of_tmath(),
    **{
        f"std::{name}": Function(one.compute, one.arguments)
        for name, one in (_of_c() | _of_c_alone()).items()
    },
}
"""Functions that compute in double precision, by name."""

CONSTANTS: Final[dict[str, float]] = {"TMath::Pi": np.pi, "TMath::TwoPi": TURN}
