"""A reader of lifting files in one page, written from docs/format/v1.md alone: it imports nothing of hepae.

It knows predictions from the features of the same object by the columns here, latent and mix, and refuses others by
name; tests/format_reader.py knows them all. Numbers in comments are sections.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct

import numpy as np
import onnx
import uproot
import xxhash
from pcodec import standalone, wrapped

MARK = re.compile(r"(?s).*\[hepae v1 .*feature=(\S+) counter=(\S+) codec=lifting .*\]")  # 3
BYTES = uproot.AsJagged(uproot.AsDtype("u1"))


def checksum(*parts):  # 1
    return xxhash.xxh3_64_intdigest(b"".join(p if isinstance(p, bytes) else p.tobytes() for p in parts))


def varint(data, at):  # 8.2
    number, shift = 0, 0
    while True:
        number, shift, at = number | (data[at] & 127) << shift, shift + 7, at + 1
        if data[at - 1] < 128:
            return number, at


def block(data, n):  # 9
    mode, at = data[0] % 16, 1
    if mode in (1, 8):
        z, at = varint(data, at)
        value = z // 2 if z % 2 == 0 else -(z + 1) // 2
        if mode == 1:
            return np.full(n, value, np.int64)
        m, at = varint(data, at)
        g, at = varint(data, at)
        return (value + np.append(0, np.cumsum(block(data[at : at + g], m - 1))))[block(data[at + g :], n)]
    out = np.empty(n, [np.int16, np.int32, np.int64][(mode - 2) % 3])
    if mode in (2, 3, 4):
        file, _ = wrapped.FileDecompressor.new(b"\4\1")
        pages, size = file.chunk_decompressor(data[1:], f"i{8 * out.itemsize}")
        pages.read_page_into(data[1 + size :], n, out)
    elif mode:
        standalone.simple_decompress_into(data[1:], out)
    return out.astype(np.int64)


def points(grid, n, dtype):  # 7.1
    if grid["type"] == "linear":
        return (n * grid["step"]).astype(dtype)
    if grid["type"] == "log":
        b, m = (max(grid["top"], 1).bit_length() + 1) // 2, np.clip(np.abs(n) - 1, 0, grid["top"])
        low = np.multiply.accumulate([1.0] + [grid["base"]] * ((1 << b) - 1))
        high = np.multiply.accumulate([grid["first"]] + [low[-1] * grid["base"]] * (grid["top"] >> b))
        return ((high[m >> b] * low[m % (1 << b)]) * np.sign(n)).astype(dtype)
    if grid["type"] == "integer":
        return n.astype(dtype)
    sign = (n < 0).astype(np.uint64) << np.uint64(8 * dtype.itemsize - 1)
    bits = np.where(n < 0, -1 - n, n).astype(np.uint64) << np.uint64(grid["shift"])
    return (bits + sign).astype(f"u{dtype.itemsize}").view(dtype)


def values(lattice, q, escaped):  # 7.2
    inserted = [(p["at"] + j, p.get("bits")) for j, p in enumerate(lattice.get("inserted", []))]
    n = q - sum((q > i).astype(np.int64) for i, _ in inserted)
    x = points(lattice["grid"], n, np.dtype(lattice["dtype"]))
    bits = x.view(f"u{x.itemsize}").copy()
    for i, special in inserted:
        bits[q == i] = escaped if special is None else special
    return bits.view(x.dtype)


class Chunk:  # 10, 11
    def __init__(self, predictors, counts):
        assert not predictors.get("derived"), "derived features"
        self.sources, self.known, self.latents = predictors.get("sources", []), {}, {}
        event, first = np.repeat(np.arange(len(counts)), counts), np.cumsum(counts) - counts
        order = np.lexsort((event, -counts[event], np.arange(len(event)) - first[event]))  # 10.1
        self.n, self.inverse = len(event), np.argsort(order)

    def column(self, c):  # 10.4
        if c["type"] == "here":
            return self.known[c["feature"]]
        if c["type"] == "latent":
            return self.latents[c["feature"]]
        assert c["type"] == "mix", f"column {c['type']}"
        total = 0.5
        for name, weight in zip(c["features"], c["weights"], strict=True):
            total = total + np.clip(self.known[name], -(1 << 40), 1 << 40) * (weight / 2 ** c["shift"])
        return np.floor(total).astype(np.int64)

    def total(self, constant, terms):  # 10.2
        found = np.full(self.n, constant, np.int64)
        for term in terms:
            s, y = self.sources[term["source"]], np.array(term["values"], np.int64)
            k, x = np.array(s["knots"]), np.arange(1, s["knots"][-1] + 1)
            i = np.maximum(np.searchsorted(k, x) - 1, 0)
            j = np.minimum(i + 1, len(k) - 1)
            between = ((y[1 + j] - y[1 + i]) * (x - k[i])) // np.maximum(k[j] - k[i], 1)
            place = ((self.column(s["column"]) - s["low"]) >> s["shift"]) + 1
            found += (y[1 + i] + between)[np.clip(place, 1, k[-1]) - 1]
        return found

    def prediction(self, p):
        fine = self.total(p.get("constant", 0) + 32, p.get("terms", []))
        return (fine >> 6) + (self.column(p["base"]) if p.get("base") else 0)

    def decode(self, p, payload):
        kind, name = payload[0] >> 4, p["feature"]
        assert kind in (0, 1), f"kind {kind}"
        found, prediction = block(payload, self.n), self.prediction(p)
        self.known[name] = found + prediction if kind else found
        self.latents[name] = found if kind else found - prediction


def restore(path, tree="Events"):
    """Counts and flat restored values of every compressed branch, by the branch's original name."""
    with uproot.open(path) as file:
        data = file["hepae_models"]["onnx"].array(BYTES, library="np")[0].tobytes()  # 4
        manifest = json.loads(onnx.load_from_string(data).metadata_props[0].value)
        sha, events = hashlib.sha256(data).digest(), file[tree]
        marks = {b.name: MARK.fullmatch(b.title) for b in events.branches if b.name.endswith("__hepae")}
        branches = {mark[1]: name for name, mark in marks.items() if mark}
        counter = next(mark[2] for mark in marks.values() if mark)
        counts = events[counter].array(library="np").astype(np.int64)
        read = {name: events[branch].array(BYTES, library="np") for name, branch in branches.items()}
        starts = [n for n, frame in enumerate(read[next(iter(read))]) if len(frame)]  # 8.1
        found = {name: [] for name in read}
        for start, stop in zip(starts, [*starts[1:], len(counts)], strict=True):
            flat = [events[name].array(library="np")[start:stop] for name in manifest["conditions"]]
            context = checksum(sha, counts[start:stop], *flat)  # 8.3
            frames = {name: read[name][start].tobytes() for name in read}
            for name, x in restored(manifest, sha, counts[start:stop], frames, context).items():
                found[name].append(x)
    originals = {name: branch.removesuffix("__hepae") for name, branch in branches.items()}
    return {originals[name]: (counts, np.concatenate(parts)) for name, parts in found.items()}


def restored(manifest, sha, counts, frames, context):
    predictors, parsed, out = manifest["codec"]["predictors"], {}, {}
    chunk = Chunk(predictors, counts)
    for name, data in frames.items():  # 8.2
        magic, kind, model, _, content = struct.unpack_from("<BB4sII", data)
        place, own = struct.unpack_from("<HI", data, len(data) - 6)
        assert (magic, kind & ~8, model, own) == (0x68, 17, sha[:4], checksum(data[:-4]) & 0xFFFFFFFF)
        assert place == checksum(struct.pack("<QQ", checksum(data[:-6]), context)) & 0xFFFF, "another place"
        numbers, at = [0] * 5, 14
        for number in range(5 if kind & 8 else 3):
            numbers[number], at = varint(data, at)
        _, n_events, n_objects, e, o = numbers
        assert (n_events, n_objects, o) == (len(counts), counts.sum(), 0), "other events, or an override"
        parsed[name] = content, data[at : at + e], data[at + e : -6]
    for p in predictors["features"]:
        chunk.decode(p, parsed[p["feature"]][2])
    for feature in manifest["features"]:
        name, lattice = feature["name"], feature["lattice"]
        escaped = np.frombuffer(parsed[name][1], f"<u{np.dtype(lattice['dtype']).itemsize}")
        out[name] = values(lattice, chunk.known[name][chunk.inverse], escaped)
        content = checksum(struct.pack("<Q", context), out[name]) & 0xFFFFFFFF
        assert content == parsed[name][0], "another content"
    return out
