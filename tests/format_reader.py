"""A second reader, of `lifting` files, written from docs/format/v1.md alone: nothing of hepae is imported.

It is as plain as the page and looks at every object of a chunk at every step. Numbers in comments are sections.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from typing import Any

import numpy as np
import onnx
import uproot
import xxhash
from pcodec import standalone

MISSING = -(1 << 62)
FRAME = struct.Struct("<4sBBH16sQQQIIIII")
MARK = re.compile(
    r"(.*?) ?\[hepae v(\d+) collection=(\S+) feature=(\S+) counter=(\S+) codec=(\w+) dtype=(\w+) bound=(\S+)( side)?\]",
    re.DOTALL,
)
BYTES = uproot.AsJagged(uproot.AsDtype("u1"))


class Refused(Exception):
    """What the page says MUST be refused."""


def require(right: Any, what: str) -> None:
    if not right:
        raise Refused(what)


def checksum(*parts: Any) -> int:  # 1
    state = xxhash.xxh3_64(seed=0)
    for part in parts:
        state.update(part if isinstance(part, bytes) else part.astype(part.dtype.newbyteorder("<")).tobytes())
    return int(state.intdigest())


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
        self.inserted = [(p["at"] + j, p["at"], p.get("bits")) for j, p in enumerate(spec.get("inserted", []))]
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

    def points(self, n):
        kind = self.grid["type"]
        with np.errstate(over="ignore"):
            if kind == "linear":
                return (n.astype(float) * self.grid["step"]).astype(self.dtype)
            if kind == "log":
                m = np.clip(np.abs(n) - 1, 0, self.grid["top"])
                product = self.high[m >> self.half] * self.low[m % len(self.low)]
                return (product * np.sign(n)).astype(self.dtype)
        if kind == "pattern":
            u = (np.where(n < 0, -1 - n, n) << self.grid["shift"]).astype(np.uint64)
            u += np.where(n < 0, np.uint64(1 << self.width - 1), np.uint64(0))
            return u.astype(self.bits).view(self.dtype)
        return n.astype(self.dtype)

    def grid_number(self, q):
        return q - sum(((q > i).astype(np.int64) for i, _, _ in self.inserted), np.int64(0))

    def values(self, q, escaped=None):
        bits = self.points(self.grid_number(q)).view(self.bits).copy()
        for i, _, special in self.inserted:
            if special is not None:
                bits[q == i] = special
            elif escaped is not None:
                require(np.sum(q == i) == len(escaped), "escapes")
                bits[q == i] = escaped
        require(escaped is None or not len(escaped) or None in [p[2] for p in self.inserted], "escapes")
        return bits.view(self.dtype)

    def centres(self, q):
        value, point = self.values(q).astype(float), self.points(self.grid_number(q)).astype(float)
        for i, _, special in self.inserted:
            value = np.where((q == i) & (special is None), point, value)
        return np.where(np.isfinite(value), value, np.where(np.isfinite(point), point, 0.0))

    def nearest(self, v):
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
            u = np.clip(np.where(np.isfinite(v), v, 0), -largest, largest).astype(self.dtype).view(self.bits)
            u = u.astype(np.uint64).view(np.int64) & ((1 << self.width - 1) - 1), u >> self.bits.type(self.width - 1)
            n = (u[0] + ((1 << self.grid["shift"]) >> 1)) >> self.grid["shift"]
            n = np.where(u[1] != 0, -1 - n, n)
        else:
            n = np.rint(np.clip(np.where(np.isfinite(v), v, 0), -(2.0**52), 2.0**52)).astype(self.dtype)
            n = n.astype(np.int64)
        return n + sum(((n >= at).astype(np.int64) for _, at, _ in self.inserted), np.int64(0))


def fix(x, largest):
    return np.where(np.isnan(x), largest, np.clip(x, -largest, largest))


def octaves(v):
    m, e = np.frexp(np.clip(np.where(np.isnan(v), 0, np.abs(v)), 2.0**-40, 2.0**1000))
    return np.rint((m * 2 + e) * 1024).astype(np.int64)


def block(data, n):  # 9
    """The integers of a block that holds at most n; exactly n if they are all the same."""
    require(data, "empty block")
    if data[0] == 0:
        return np.empty(0, np.int64)
    if data[0] == 1:
        return np.full(n, int.from_bytes(data[1:], "little", signed=True), np.int64)
    out = np.empty(n, {2: np.int16, 3: np.int32, 4: np.int64}[data[0]])
    progress = standalone.simple_decompress_into(data[1:], out)
    require(progress.finished, "a block holds too many integers")
    return out[: progress.n_processed].astype(np.int64)


def features_of(column):
    """Features that a column looks at."""
    own = {column.get("feature"), column.get("pt"), column.get("phi")} - {None}
    inside = [column[key] for key in ("column", "point", "recoil") if key in column]
    return own.union(column.get("features", []), *map(features_of, inside))


class Chunk:  # 10 and 11
    def __init__(self, manifest, counts, events):
        codec = manifest["codec"]["predictors"]
        self.sources, self.counts, self.events = codec.get("sources", []), counts, events
        self.predictors = {p["feature"]: p for p in codec["features"]}
        self.lattices = {f["name"]: Lattice(f["lattice"]) for f in manifest["features"]}
        self.first = np.cumsum(counts) - counts
        event = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(event)) - self.first[event]
        self.order = np.lexsort((event, -counts[event], place))
        self.event, self.place = event[self.order], place[self.order]
        self.rank = np.minimum(self.place, 6)
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
        kind = c["type"]
        if kind in ("here", "latent"):
            return (self.known if kind == "here" else self.latents)[c["feature"]]
        if kind == "neighbour":
            other = self.place + c["offset"]
            there = (other >= 0) & (other < self.counts[self.event]) & ((c["offset"] > 0) | (other < 6))
            at = self.inverse[np.where(there, self.first[self.event] + other, 0)] if len(other) else other
            return np.where(there, self.known[c["feature"]][at], MISSING)
        if kind == "product":
            logs = [log(np.maximum(np.abs(self.value(f)), 2.0**-40)) * 1024 for f in c["features"]]
            total = sum(w * np.rint(one).astype(np.int64) for w, one in zip(c["weights"], logs, strict=True))
            return total >> c["shift"]
        if kind == "mix":
            near = [np.clip(self.known[f], -(1 << 40), 1 << 40).astype(float) for f in c["features"]]
            parts = [q * (w / 2 ** c["shift"]) for q, w in zip(near, c["weights"], strict=True)]
            return np.floor(sum(parts[1:], parts[0] + 0.5)).astype(np.int64)
        if kind in ("count", "rank"):
            return self.counts[self.event] if kind == "count" else self.rank
        if kind == "condition":
            v = self.events[c["branch"]].astype(float)
            there, v = np.isfinite(v), np.where(np.isfinite(v), v, 0)
            if c.get("scale") is None:
                found = octaves(v)
            else:
                found = np.rint(np.clip(v * c["scale"], -(2.0**40), 2.0**40)).astype(np.int64)
            return np.where(there, found, MISSING)[self.event]
        if kind == "blend":
            parts = [self.value(f) * w for f, w in zip(c["features"], c["weights"], strict=True)]
            return self.lattices[c["target"]].nearest(sum(parts, c["constant"]))
        if kind == "formula":
            return self.lattices[c["target"]].nearest(self.formula(c))
        if kind == "formula_offset":
            lattice, v = self.lattices[c["point"]["target"]], self.formula(c["point"])
            h = lattice.nearest(v)
            gap = np.maximum(lattice.centres(h + 1) - lattice.centres(h - 1), 2.0**-40)
            d = (128 * (v - lattice.centres(h))) / gap
            return np.floor(np.clip(np.where(np.isfinite(d), d, 0), -128, 127)).astype(np.int64)
        if kind == "recoil":
            x, y = self.balance(c)
            return self.lattices[c["phi"]].nearest(tablearctan2(y, x))
        if kind == "recoil_size":
            x, y = self.balance(c["recoil"])
            s = x * x + y * y
            pt = self.value(c["recoil"]["pt"]) if c.get("relative", True) else np.ones(len(s))
            return np.where(s > 0, octaves(s / np.maximum(pt * pt, 2.0**-40)), MISSING)
        require(kind == "when", f"column {kind}")
        last = self.rank == np.minimum(self.counts[self.event] - 1, 6)
        here = {"first": self.rank == 0, "later": self.rank > 0, "last": last}[c["which"]]
        return np.where(here, self.integers(c["column"]), MISSING)

    def balance(self, c):
        m, a = (
            np.where(np.abs(v) < 2.0**40, v, 0)
            for v in (self.events[c[key]].astype(float) if c.get("met") else self.counts * 0.0 for key in ("met", "met_phi"))
        )
        cosine, sine = cos_sin(a)
        x, y = (-m * cosine, -m * sine) if c.get("met") else (m, a)
        out = np.zeros((2, len(self.rank)))
        t, (cosine, sine) = self.value(c["pt"]), cos_sin(self.value(c["phi"]))
        for rank in range(7):
            here = self.rank == rank
            event = self.event[here]
            out[:, here] = x[event], y[event]
            if rank < 6:
                x[event], y[event] = x[event] - (t * cosine)[here], y[event] - (t * sine)[here]
        return out

    def formula(self, c):
        v, name = [self.value(f) for f in c["features"]], c["formula"]
        if name in ("energy", "energy_massless", "mass"):
            p = v[0] * cosh(np.clip(v[1], -30, 30))
            if name == "mass":
                return np.sqrt(np.maximum(v[2] - p, 0) * (v[2] + p))
            return p if name == "energy_massless" else np.sqrt(p * p + v[2] * v[2])
        if name in ("energy_cartesian", "energy_cartesian_massive"):
            return np.sqrt(sum((x * x for x in v[1:]), v[0] * v[0]))
        if name in ("px", "py"):
            return v[0] * cos_sin(v[1])[name == "py"]
        if name == "pz":
            return v[0] * sinh(np.clip(v[1], -30, 30))
        if name == "phi":
            return arctan2(v[1], v[0])
        size = np.sqrt(v[0] * v[0] + v[1] * v[1])
        if name == "pt":
            return size
        require(name == "eta", f"formula {name}")
        a = np.abs(v[2]) / np.maximum(size, 1e-12)
        eta = np.minimum(log(np.maximum(a + np.sqrt(a * a + 1), 1)), 30)
        return np.where(v[2] < 0, -eta, eta)

    def total(self, constant, terms):  # 10.2
        out = np.full(len(self.rank), constant, np.int64)
        for term in terms:
            source = self.sources[term["source"]]
            knots, y = np.array(source["knots"]), np.array(term["values"], np.int64)
            key = term["source"], tuple(term["values"])
            if key not in self.tables:
                x = np.arange(1, knots[-1] + 1)
                i = np.maximum(np.searchsorted(knots, x, "left") - 1, 0)
                j = np.minimum(i + 1, len(knots) - 1)
                table = y[1 + i] + ((y[1 + j] - y[1 + i]) * (x - knots[i])) // np.maximum(knots[j] - knots[i], 1)
                self.tables[key] = np.append(y[:1], table)
            optional = source["column"]["type"] in ("neighbour", "condition", "recoil_size", "when")
            index = ((self.integers(source["column"]) - source["low"]) >> source["shift"]) + 1
            out += self.tables[key][np.clip(index, 0 if optional else 1, knots[-1])]
        return out

    def prediction(self, name):
        p = self.predictors[name]
        fine = self.total(p.get("constant", 0) + 32, p.get("terms", []))
        return (fine >> 6) + (self.integers(p["base"]) if p.get("base") else 0)

    def classes(self, name):
        widths = self.predictors[name].get("widths") or {"constant": 0, "terms": [], "edges": []}
        score = self.total(widths["constant"], widths["terms"])
        return sum(((score >= e).astype(int) for e in widths["edges"]), np.zeros(len(score), int))

    def decode(self, name, payload):  # 11
        n, mode, period = len(self.rank), payload[0], self.predictors[name].get("period")
        require(mode in (0, 1, 2, 5, 6), f"mode {mode}")
        length = period["high"] - period["low"] + 1 if period else 0
        if mode == 0:
            q = self.known[name] = block(payload[1:], n)
            require(len(q) == n, "a block holds too few integers")
            r = q - self.prediction(name)
            if period and np.all((q >= period["low"]) & (q <= period["high"])):
                r = (r + length // 2) % length - length // 2
            self.latents[name] = r
            return
        blocks, body = [], payload[1:]
        while mode in (2, 6) and len(blocks) < len(self.predictors[name]["widths"]["edges"]):
            size = int.from_bytes(body[:4], "little")
            blocks.append(block(body[4 : 4 + size], n))
            body = body[4 + size :]
        blocks.append(block(body, n))
        q, latents, taken = np.zeros(n, np.int64), np.zeros(n, np.int64), [0] * len(blocks)
        self.known[name], self.latents[name] = q, latents
        for rank in range(7) if name in self.parents(name) else [self.rank]:
            here, classes = self.rank == rank, self.classes(name) if len(blocks) > 1 else np.zeros(n)
            for k, latents_of_class in enumerate(blocks):
                at = np.flatnonzero(here & (classes == k))
                require(taken[k] + len(at) <= len(latents_of_class), "a block holds too few integers")
                latents[at] = latents_of_class[taken[k] : taken[k] + len(at)]
                taken[k] += len(at)
            found = latents + self.prediction(name)
            if period and mode > 4:
                found = period["low"] + (found - period["low"]) % length
            q[here] = found[here]


def parse(data):  # 8.2, 8.3
    require(len(data) >= FRAME.size + 8, "a frame is cut short")
    magic, version, codec, feature, model, chunk, context, content, events, objects, e, o, p = FRAME.unpack_from(data)
    require(magic == b"hepa" and version == 1 and codec == 1, "not a frame of lifting, version 1")
    require(len(data) == FRAME.size + e + o + p + 8, "a frame of another length")
    require(checksum(data[:-8]) == int.from_bytes(data[-8:], "little"), "a frame is damaged")
    body = data[FRAME.size : -8]
    place = model, chunk, context, events, objects
    return place, feature, content, body[:e], body[e : e + o], body[e + o :]


def restore(path, tree="Events"):
    """Counts and flat restored values of every compressed branch, by the branch's original name."""
    restored = {}
    with uproot.open(path) as file:
        table = file["hepae_models"]  # 4
        shas = table["sha256"].array(library="np").astype(np.uint8)
        models = {}
        for sha, data in zip(shas, table["onnx"].array(BYTES, library="np"), strict=True):
            require(hashlib.sha256(data.tobytes()).digest() == sha.tobytes(), "a model is damaged")
            texts = [p.value for p in onnx.load_from_string(data.tobytes()).metadata_props if p.key == "hepae_manifest"]
            models[sha.tobytes()[:16]] = json.loads(texts[0])
        events = file[tree]
        marks = {b.name: MARK.fullmatch(b.title) for b in events.branches if b.name.endswith("__hepae")}
        marks = {name: mark for name, mark in marks.items() if mark}
        for collection in dict.fromkeys(mark[3] for mark in marks.values()):
            mine = {mark[4]: name for name, mark in marks.items() if mark[3] == collection}
            counts = events[marks[next(iter(mine.values()))][5]].array(library="np").astype(np.int64)
            lengths = events["n" + next(iter(mine.values()))].array(library="np")
            starts = np.flatnonzero(lengths)  # 8.1
            require(not len(lengths) or starts[:1].tolist() == [0], "the first chunk was dropped")
            parts = {name: [] for name in mine}
            for start, stop in zip(starts, [*starts[1:], len(lengths)], strict=True):
                one = restore_chunk(events, models, mine, counts[start:stop], start, stop)
                for name in mine:
                    parts[name].append(one[name])
            for name, branch in mine.items():
                dtype = np.dtype(marks[branch][7])
                restored[branch.removesuffix("__hepae")] = counts, np.concatenate([np.empty(0, dtype), *parts[name]])
    return restored


def restore_chunk(events, models, branches, counts, start, stop):
    """Restored values of the features of a chunk."""
    read = {
        name: events[branch].array(BYTES, entry_start=start, entry_stop=stop, library="np")
        for name, branch in branches.items()
    }
    require(all(not sum(map(len, column[1:])) for column in read.values()), "bytes where no chunk starts")
    frames = {name: parse(column[0].tobytes()) for name, column in read.items()}
    place = next(iter(frames.values()))[0]
    manifest = models[place[0]]
    require(manifest["format"] == 1 and manifest["codec"]["codec"] == "lifting", "another format or codec")
    conditions = {
        name: events[name].array(entry_start=start, entry_stop=stop, library="np") for name in manifest["conditions"]
    }
    context = checksum(counts, *conditions.values())
    require(place[2:] == (context, len(counts), counts.sum()), "events were dropped, added or changed")
    chunk = Chunk(manifest, counts, conditions)
    for name in chunk.predictors:
        number = [f["name"] for f in manifest["features"]].index(name)
        require(frames[name][:2] == (place, number), "a frame of another place")
        chunk.decode(name, frames[name][5])
    out = {}
    for name, (_, _, content, escaped, override, _) in frames.items():  # 15
        lattice, q = chunk.lattices[name], chunk.known[name][chunk.inverse]
        if override:  # 8.4
            size = int.from_bytes(override[:4], "little")
            lattice, q = Lattice(json.loads(override[4 : 4 + size])), block(override[4 + size :], len(q))
        bits = np.frombuffer(escaped, lattice.bits.newbyteorder("<"))
        out[name] = lattice.values(q, bits)
        require(checksum(out[name]) == content, "restored values do not carry their checksum")
    return out
