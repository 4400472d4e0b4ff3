"""Prediction by docs/format/v1.md, section 10, written from the page alone: columns, predictors, classes.

Like tests/format_reader.py it imports nothing of hepae and is as plain as the page: every step looks at every object.
"""

from __future__ import annotations

import numpy as np

from tests.format_crowd import CARTESIAN, Crowd
from tests.format_numbers import Lattice, arctan2, cos_sin, cosh, log, octaves, require, sinh, tablearctan2

MISSING = -(1 << 62)
OPTIONAL = ("neighbour", "condition", "recoil_size", "recoil_point", "when", "leading", "nearest", "apart")


def features_of(column):
    """Features that a column looks at."""
    if column["type"] in ("predicted", "predicted_offset"):  # 12
        return set()
    own = {column.get(key) for key in ("feature", "pt", "phi", "by", "kind")} - {None, ""}
    inside = [column[key] for key in ("column", "point", "recoil", "base") if key in column]
    return own.union(column.get("features", []), *map(features_of, inside))


def kinematics(name, v):
    """A formula of the table in 10.4, of the values of its features."""
    if name in ("energy", "energy_massless", "mass"):
        p = v[0] * cosh(np.clip(v[1], -30, 30))
        if name == "mass":
            return np.sqrt(np.maximum(v[2] - p, 0) * (v[2] + p))
        return p if name == "energy_massless" else np.sqrt(p * p + v[2] * v[2])
    if name in ("energy_cartesian", "energy_cartesian_massive"):
        return np.sqrt(sum((x * x for x in v[1:]), v[0] * v[0]))
    if name in CARTESIAN:
        return CARTESIAN[name](*v)
    if name in ("px", "py"):
        return v[0] * cos_sin(v[1])[name == "py"]
    if name == "pz":
        return v[0] * sinh(np.clip(v[1], -30, 30))
    if name == "phi":
        return arctan2(v[1], v[0])
    require(name in ("pt", "eta"), f"formula {name}")
    size = np.sqrt(v[0] * v[0] + v[1] * v[1])
    if name == "pt":
        return size
    a = np.abs(v[2]) / np.maximum(size, 1e-12)
    eta = np.minimum(log(np.maximum(a + np.sqrt(a * a + 1), 1)), 30)
    return np.where(v[2] < 0, -eta, eta)


class Chunk(Crowd):
    """What is known of a chunk, in rank order, and what is predicted from it."""

    def __init__(self, manifest, counts, events, _=None):
        codec = manifest["codec"]["predictors"]
        self.sources, self.counts, self.events = codec.get("sources", []), counts, events
        self.predictors = {p["feature"]: p for p in codec["features"]}
        self.derived, self.last = codec.get("derived", []), codec.get("last_rank", 6)
        self.lattices = {f["name"]: Lattice(f["lattice"]) for f in [*manifest["features"], *self.derived]}
        self.first = np.cumsum(counts) - counts
        event = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(event)) - self.first[event]
        self.order = np.lexsort((event, -counts[event], place))
        self.event, self.place = event[self.order], place[self.order]
        self.ranks = np.minimum(self.place, self.last)
        self.inverse = np.argsort(self.order)
        self.known, self.latents, self.tables = {}, {}, {}

    def columns(self, name):
        p, w = self.predictors[name], self.predictors[name].get("widths") or {}
        terms = [*p.get("terms", []), *w.get("terms", [])]
        return [self.sources[t["source"]]["column"] for t in terms] + [p["base"]] * bool(p.get("base"))

    def parents(self, name):
        return {parent for column in self.columns(name) for parent in features_of(column)}

    def ancestors(self, name):
        found, waiting = {name}, [name]
        while waiting:
            new = self.parents(waiting.pop()) - found
            found |= new
            waiting += new
        return [other for other in self.predictors if other in found]

    def value(self, name):
        return self.lattices[name].centres(self.known[name])

    def integers(self, c):  # 10.4
        """The integer of each object in a column."""
        require(hasattr(self, c["type"]), f"column {c['type']}")
        return getattr(self, c["type"])(c)

    def here(self, c):
        return self.known[c["feature"]]

    def latent(self, c):
        return self.latents[c["feature"]]

    def neighbour(self, c):
        other = self.place + c["offset"]
        there = (other >= 0) & (other < self.counts[self.event]) & ((c["offset"] > 0) | (other < self.last))
        at = self.inverse[np.where(there, self.first[self.event] + other, 0)] if len(other) else other
        return np.where(there, self.known[c["feature"]][at], MISSING)

    def product(self, c):
        logs = [np.rint(log(np.maximum(np.abs(self.value(f)), 2.0**-40)) * 1024) for f in c["features"]]
        return sum(w * one.astype(np.int64) for w, one in zip(c["weights"], logs, strict=True)) >> c["shift"]

    def mix(self, c):
        near = [np.clip(self.known[f], -(1 << 40), 1 << 40).astype(float) for f in c["features"]]
        parts = [q * (w / 2 ** c["shift"]) for q, w in zip(near, c["weights"], strict=True)]
        return np.floor(sum(parts[1:], parts[0] + 0.5)).astype(np.int64)

    def count(self, _):
        return self.counts[self.event]

    def rank(self, _):
        return self.ranks

    def condition(self, c):
        v = self.events[c["branch"]].astype(float)
        there, v = np.isfinite(v), np.where(np.isfinite(v), v, 0)
        if c.get("scale") is None:
            found = octaves(v)
        else:
            found = np.rint(np.clip(v * c["scale"], -(2.0**40), 2.0**40)).astype(np.int64)
        return np.where(there, found, MISSING)[self.event]

    def blend(self, c):
        parts = [self.value(f) * w for f, w in zip(c["features"], c["weights"], strict=True)]
        return self.lattices[c["target"]].nearest(sum(parts, c["constant"]))

    def formula(self, c):
        return self.lattices[c["target"]].nearest(
            kinematics(c["formula"], [self.value(f) for f in c["features"]])
        )

    def formula_offset(self, c):
        point = c["point"]
        lattice = self.lattices[point["target"]]
        if point["type"] == "mass_shell":
            v = self.energy(point)
        else:
            v = kinematics(point["formula"], [self.value(f) for f in point["features"]])
        h = lattice.nearest(v)
        gap = np.maximum(lattice.centres(h + 1) - lattice.centres(h - 1), 2.0**-40)
        d = (128 * (v - lattice.centres(h))) / gap
        return np.floor(np.clip(np.where(np.isfinite(d), d, 0), -128, 127)).astype(np.int64)

    def recoil(self, c):
        x, y = self.balance(c)
        return self.lattices[c["phi"]].nearest(tablearctan2(y, x))

    def recoil_size(self, c):
        x, y = self.balance(c["recoil"])
        s = x * x + y * y
        pt = self.value(c["recoil"]["pt"]) if c.get("relative", True) else np.ones(len(s))
        return np.where(s > 0, octaves(s / np.maximum(pt * pt, 2.0**-40)), MISSING)

    def recoil_point(self, c):
        x, y = self.balance(c["recoil"])
        size = np.sqrt(x * x + y * y)
        return np.where(size > 0, self.lattices[c["recoil"]["pt"]].nearest(size), MISSING)

    def ceiling(self, c):
        both = [self.recoil_point(c), self.neighbour({"feature": c["recoil"]["pt"], "offset": -1})]
        least = np.min([np.where(one == MISSING, 1 << 62, one) for one in both], axis=0)
        return np.where(least == 1 << 62, 0, least)

    def when(self, c):
        last = self.ranks == np.minimum(self.counts[self.event] - 1, self.last)
        here = {"first": self.ranks == 0, "later": self.ranks > 0, "last": last}[c["which"]]
        return np.where(here, self.integers(c["column"]), MISSING)

    def balance(self, c):
        x, y = np.zeros((2, len(self.counts)))
        if c.get("met"):
            m, a = (self.events[branch].astype(float) for branch in (c["met"], c["met_phi"]))
            m, a = np.where(np.abs(m) < 2.0**40, m, 0), np.where(np.abs(a) < 2.0**40, a, 0)
            x, y = -m * cos_sin(a)[0], -m * cos_sin(a)[1]
        out = np.zeros((2, len(self.ranks)))
        t, (cosine, sine) = self.value(c["pt"]), cos_sin(self.value(c["phi"]))
        for rank in range(self.last + 1):
            here = self.ranks == rank
            event = self.event[here]
            out[:, here] = x[event], y[event]
            if rank < self.last:
                x[event], y[event] = x[event] - (t * cosine)[here], y[event] - (t * sine)[here]
        return out

    def looked_up(self, source, values):  # 10.2
        """The entry of each object in the table of these values."""
        knots, y = np.array(source["knots"]), np.array(values, np.int64)
        key = id(source), tuple(values)
        if key not in self.tables:
            x = np.arange(1, knots[-1] + 1)
            i = np.maximum(np.searchsorted(knots, x, "left") - 1, 0)
            j = np.minimum(i + 1, len(knots) - 1)
            run = np.maximum(knots[j] - knots[i], 1)
            self.tables[key] = np.append(y[:1], y[1 + i] + ((y[1 + j] - y[1 + i]) * (x - knots[i])) // run)
        optional = source["column"]["type"] in OPTIONAL
        index = ((self.integers(source["column"]) - source["low"]) >> source["shift"]) + 1
        return self.tables[key][np.clip(index, 0 if optional else 1, knots[-1])]

    def total(self, constant, terms):
        found = (self.looked_up(self.sources[term["source"]], term["values"]) for term in terms)
        return sum(found, np.full(len(self.ranks), constant, np.int64))

    def fine(self, name):
        p = self.predictors[name]
        return self.total(p.get("constant", 0) + 32, p.get("terms", []))

    def prediction(self, name):
        base = self.predictors[name].get("base")
        return (self.fine(name) >> 6) + (self.integers(base) if base else 0)

    def put(self, name, q):
        """Integers that are stored without residuals, and the latents that they would have had."""
        self.known[name] = q
        latents, period = q - self.prediction(name), self.predictors[name].get("period")
        if period and np.all((q >= period["low"]) & (q <= period["high"])):
            length = period["high"] - period["low"] + 1
            latents = (latents + length // 2) % length - length // 2
        self.latents[name] = latents

    def classes(self, name):
        widths = self.predictors[name].get("widths") or {"constant": 0, "terms": [], "edges": []}
        score = self.total(widths["constant"], widths["terms"])
        return sum(((score >= e).astype(int) for e in widths["edges"]), np.zeros(len(score), int))
