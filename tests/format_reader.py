"""A second reader, of `lifting` files, written from docs/format/v1.md alone: nothing of hepae is imported.

It is as plain as the page and looks at every object of a chunk at every step. Numbers in comments are sections.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from typing import Any

import numpy as np
import onnx
import uproot
import xxhash
from pcodec import standalone

from tests.format_chunk import Chunk
from tests.format_numbers import Lattice, places, require

FRAME = struct.Struct("<4sBBH16sQQQIIIII")
MARK = re.compile(
    r"(.*?) ?\[hepae v(\d+) collection=(\S+) feature=(\S+) counter=(\S+) codec=(\w+) dtype=(\w+) bound=(\S+)( side)?\]",
    re.DOTALL,
)
BYTES = uproot.AsJagged(uproot.AsDtype("u1"))


def checksum(*parts: Any) -> int:  # 1
    state = xxhash.xxh3_64(seed=0)
    for part in parts:
        state.update(part if isinstance(part, bytes) else part.astype(part.dtype.newbyteorder("<")).tobytes())
    return int(state.intdigest())


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


class Lifting(Chunk):
    """A chunk whose payloads are those of lifting."""

    def decode(self, name, payload):  # 11
        n, mode, period = len(self.ranks), payload[0], self.predictors[name].get("period")
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
        for rank in range(7) if name in self.parents(name) else [self.ranks]:
            here, classes = self.ranks == rank, self.classes(name) if len(blocks) > 1 else np.zeros(n)
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
    magic, version, codec, feature, model, chunk, context, content, events, objects, e, o, p = (
        FRAME.unpack_from(data)
    )
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
            texts = [
                p.value
                for p in onnx.load_from_string(data.tobytes()).metadata_props
                if p.key == "hepae_manifest"
            ]
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
                restored[branch.removesuffix("__hepae")] = (
                    counts,
                    np.concatenate([np.empty(0, dtype), *parts[name]]),
                )
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
        name: events[name].array(entry_start=start, entry_stop=stop, library="np")
        for name in manifest["conditions"]
    }
    context = checksum(counts, *conditions.values())
    require(place[2:] == (context, len(counts), counts.sum()), "events were dropped, added or changed")
    chunk = Lifting(manifest, counts, conditions)
    for name in chunk.predictors:
        number = [f["name"] for f in manifest["features"]].index(name)
        require(frames[name][:2] == (place, number), "a frame of another place")
        with np.errstate(all="ignore"):  # 10.5
            chunk.decode(name, frames[name][5])
    out = {}
    for name, (_, number, content, escaped, override, _) in frames.items():  # 15
        lattice, q = chunk.lattices[name], chunk.known[name][chunk.inverse]
        place = places(number, len(q)) if manifest["features"][number].get("dither") else None
        if override:  # 8.4
            size = int.from_bytes(override[:4], "little")
            lattice, q = Lattice(json.loads(override[4 : 4 + size])), block(override[4 + size :], len(q))
            place = None
        bits = np.frombuffer(escaped, lattice.bits.newbyteorder("<"))
        out[name] = lattice.values(q, bits, place)
        require(checksum(out[name]) == content, "restored values do not carry their checksum")
    return out
