"""Restores the jets of a bottleneck file without hepae: uproot reads the branches, ONNX Runtime runs the decoder.

    python restore.py FILE.root DIRECTORY [--events N] [--values FILE.json]

DIRECTORY is what `hepae export-onnx` wrote: decoder.onnx and transforms.json, whose fields are used below by name.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import onnxruntime
import uproot
from numpy.typing import NDArray

BATCH = 4096  # objects: the fastest for ONNX Runtime
ESCAPE = np.dtype([("rank", "<u4"), ("feature", "<u2"), ("bits", "<u8")])

Facts = dict[str, Any]


def read_events(path: Path, facts: Facts, most: int | None) -> Any:
    """Counter, latents, escapes, model and corrections of each event."""
    names = [
        facts["counter"],
        *facts["branches"].values(),
        *(column["payload"] for column in facts["columns"]),
    ]
    with uproot.open(path) as file:
        return file["Events"].arrays(names, entry_stop=most)


def loaded(facts: Facts, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Stored latents as the decoder takes them, [n, K]."""
    latent = facts["latent"]
    table = stored.reshape(-1, facts["latents"])
    if latent["dtype"] == "float16":
        return table.view(np.float16).astype(np.float32)
    floats = table.astype(np.float32)
    return floats * np.float32(latent["step"]) + np.float32(latent["low"]) if latent["low"] else floats


def corrected(column: Facts, outputs: NDArray[np.float32], codes: NDArray[Any]) -> NDArray[Any]:
    """Values of one feature, escapes left open."""
    transform = column["transform"]
    x = (
        np.clip(outputs.astype(np.float64), transform["low"], transform["high"]) / transform["scale"]
        + transform["shift"]
    )
    if transform["function"] == "log":
        x = np.exp(np.clip(x, -745.0, 709.78))
    number = codes.astype(np.int64) - 1 - len(column["frequent"])
    c = np.where(number & 1, -(number + 1) >> 1, number >> 1)
    if column["kind"] == "integer":
        moved = np.rint(x / column["step"]).astype(np.int64) * int(column["step"]) + c
    else:
        moved = x + c * column["step"] if column["kind"] == "abs" else x * column["step"] ** c
    values: NDArray[Any] = moved.astype(column["dtype"])
    bits = values.view(f"u{values.dtype.itemsize}")
    for place, pattern in enumerate(column["frequent"]):
        bits[codes == place + 1] = int(pattern, 16)
    return values


def restored(decoder: Any, facts: Facts, events: Any) -> dict[str, NDArray[Any]]:
    """All features of a run of events."""
    counts = np.asarray(events[facts["counter"]]).astype(np.int64)
    latents = loaded(facts, ak.to_numpy(ak.flatten(events[facts["branches"]["latent"]])))
    parts = [
        decoder.run(["features"], {"latents": latents[at : at + BATCH]})[0]
        for at in range(0, len(latents), BATCH)
    ]
    outputs = np.concatenate(parts) if parts else np.zeros((0, len(facts["columns"])), np.float32)
    raw = events[facts["branches"]["escape"]]
    escapes = np.ascontiguousarray(ak.to_numpy(ak.flatten(raw))).view(ESCAPE)
    event = np.repeat(np.arange(len(counts)), np.asarray(ak.num(raw)) // ESCAPE.itemsize)
    objects = (np.cumsum(counts) - counts)[event] + escapes["rank"]
    values = {}
    for place, column in enumerate(facts["columns"]):
        codes = ak.to_numpy(ak.flatten(events[column["payload"]]))
        values[column["name"]] = corrected(column, outputs[:, place], codes)
        mine = escapes["feature"] == place
        if not np.array_equal(np.flatnonzero(codes == 0), objects[mine]):
            raise ValueError(f"{column['name']}: escapes and corrections differ")
        bits = values[column["name"]].view(f"u{values[column['name']].dtype.itemsize}")
        bits[objects[mine]] = escapes["bits"][mine].astype(bits.dtype)
    return values


def latencies(network: Any, source: str, inputs: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Microseconds for each event, ONNX Runtime alone."""
    times = []
    for rows in inputs:
        began = time.perf_counter()
        network.run(None, {source: rows})
        times.append(1e6 * (time.perf_counter() - began))
    return np.array(times)


def session(path: Path) -> Any:
    """A network on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def report(
    name: str, network: Any, source: str, rows: NDArray[np.float32], counts: NDArray[np.int64]
) -> None:
    """Latency of one network, event by event and in batches."""
    inputs = [part for part in np.split(rows, np.cumsum(counts)[:-1]) if len(part)]
    latencies(network, source, inputs[:200])
    times = latencies(network, source, inputs)
    batches = [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]
    seconds = min(latencies(network, source, batches).sum() / 1e6 for _ in range(3))
    median, last = np.quantile(times, [0.5, 0.99])
    print(
        f"{name}: median {median:.0f} us, 99th percentile {last:.0f} us per event, "
        f"{len(rows) / times.sum() * 1e6:,.0f} jets/s; in batches of {BATCH} jets {len(rows) / seconds:,.0f} jets/s"
    )


def main() -> None:
    """Restore, and say how long it takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--events", type=int)
    parser.add_argument("--values", type=Path)
    options = parser.parse_args()
    facts = json.loads((options.directory / "transforms.json").read_text())
    encoder, decoder = (session(options.directory / f"{name}.onnx") for name in ("encoder", "decoder"))
    events = read_events(options.file, facts, options.events)
    if (np.asarray(events[facts["branches"]["model"]]) != facts["model"]).any() or facts["latents_only"]:
        raise SystemExit("events of another model than the one exported, or a model without corrections")
    counts = np.asarray(events[facts["counter"]]).astype(np.int64)
    latents = loaded(facts, ak.to_numpy(ak.flatten(events[facts["branches"]["latent"]])))
    print(f"{len(counts)} events, {len(latents)} jets, {len(facts['columns'])} features")
    began = time.perf_counter()
    values = restored(decoder, facts, events)
    print(
        f"restored with corrections, in batches: {len(latents) / (time.perf_counter() - began):,.0f} jets/s"
    )
    report("decoder", decoder, "latents", latents, counts)
    features = np.concatenate(
        [decoder.run(None, {"latents": latents[:BATCH]})[0]] * (len(latents) // BATCH + 1)
    )
    report("encoder", encoder, "features", features[: len(latents)], counts)
    if options.values:
        options.values.write_text(json.dumps({name: column.tolist() for name, column in values.items()}))


if __name__ == "__main__":
    main()
