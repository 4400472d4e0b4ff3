"""Arithmetic of docs/format/v1.md, written from the page alone (1, 7, 10.3): elementary functions and lattices.

Like tests/format_reader.py it imports nothing of hepae and is as plain as the page. Numbers in comments are sections.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


class RefusedError(Exception):
    """What the page says MUST be refused."""


def require(right: Any, what: str) -> None:
    """Refuse what is not right."""
    if not right:
        raise RefusedError(what)


# 10.3


def polynomial(t, coefficients):
    total = np.full_like(t, coefficients[-1])
    for a in coefficients[-2::-1]:
        total = total * t + a
    return total


HEX = float.fromhex
LN2HI, LN2LO, LN2 = HEX("0x1.62e42fee00000p-1"), HEX("0x1.a39ef35793c76p-33"), HEX("0x1.62e42fefa39efp-1")
PIO2HI, PIO2LO, PI = HEX("0x1.921fb54400000p+0"), HEX("0x1.0b4611a626331p-34"), HEX("0x1.921fb54442d18p+1")
ROOT, TAN8 = HEX("0x1.6a09e667f3bcdp-1"), HEX("0x1.a827999fcef32p-2")


def log(x):
    m, e = np.frexp(x)
    m, e = np.where(m < ROOT, m * 2, m), np.where(m < ROOT, e - 1, e).astype(float)
    s = (m - 1) / (m + 1)
    return e * LN2HI + (e * LN2LO + (2 * s) * polynomial(s * s, [1 / (2 * j + 1) for j in range(11)]))


def exp(x):
    x = np.clip(x, -709, 709)
    k = np.rint(x * (1 / 0.6931471805599453))
    r = (x - k * LN2HI) - k * LN2LO
    return np.ldexp(polynomial(r, [1 / math.factorial(j) for j in range(15)]), k.astype(int))


def cosh(x):
    g = exp(np.abs(x))
    return 0.5 * (g + 1 / g)


def sinh(x):
    g = exp(np.abs(x))
    return np.where(x < 0, -(0.5 * (g - 1 / g)), 0.5 * (g - 1 / g))


def cos_sin(x):
    x = np.clip(x, -1e6, 1e6)
    k = np.rint(x * (2 / PI))
    r = (x - k * PIO2HI) - k * PIO2LO
    c = polynomial(r * r, [(-1) ** j / math.factorial(2 * j) for j in range(10)])
    s = r * polynomial(r * r, [(-1) ** j / math.factorial(2 * j + 1) for j in range(10)])
    turn = k.astype(int) % 4
    return np.choose(turn, [c, -s, -c, s]), np.choose(turn, [s, c, -s, -c])


def arctan2(y, x):
    a, b = np.abs(y), np.abs(x)
    large, t = np.where(a > b, a, b), np.where(a > b, b, a)
    t = t / np.where(large == 0, 1, large)
    wide = t > TAN8
    t = np.where(wide, (t - 1) / (t + 1), t)
    t = t / (1 + np.sqrt(1 + t * t))
    angle = (2 * t) * polynomial(t * t, [(-1) ** j / (2 * j + 1) for j in range(12)])
    angle = angle + np.where(wide, 0.25 * PI, 0)
    angle = np.where(a > b, 0.5 * PI - angle, angle)
    angle = np.where(x < 0, PI - angle, angle)
    return np.where(y < 0, -angle, angle)


V = log(0.5 + np.arange(4097) / 8192)
D = (V[1:] - V[:-1]) * 8192
U = arctan2(np.arange(4097) / 4096, np.ones(4097))


def tablelog(x):
    m, e = np.frexp(x)
    f = m - 0.5
    i = np.trunc(f * 8192).astype(int)
    return ((f - i / 8192) * D[i] + V[i]) + e * LN2


def tablearctan2(y, x):
    a, b = np.abs(y), np.abs(x)
    quotient = np.minimum(a, b) / np.maximum(np.maximum(a, b), 2.0**-1000)
    i = np.trunc(np.where(np.isnan(quotient), 0, quotient) * 4096 + 0.5).astype(int)
    angle = np.where(a > b, 0.5 * PI - U[i], U[i])
    return np.copysign(np.where(x < 0, PI - angle, angle), y)


class Lattice:  # 7
    def __init__(self, spec):
        self.dtype, self.grid = np.dtype(spec["dtype"]), spec["grid"]
        self.bits, self.width = np.dtype(f"u{self.dtype.itemsize}"), 8 * self.dtype.itemsize
        self.inserted = [
            (p["at"] + j, p["at"], p.get("bits")) for j, p in enumerate(spec.get("inserted", []))
        ]
        if self.grid["type"] == "log":
            base, top = self.grid["base"], self.grid["top"]
            self.half = (max(top, 1).bit_length() + 1) // 2
            low = [1.0]
            while len(low) < 1 << self.half:
                low.append(low[-1] * base)
            high, ratio = [self.grid["first"]], low[-1] * base
            while len(high) <= top >> self.half:
                high.append(high[-1] * ratio)
            self.low, self.high = np.array(low), np.array(high)

    def points(self, n, place=None):  # 7.1, 7.5
        kind = self.grid["type"]
        with np.errstate(over="ignore"):
            if kind == "linear":
                moved = n.astype(float) if place is None else n.astype(float) + (2 * place - 63) / 128
                return (moved * self.grid["step"]).astype(self.dtype)
            if kind == "log":
                m = np.clip(np.abs(n) - 1, 0, self.grid["top"])
                product = self.high[m >> self.half] * self.low[m % len(self.low)]
                moved = product if place is None else product * self.roots()[place]
                return (moved * np.sign(n)).astype(self.dtype)
        if kind == "pattern":
            u = (np.where(n < 0, -1 - n, n) << self.grid["shift"]).astype(np.uint64)
            u += np.where(n < 0, np.uint64(1 << self.width - 1), np.uint64(0))
            return u.astype(self.bits).view(self.dtype)
        return n.astype(self.dtype)

    def roots(self):
        h = self.grid["base"]
        for _ in range(7):
            h = math.sqrt(h)
        powers = [1.0]
        while len(powers) < 128:
            powers.append(powers[-1] * h)
        return np.array(powers[::2]) / powers[63]

    def grid_number(self, q):
        return q - sum(((q > i).astype(np.int64) for i, _, _ in self.inserted), np.int64(0))

    def values(self, q, escaped=None, place=None):  # 7.2
        bits = self.points(self.grid_number(q), place).view(self.bits).copy()
        for i, _, special in self.inserted:
            if special is not None:
                bits[q == i] = special
            elif escaped is not None:
                require(np.sum(q == i) == len(escaped), "escapes")
                bits[q == i] = escaped
        require(escaped is None or not len(escaped) or None in [p[2] for p in self.inserted], "escapes")
        return bits.view(self.dtype)

    def centres(self, q):  # 7.3
        value, point = self.values(q).astype(float), self.points(self.grid_number(q)).astype(float)
        for i, _, special in self.inserted:
            value = np.where((q == i) & (special is None), point, value)
        return np.where(np.isfinite(value), value, np.where(np.isfinite(point), point, 0.0))

    def nearest(self, v):  # 7.4
        kind = self.grid["type"]
        if kind == "linear":
            n = np.rint(fix(v / self.grid["step"], 2.0**52)).astype(np.int64)
        elif kind == "log":
            c = 1 / log(np.array([self.grid["base"]]))[0]
            s = np.maximum(fix(np.abs(v) * (1 / self.grid["first"]), 2.0**1000), 2.0**-1000)
            n = np.rint(np.clip(tablelog(s) * c + 1, 0, self.grid["top"] + 1)).astype(np.int64)
            n = np.where(v < 0, -n, n)
        elif kind == "pattern":
            largest = float(np.finfo(self.dtype).max)
            near = np.clip(np.where(np.isfinite(v), v, 0), -largest, largest).astype(self.dtype)
            u = near.view(self.bits).astype(np.uint64).view(np.int64) & ((1 << self.width - 1) - 1)
            n = (u + ((1 << self.grid["shift"]) >> 1)) >> self.grid["shift"]
            n = np.where(np.signbit(near), -1 - n, n)
        else:
            kinds = {"b": (0, 1)}
            least, most = kinds.get(self.dtype.kind) or (np.iinfo(self.dtype).min, np.iinfo(self.dtype).max)
            near = np.clip(np.where(np.isfinite(v), v, 0), max(least, -(2**52)), min(most, 2**52))
            n = np.rint(near).astype(np.int64)
        return n + sum(((n >= at).astype(np.int64) for _, at, _ in self.inserted), np.int64(0))


def fix(x, largest):
    return np.where(np.isnan(x), largest, np.clip(x, -largest, largest))


def octaves(v):
    m, e = np.frexp(np.clip(np.where(np.isnan(v), 0, np.abs(v)), 2.0**-40, 2.0**1000))
    return np.rint((m * 2 + e) * 1024).astype(np.int64)


def places(feature, objects):  # 7.5
    """Places of so many objects inside their cells."""
    x = np.arange(1, objects + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = x + np.uint64((feature + 1) * 0xD1342543DE82EF95 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(58)).astype(np.int64)
