"""Manifests that lie: the model is plain ONNX, and what it says of itself is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from hepae import limits
from hepae.core.decode import codec_of
from hepae.core.manifest import Manifest
from hepae.errors import HepaeError, LimitError, ModelRejectedError
from hepae.export.cpp import header
from hepae.model.assembly import assemble
from hepae.model.kinds import MANIFEST_KEY
from hepae.model.model import Model
from tests.attacks.attack import Attack
from tests.attacks.models import a_manifest, a_model

__all__ = ["ATTACKS"]

Fields = dict[str, Any]
Lie = Callable[[Fields], object]


def _opened(text: str) -> object:
    """Open the model that says this of itself, and make its codec ready."""
    # the model of lifting has no networks; of whatever else the manifest says it is, these are good ones
    data = assemble(a_manifest(), {}, {}) if '"lifting"' in text else a_model()
    model = onnx.ModelProto.FromString(data)
    model.metadata_props[0].CopyFrom(onnx.StringStringEntryProto(key=MANIFEST_KEY, value=text))
    return codec_of(Model.from_bytes(model.SerializeToString()))


def _lie(
    name: str, lie: Lie, words: str, refusal: type[HepaeError] = ModelRejectedError, lifting: bool = False
) -> Attack:
    """A good manifest, changed in one place."""

    def run(_: Path) -> object:
        fields = json.loads(a_manifest().to_json())
        if lifting:
            predictor = {"feature": "pt", "constant": 0, "terms": []}
            fields["codec"] = {"codec": "lifting", "predictors": {"features": [predictor], "sources": []}}
        lie(fields)
        return _opened(json.dumps(fields))

    return Attack(f"manifest: {name}", run, refusal, words)


def _text(name: str, text: str, words: str, refusal: type[HepaeError] = ModelRejectedError) -> Attack:
    return Attack(f"manifest: {name}", lambda _: _opened(text), refusal, words)


def _set(path: str, value: object) -> Lie:
    """Set ``a.0.b`` to a value."""

    def lie(fields: Fields) -> None:
        *parts, last = path.split(".")
        place: Any = fields
        for part in parts:
            place = place[int(part)] if part.isdigit() else place[part]
        place[last] = value

    return lie


def _many_features(fields: Fields) -> None:
    fields["features"] *= limits.MAX_FEATURES + 1


def _many_inserted(fields: Fields) -> None:
    lattice = fields["features"][0]["lattice"]
    lattice["inserted"] = [{"at": n, "bits": n} for n in range(limits.MAX_INSERTED_POINTS + 1)]


def _tables(knots: list[int], terms: int) -> Lie:
    """So many terms, each with a table of so many entries: kilobytes that become gigabytes."""

    def lie(fields: Fields) -> None:
        predictors = fields["codec"]["predictors"]
        column = {"type": "rank"}
        predictors["sources"] = [{"column": column, "low": 0, "shift": 0, "knots": knots}]
        term = {"source": 0, "values": [0] * (len(knots) + 1)}
        predictors["features"][0]["terms"] = [term] * terms

    return lie


def _twice(fields: Fields) -> None:
    fields["codec"]["predictors"]["features"] *= 2


def _ahead(fields: Fields) -> None:
    column = {"type": "here", "feature": "pt"}
    predictors = fields["codec"]["predictors"]
    predictors["sources"] = [{"column": column, "low": 0, "shift": 0, "knots": [1]}]
    predictors["features"][0]["terms"] = [{"source": 0, "values": [0, 0]}]


def _code_in_a_header(_: Path) -> None:
    """Names that would end a comment or a string of the C++ header, which `hepae.rdataframe` compiles."""
    evil = 'Jet_pt");std::abort();//\\'
    fields = json.loads(a_manifest().to_json())
    fields["features"][0]["branch"], fields["codec"]["architecture"] = evil, "x\nint evil;"
    manifest = Manifest.from_json(json.dumps(fields).encode())
    model = Model.from_bytes(_decoder(manifest))
    text = header([model])
    assert "abort();" not in text
    assert "\nint evil" not in text


def _decoder(manifest: Manifest) -> bytes:
    """A model of one latent and one feature, with its probe."""
    import numpy as np
    from onnx import helper

    from tests.attacks.models import built

    networks = {
        name: built([helper.make_node("Gemm", [a, "w"], [b])], {"w": np.ones((1, 1), np.float32)},
                    {a: ["n", 1]}, {b: ["n", 1]})
        for name, a, b in (("encoder", "features", "latents"), ("decoder", "latents", "features"))
    }  # fmt: skip
    probe = np.zeros((4, 1), np.float32)
    return assemble(manifest, networks, {"probe_latents": probe, "probe_features": probe})


PARSE, LATTICE, NAME = "does not parse", "lattice|grid|inserted", "a name that cannot be"
ATTACKS = (
    _text("no JSON", "{", PARSE),
    _text("100,000 brackets", "[" * 100_000, PARSE),
    _text("a number of 100,000 digits", '{"format":' + "9" * 100_000 + "}", PARSE),
    _lie("a field that nobody knows", _set("evil", 1), PARSE),
    _lie("another version", _set("format", 2), "another version of the format"),
    _lie("no features", _set("features", []), "features out of range", LimitError),
    _lie("4,097 features", _many_features, "features out of range", LimitError),
    _lie("a name with a line break", _set("features.0.branch", "Jet_pt\nint evil;"), NAME),
    _lie("a name that steers the terminal", _set("collection", "\x1b[2J"), NAME),
    _lie("a name of a megabyte", _set("counter", "n" * 1_000_000), NAME),
    _lie("a name of nothing", _set("features.0.name", ""), NAME),
    _lie("a dtype of Python objects", _set("features.0.lattice.dtype", "object"), LATTICE),
    _lie("a feature of another dtype than its lattice", _set("features.0.dtype", "float64"), "another dtype"),
    _lie("a dtype of two gigabytes", _set("features.0.lattice.dtype", "V2147483647"), LATTICE),
    _lie("steps of nothing", _set("features.0.lattice.grid", {"type": "linear", "step": 0.0}), LATTICE),
    _lie("steps of minus one", _set("features.0.lattice.grid", {"type": "linear", "step": -1.0}), LATTICE),
    _lie("a shift beyond the mantissa", _set("features.0.lattice.grid", {"type": "pattern", "shift": 24}), LATTICE),
    _lie("a point at 2**63", _set("features.0.lattice.inserted", [{"at": 1 << 63}]), "inserted points"),
    _lie("65 inserted points", _many_inserted, "inserted points", LimitError),
    _lie("no latents", _set("codec.latents", 0), "latents", HepaeError),
    _lie("a billion latents", _set("codec.latents", 10**9), "latents", HepaeError),
    _lie("no columns", _set("codec.columns", []), "", HepaeError),
    _lie("a table of a billion entries", _tables([1, 10**9], 1), "table out of range", LimitError, lifting=True),
    _lie("10,000 tables of 100,000 entries", _tables([1, 100_000], 10_000), "", LimitError, lifting=True),
    _lie("knots that fall", _tables([1, 5, 3], 1), "knots", lifting=True),
    _lie("a feature predicted twice", _twice, "predicted twice", lifting=True),
    _lie("a feature predicted from itself", _ahead, "after it|ahead|itself", lifting=True),
    Attack("manifest: C++ in the name of a branch", _code_in_a_header, None),
)  # fmt: skip
