"""A second reader, of lifting and masked files, written from docs/format/v1.md alone: nothing of hepae is imported.

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

from tests.format_blocks import block, varint
from tests.format_lifting import Lifting
from tests.format_masked import Masked
from tests.format_numbers import Lattice, places, require

FRAME = struct.Struct("<BB4sII")
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


def parse(data):  # 8.2, 8.3
    require(len(data) >= FRAME.size + 9, "a frame is cut short")
    magic, kind, model, chunk, content = FRAME.unpack_from(data)
    require(magic == 0x68 and kind >> 4 == 1 and kind & 7 in (1, 2), "not a frame of version 1")
    require(checksum(data[:-4]) % (1 << 32) == int.from_bytes(data[-4:], "little"), "a frame is damaged")
    numbers, at = [], FRAME.size
    for _ in range(5 if kind & 8 else 3):
        number, at = varint(data, at)
        numbers.append(number)
    feature, events, objects, e, o = (*numbers, 0, 0)[:5]
    require(at + e + o <= len(data) - 6, "a frame of another length")
    tied = checksum(data[:-6]), int.from_bytes(data[-6:-4], "little")
    parts = data[at : at + e], data[at + e : at + e + o], data[at + e + o : -6]
    return (kind & 7, model, chunk, events, objects), feature, content, *parts, tied


def low(bits, *numbers):
    """The low bits of the checksum of numbers, as u64 unless they are arrays."""
    parts = [n.to_bytes(8, "little") if isinstance(n, int) else n for n in numbers]
    return checksum(*parts) % (1 << bits)


def restore(path, tree="Events"):
    """Counts and flat restored values of every compressed branch, by the branch's original name."""
    restored = {}
    with uproot.open(path) as file:
        table = file["hepae_models"]  # 4
        shas = table["sha256"].array(library="np").astype(np.uint8)
        models = {}
        for sha, data in zip(shas, table["onnx"].array(BYTES, library="np"), strict=True):
            require(hashlib.sha256(data.tobytes()).digest() == sha.tobytes(), "a model is damaged")
            model = onnx.load_from_string(data.tobytes())
            require([p.key for p in model.metadata_props] == ["hepae_manifest"], "a model of somebody else")
            models[sha.tobytes()[:4]] = json.loads(model.metadata_props[0].value), model, sha.tobytes()
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
    manifest, model, sha = models[place[1]]
    codec = {1: "lifting", 2: "masked"}[place[0]]
    require(manifest["format"] == 1 and manifest["codec"]["codec"] == codec, "another format or codec")
    conditions = {
        name: events[name].array(entry_start=start, entry_stop=stop, library="np")
        for name in manifest["conditions"]
    }
    context = checksum(sha, counts, *conditions.values())
    require(place[3:] == (len(counts), counts.sum()), "events were dropped or added")
    chunk = (Lifting if codec == "lifting" else Masked)(manifest, counts, conditions, model)
    for name in chunk.predictors.keys() - {d["name"] for d in chunk.derived}:
        number = [f["name"] for f in manifest["features"]].index(name)
        require(frames[name][:2] == (place, number), "a frame of another place")
        digest, tied = frames[name][6]
        require(low(16, digest, context) == tied, "counts or conditions were changed")
    with np.errstate(all="ignore"):  # 10.5
        chunk.decode({name: frame[5] for name, frame in frames.items()})
    out = {}
    for name, (_, number, content, escaped, override, *_) in frames.items():  # 15
        lattice, q = chunk.lattices[name], chunk.known[name][chunk.inverse]
        dithered = manifest["features"][number].get("dither", False)
        require(not dithered or lattice.grid["type"] in ("linear", "log"), "dither on another grid")  # 7.5
        place = places(number, len(q)) if dithered else None
        if override:  # 8.4
            size, at = varint(override, 0)
            lattice, q = Lattice(json.loads(override[at : at + size])), block(override[at + size :], len(q))
            place = None
        bits = np.frombuffer(escaped, lattice.bits.newbyteorder("<"))
        out[name] = lattice.values(q, bits, place)
        require(low(32, context, out[name]) == content, "restored values do not carry their checksum")
    return out
