"""Payloads of the masked codec by docs/format/v1.md, section 12, written from the page alone: one symbol at a time.

Like tests/format_reader.py it imports nothing of hepae. Networks run in the reference evaluator of the package onnx.
"""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from tests.format_blocks import block, varint
from tests.format_chunk import Chunk, features_of
from tests.format_numbers import require

M = (65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752)
M += (92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515)


class Bits:
    """A bit stream, least significant bit first."""

    def __init__(self, data):
        self.all, self.size, self.position = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, bits):
        found = (self.all >> self.position) & ((1 << bits) - 1)
        self.position += bits
        require(self.position <= self.size, "a bit stream ends too early")
        return found

    def finished(self):
        return self.size - self.position < 8


def frequencies(g):
    """F of each symbol of one table, from G of its bins."""
    d = [min(max(g) - one, 320) for one in g]
    w = [M[-one % 16] << (20 + one // -16) for one in d]
    total = sum(w)
    f = [(one * 4096 + total // 2) // total for one in w]
    rare = sum(one for one, found in zip(w, f, strict=True) if found == 0)
    f.append(max((rare * 4096 + total // 2) // total, 1))
    excess, before = sum(f) - 4096, sum(f)
    sign = (excess > 0) - (excess < 0)
    f = [one - sign * (one * abs(excess) // before) for one in f]
    excess = sum(f) - 4096
    sign = (excess > 0) - (excess < 0)
    for a in sorted(range(len(f)), key=lambda a: -f[a])[: abs(excess)]:
        f[a] -= sign
    require(min(f) >= 0 and f[-1] > 0 and sum(f) == 4096, "coding tables with too many bins")
    return f


def entries(f):
    """(symbol, bits, base) of each state of a table with these frequencies."""
    symbols = [0] * 4096
    for i, a in enumerate([a for a, times in enumerate(f) for _ in range(times)]):
        symbols[2563 * i % 4096] = a
    visits, table = list(f), []
    for a in symbols:
        bits = 12 - (visits[a].bit_length() - 1)
        table.append((a, bits, (visits[a] << bits) - 4096))
        visits[a] += 1
    return table


class Masked(Chunk):
    """A chunk whose payloads are those of masked."""

    def __init__(self, manifest, counts, events, model):
        super().__init__(manifest, counts, events)
        self.codec, self.model = manifest["codec"], model
        arrays = {t.name: t for t in model.graph.initializer}
        self.arrays = {
            name.removeprefix("table/"): onnx.numpy_helper.to_array(t).astype(np.int64)
            for name, t in arrays.items()
            if name.startswith("table/")
        }
        self.orders = {shape["feature"]: place for place, shape in enumerate(self.codec["shapes"])}

    def predicted(self, c):
        return self.prediction(c["feature"])

    def predicted_offset(self, c):
        return self.fine(c["feature"]) % 64

    def ranked(self, name):
        seen = [self.codec["inputs"][i]["column"] for i in self.shape(name).get("inputs", [])]
        if name in self.codec.get("together", []):
            return True
        return name in self.parents(name).union(*map(features_of, seen))

    def shape(self, name):
        return self.codec["shapes"][self.orders[name]]

    def coding_tables(self, name, bins):
        """The coding tables of a feature, the last one last."""
        shape, place = self.shape(name), self.orders[name]
        if not shape.get("levels"):
            return [
                entries(frequencies(g))
                for g in ([-int(m) for m in self.arrays[f"marginal{place}"]], [0] * bins)
            ]
        hidden, bias, out, out_bias = (
            self.arrays[f"{part}{place}"] for part in ("hidden", "hidden_bias", "out", "out_bias")
        )
        found = []
        for point in product(*map(range, shape["levels"])):
            c = np.array([128 * j // max(n - 1, 1) - 64 for j, n in zip(point, shape["levels"], strict=True)])
            a = np.clip((c @ hidden + bias + 32) >> 6, 0, 255)
            g, anchors = (a @ out + out_bias + 32) >> 6, shape["anchors"]
            values = [int(g[0])]
            for k, (left, right) in enumerate(pairwise(anchors)):
                rise = int(g[k + 1] - g[k])
                values += [
                    int(g[k]) + rise * (i - left) // (right - left) for i in range(left + 1, right + 1)
                ]
            found.append(entries(frequencies(values)))
        return [*found, entries(frequencies([0] * bins))]

    def cells(self, name, here):
        """The coding tables that the network chooses for the objects of a piece."""
        shape, network = self.shape(name), f"cell{self.orders[name]}"
        if not shape.get("levels") or not len(here):
            return [0] * len(here)
        levels = []
        for source in (self.codec["inputs"][i] for i in shape["inputs"]):
            knots = len(source["knots"])
            steps = [255 * i // max(knots - 1, 1) for i in range(knots)]
            levels.append(self.looked_up(source, [128, *steps])[here])
        whole, part = self.model.graph, onnx.GraphProto(name=network)
        for kind in ("node", "initializer", "input", "output"):
            for item in getattr(whole, kind):
                first = item.output[0] if kind == "node" else item.name
                if first.replace(".", "/").startswith(network + "/"):
                    getattr(part, kind).append(item)
        model = onnx.helper.make_model(part, opset_imports=self.model.opset_import)
        inputs = {f"{network}.levels": np.array(levels, np.uint8)}
        return ReferenceEvaluator(model).run([f"{network}.cell"], inputs)[0][0].tolist()

    def decode(self, payloads):
        """The payloads of all features."""
        payloads = self.unbundled(payloads)
        together = self.codec.get("together", [])
        for name in self.predictors:
            if name not in together:
                self.decode_group([name], payloads)
            elif name == together[0]:
                self.decode_group(together, payloads)

    def decode_group(self, names, payloads):
        streams = {}
        for name in names:
            if payloads[name][0] < 16:
                self.known[name] = block(payloads[name], len(self.ranks))[self.order]
            else:
                self.known[name] = np.zeros(len(self.ranks), np.int64)
                self.latents[name] = np.zeros(len(self.ranks), np.int64)
                streams[name] = Stream(self, name, payloads[name])
        for rank in range(self.last + 1) if self.ranked(names[0]) else [self.ranks]:
            here = np.flatnonzero(self.ranks == rank)
            for name in names:
                if name in streams:
                    streams[name].piece(here)
                else:
                    self.put(name, self.known[name])
        for stream in streams.values():
            stream.finish()


class Stream:
    """The payload of one feature, second form."""

    def __init__(self, chunk, name, payload):
        require(payload[0] in (16, 80), "a bad header")
        half, at = varint(payload, 1)
        s, at = varint(payload, at)
        k, at = varint(payload, at)
        b, at = varint(payload, at) if k else (len(payload) - at - s, at)
        require(half > 0 and k <= len(chunk.ranks), "a bad header")
        self.around, self.lanes = payload[0] == 80, 2 * half
        self.chunk, self.name, self.ranked = chunk, name, chunk.ranked(name)
        self.coded, self.raw = Bits(payload[at : at + s]), payload[at + s : at + s + b]
        self.bits = Bits(self.raw) if self.ranked else None
        self.outside = iter(block(payload[at + s + b :], k).tolist() if k else [])
        alphabet = chunk.shape(name)["alphabet"]
        self.widths = [w for w, times in alphabet["runs"] for _ in range(times)]
        self.starts = [
            alphabet["low"] + sum(1 << w for w in self.widths[:i]) for i in range(len(self.widths))
        ]
        self.tables = chunk.coding_tables(name, len(self.widths))
        self.states = [self.coded.take(12) for _ in range(self.lanes)]

    def symbols(self, chosen):
        """A symbol for each table that is named."""
        found = []
        for i, table in enumerate(chosen):
            symbol, bits, base = self.tables[table][self.states[i % self.lanes]]
            self.states[i % self.lanes] = base + self.coded.take(bits)
            found.append(symbol)
        return found

    def piece(self, here):
        """The objects of a piece."""
        chunk, name, other = self.chunk, self.name, len(self.widths)
        found = self.symbols(chunk.cells(name, here))
        second = iter(self.symbols([len(self.tables) - 1] * found.count(other)))
        found = [next(second) if symbol == other else symbol for symbol in found]
        if self.bits is None:  # hidden bits
            size = sum(self.widths[symbol] for symbol in found if symbol != other)
            room = self.lanes * 12 // 8
            hidden = sum(state << 12 * i for i, state in enumerate(self.states)).to_bytes(room, "little")
            self.bits = Bits((hidden if (size + 7) // 8 >= room else b"") + self.raw)
        for at, symbol in zip(here, found, strict=True):
            inside = None if symbol == other else self.bits.take(self.widths[symbol])
            chunk.latents[name][at] = next(self.outside) if inside is None else self.starts[symbol] + inside
        q, period = chunk.latents[name] + chunk.prediction(name), chunk.predictors[name].get("period")
        if period and self.around:
            q = period["low"] + (q - period["low"]) % (period["high"] - period["low"] + 1)
        chunk.known[name][here] = q[here]

    def finish(self):
        """Nothing may be left."""
        require(self.coded.finished() and self.bits.finished(), "bits are left over")
        require(next(self.outside, None) is None, "residuals are left over")
