"""Derived features and columns of events with many objects by docs/format/v1.md, 10.6, from the page alone."""

from __future__ import annotations

import numpy as np

from tests.format_blocks import varint
from tests.format_numbers import cos_sin, octaves, require, sinh

MISSING = -(1 << 62)


def along(x, sine_of, cosine_of):
    cosine = cos_sin(cosine_of)[0]
    return x * (cos_sin(sine_of)[1] / np.where(cosine == 0, 1, cosine))


def across(x, pt, phi):
    size = np.sqrt(np.maximum(pt * pt - x * x, 0))
    return np.where(cos_sin(phi)[1] < 0, -size, size)


def beam(x, y, eta):
    return np.sqrt(x * x + y * y) * sinh(np.clip(eta, -30, 30))


CARTESIAN = {"py_along": along, "py_across": across, "pz_cartesian": beam}
"""Formulas of momenta that follow from derived features and from each other."""


def wrap(x):
    turn = 2 * np.pi
    return x - turn * np.rint(x * (1 / turn))


class Crowd:
    """Part of a chunk: columns, each for all objects."""

    def unbundled(self, payloads):
        payloads = dict(payloads)
        for one in self.derived:
            carrier = one["features"][0]
            size, at = varint(payloads[carrier], 0)
            require(len(payloads[carrier]) > at + size, "a payload is cut short")
            payloads[one["name"]] = payloads[carrier][at : at + size]
            payloads[carrier] = payloads[carrier][at + size :]
        return payloads

    def of_event(self, branch):
        v = self.events[branch].astype(float)
        return np.where(np.abs(v) < 2.0**40, v, 0)

    def at_place(self, values, place):
        """A value of the object at that place of each event, for all objects; 0 where there is none."""
        found = np.zeros(len(self.counts), values.dtype)
        here = self.place == place
        found[self.event[here]] = values[here]
        return found[self.event]

    def sums(self, values):
        """Sum of values over the objects of an event before each object, but at most over `last` of them."""
        total, out = np.zeros(len(self.counts)), np.zeros(len(self.ranks))
        for rank in range(self.last + 1):
            here = self.ranks == rank
            out[here] = total[self.event[here]]
            if rank < self.last:
                total[self.event[here]] += values[here]
        return out

    def condition_point(self, c):
        return self.lattices[c["target"]].nearest(self.of_event(c["branch"]))[self.event]

    def leading(self, c):
        there = (self.ranks > c["place"]) & (c["place"] >= 0) & (c["place"] < self.last)
        return np.where(there, self.at_place(self.known[c["feature"]], c["place"]), MISSING)

    def nearest(self, c):
        own, found = self.known[c["by"]], np.full(len(self.ranks), MISSING)
        least = np.full(len(own), np.iinfo(np.int64).max)
        for place in range(min(self.last, c["most"])):
            d = np.abs(own - self.at_place(own, place))
            nearer = (self.ranks > place) & (d < least)
            least, found = (
                np.where(nearer, d, least),
                np.where(nearer, self.at_place(self.known[c["feature"]], place), found),
            )
        return found

    def axis(self, c):
        lattice, pt, v = self.lattices[c["feature"]], self.value(c["pt"]), self.value(c["feature"])
        total, centre, around = c.get("total", ""), c.get("centre", ""), c.get("around", False)
        reference = self.of_event(centre)[self.event] if centre else self.at_place(v, 0)
        away = wrap(v - reference) if around else v - reference
        s, p = self.sums(pt), self.sums(pt * away)
        if centre:
            t = self.of_event(total)[self.event]
            shift = -p / np.maximum(np.maximum(t - s, 0) + t * 0.0625, 2.0**-40)
        else:
            shift = p / np.maximum(s, 2.0**-40)
        x = reference + np.fmin(np.fmax(shift, -1), 1)
        if not centre:
            x = np.where(self.ranks == 0, 0, x)
        return lattice.nearest(wrap(x) if around else x)

    def left(self, c):
        t, pt = self.of_event(c["total"])[self.event], self.value(c["pt"])
        taken = pt
        if c.get("phi"):
            d = wrap(self.value(c["phi"]) - self.of_event(c["centre"])[self.event])
            taken = pt * (1 - d * d * (0.5 - d * d * (1 / 24)))
        rest = np.maximum(t - self.sums(taken), t * 2.0**-10)
        before = t
        for rank in range(1, self.last + 1):
            before = np.where(self.ranks == rank, self.at_place(pt, rank - 1), before)
        return octaves(rest / (np.maximum(before, 2.0**-40) * (self.counts[self.event] - self.ranks)))

    def energy(self, c):
        k = np.clip(self.known[c["kind"]] - c["first"], 0, len(c["masses"]) - 1)
        x, y, z = (self.value(f) for f in c["features"])
        m = np.array(c["masses"])[k]
        return np.sqrt(((x * x + y * y) + z * z) + m * m)

    def mass_shell(self, c):
        return self.lattices[c["target"]].nearest(self.energy(c))

    def slope(self, c):
        cosine, sine = cos_sin(self.value(c["phi"]))
        return octaves(sine) - octaves(cosine)

    def apart(self, c):
        above, below = self.integers(c["column"]), self.integers(c["base"])
        d, length = above - below, c.get("length", 0)
        d = (d + length // 2) % length - length // 2 if length > 0 else d
        return np.where((above == MISSING) | (below == MISSING), MISSING, d)
