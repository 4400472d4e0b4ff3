"""A C++ header that restores a bottleneck collection: no Python, no ONNX Runtime, no library but the standard one.

The header holds the decoders of one or more models, as constants and plain loops, and for each feature a function that
takes what the branches of one event hold::

    hepae::Jet_pt(Jet_latent__hepae, Jet_pt__hepae, Jet_escape__hepae, Jet_model__hepae)

or, to run the decoder once for many features, ``hepae::Jet_predict(Jet_latent__hepae, Jet_model__hepae)`` first and
``hepae::Jet_pt(prediction, Jet_pt__hepae, Jet_escape__hepae)`` after it. ``hepae::Jet_checked``, which takes all
branches of the collection, predicts only where the checksum of the event is right.

Values are within the bounds of the file: sums are made in double precision, and the drift allowance of the model, which
was taken off the bounds when the file was written, covers the rest; the first event of a model checks that against the
probe that the model carries.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec
from hepae.errors import UnsupportedError
from hepae.export.cpp_network import NetworkCode, array, number
from hepae.export.sources import bottleneck_models
from hepae.model.model import Model
from hepae.root.file.atomic import atomic_output

__all__ = ["header", "identifier", "namespace", "payload_order", "write_header"]

PROBES = 16
"""Objects of the model's probe that go into the header."""

CPP_TYPES = {
    "bool": "bool", "int8": "std::int8_t", "uint8": "std::uint8_t", "int16": "std::int16_t", "uint16": "std::uint16_t",
    "int32": "std::int32_t", "uint32": "std::uint32_t", "float32": "float", "float64": "double",
}  # fmt: skip

MODEL = """\
// {architecture}; SHA-256 {sha256}
struct Model_{short} {{
  static constexpr std::size_t latents = {latents}, features = {features}, probes = {probes};
  {constants}
  template <class Stored> static float load(Stored stored, std::size_t j) {{
    {load}
  }}
  static void decode(const float *x, float *y) {{
    {statements}
  }}
  {columns}
}};
"""

PREDICT = """\
template <class Latents> Prediction {collection}_predict(const Latents &latents, std::uint32_t model) {{
  switch (model) {{
  {cases}
  default: refuse("no decoder of this model in the header: export it again from the file that you read");
  }}
}}
"""

CHECKED = """\
// All branches of the collection: the prediction of an event whose checksum is right; throws where it is not.
template <class Escapes, class Latents{kinds}>
Prediction {collection}_checked(std::int64_t objects, std::uint32_t model, std::uint32_t check, const Escapes &escapes,
                const Latents &latents{codes}) {{
  switch (model) {{
  {cases}
  default: break;
  }}
  return {collection}_predict(latents, model);
}}
"""

FEATURE = """\
// {branch}: {bound}
template <class Codes, class Escapes>
Values<{type}> {name}(const Prediction &prediction, const Codes &codes, const Escapes &escapes) {{
  switch (prediction.model) {{
  {cases}
  default: refuse("a model without {branch}");
  }}
}}
template <class Latents, class Codes, class Escapes>
Values<{type}> {name}(const Latents &latents, const Codes &codes, const Escapes &escapes, std::uint32_t model) {{
  return {name}({collection}_predict(latents, model), codes, escapes);
}}
"""


def write_header(source: str | Path, target: str | Path, *, force: bool = False) -> list[str]:
    """Write the header for a model file, or for all bottleneck models of a compressed file.

    Parameters
    ----------
    source
        Model (.onnx) or compressed ROOT file.
    target
        Header to write.
    force
        Replace a target that exists, which is an error otherwise.

    Returns
    -------
    list of str
        SHA-256 of the models in it.

    Examples
    --------
    >>> write_header("small.root", "jets.h")  # doctest: +SKIP
    """
    with atomic_output(target, (source,), force=force) as temporary:
        models = bottleneck_models(source)
        temporary.write_text(header(models), encoding="utf-8")
    return [model.sha256 for model in models]


def header(models: Sequence[Model]) -> str:
    """The text of a C++17 header that restores what these models compressed.

    Raises
    ------
    UnsupportedError
        If a decoder has a node without C++ counterpart, or a feature a dtype without.
    """
    runtime = resources.files("hepae.export").joinpath("runtime.hpp").read_text(encoding="utf-8")
    bodies = [_model(model) for model in models]
    features = [
        text
        for collection in dict.fromkeys(model.manifest.collection for model in models)
        for text in _functions(
            collection, [model for model in models if model.manifest.collection == collection]
        )
    ]
    space = namespace(models)
    guard = f"HEPAE_{space.upper()}"
    parts = [
        "// Decoders of hepae models, made by `hepae export-cpp`.\n",
        runtime,
        f"\n#ifndef {guard}\n#define {guard}\n\nnamespace hepae {{\ninline namespace {space} {{\n",
        *bodies,
        *features,
        f"}} // namespace {space}\n}} // namespace hepae\n\n#endif // {guard}\n",
    ]
    return "\n".join(parts)


def namespace(models: Sequence[Model]) -> str:
    """The inline namespace of these models, by which headers for different files live in one program."""
    return "models_" + hashlib.sha256("".join(model.sha256 for model in models).encode()).hexdigest()[:8]


def identifier(name: str) -> str:
    """A branch name as a C++ identifier.

    Examples
    --------
    >>> identifier("AnalysisJetsAuxDyn.pt")
    'AnalysisJetsAuxDyn_pt'
    """
    return re.sub(r"\W", "_", name)


def words(text: str) -> str:
    """A text from a model as it may stand in a comment or a string of the header: it cannot end either.

    Examples
    --------
    >>> words('Jet_pt"); std::abort();')
    'Jet_pt__; std::abort__;'
    """
    return re.sub(r"[^\w .,:;+=-]", "_", text)


def _short(model: Model) -> str:
    return model.sha256[:8]


def _spec(model: Model) -> BottleneckSpec:
    assert isinstance(model.manifest.codec, BottleneckSpec)
    return model.manifest.codec


def _model(model: Model) -> str:
    """The struct of one model: weights, probe, the way out of the network for each feature."""
    from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

    spec = _spec(model)
    network = NetworkCode(admit(model.data).networks["decoder"])
    latents, features = model.tables["probe_latents"][:PROBES], model.tables["probe_features"][:PROBES]
    drift = np.array([column.drift for column in spec.columns])
    constants = [
        *network.weights,
        array("inline static constexpr float", "probe_latents", latents, "float32"),
        array("inline static constexpr float", "probe_features", features, "float32"),
        array("inline static constexpr double", "drift", drift, "float64"),
        *_latent_constants(spec),
    ]
    return MODEL.format(
        architecture=words(spec.architecture or "bottleneck"),
        sha256=model.sha256,
        short=_short(model),
        latents=spec.latents,
        features=len(spec.columns),
        probes=len(latents),
        constants="\n  ".join(constants),
        load=_load(spec),
        statements="\n    ".join(network.statements),
        columns="\n  ".join(_column(place, column) for place, column in enumerate(spec.columns)),
    )


def _latent_constants(spec: BottleneckSpec) -> list[str]:
    if not spec.latent.fixed_point:
        return []
    return [
        array("inline static constexpr float", name, np.array(values), "float32")
        for name, values in (("latent_low", spec.latent.low), ("latent_step", spec.latent.step))
    ]


def _load(spec: BottleneckSpec) -> str:
    if spec.latent.fixed_point:
        return "return fixed_point(static_cast<float>(stored), latent_low[j], latent_step[j]);"
    if spec.latent.dtype == "float16":
        return "return (void)j, half(static_cast<std::uint16_t>(stored));"
    return "return (void)j, static_cast<float>(stored);"


def _column(place: int, column: BottleneckColumn) -> str:
    """Constants of one feature, called by its place in the network so that any name will do."""
    kind = "integer" if column.is_integer else "absolute" if column.bound.kind == "abs" else "relative"
    frequent = ", ".join(f"{bits}u" if bits < 1 << 32 else f"{bits}ull" for bits in column.frequent) or "0"
    transform = column.transform
    numbers = ", ".join(
        number(value, "float64")
        for value in (transform.shift, transform.scale, transform.low, transform.high)
    )
    logarithm = "true" if transform.function == "log" else "false"
    step = number(column.step, "float64")
    return (
        f"inline static constexpr std::uint64_t patterns{place}[] = {{{frequent}}};\n"
        f"  inline static constexpr Column column{place} = {{{place}, {logarithm}, {numbers}, Kind::{kind}, {step}, "
        f"{len(column.frequent)}, patterns{place}}};"
    )


def _functions(collection: str, models: Sequence[Model]) -> list[str]:
    """The functions of a collection: one that predicts, and one for each feature, choosing by the event's model."""
    name = identifier(collection)
    cases = [
        f"case 0x{_short(model)}u: {{ static const bool good = probed<Model_{_short(model)}>(); (void)good; "
        f"return predict<Model_{_short(model)}>(latents, model); }}"
        for model in models
    ]
    texts = [PREDICT.format(collection=name, cases="\n  ".join(cases)), _checked(name, models)]
    for branch in dict.fromkeys(feature.branch for model in models for feature in model.manifest.features):
        having = [model for model in models if any(f.branch == branch for f in model.manifest.features)]
        spec = having[0].manifest.feature(branch)
        if (
            any(model.manifest.feature(branch).dtype != spec.dtype for model in having)
            or spec.dtype not in CPP_TYPES
        ):
            raise UnsupportedError(
                "a feature of a dtype that has no C++ counterpart", where=branch, got=spec.dtype
            )
        texts.append(
            FEATURE.format(
                branch=words(branch),
                bound="no bound (latents only)" if _spec(having[0]).latents_only else spec.bound,
                type=CPP_TYPES[spec.dtype],
                name=identifier(branch),
                collection=name,
                cases="\n  ".join(_case(model, branch, CPP_TYPES[spec.dtype]) for model in having),
            )
        )
    return texts


def _checked(collection: str, models: Sequence[Model]) -> str:
    """The function that takes every branch; the corrections in the order of the first model's features."""
    order = payload_order(models)
    cases = [
        f"case 0x{_short(model)}u: require_check(check, objects, model, escapes, latents, "
        + ", ".join(f"codes{order.index(branch)}" for branch in _branches(model))
        + "); break;"
        for model in models
    ]
    return CHECKED.format(
        collection=collection,
        kinds="".join(f", class Codes{place}" for place in range(len(order))),
        codes="".join(f", const Codes{place} &codes{place}" for place in range(len(order))),
        cases="\n  ".join(cases),
    )


def payload_order(models: Sequence[Model]) -> list[str]:
    """Branches of the features whose corrections `Jet_checked` takes, in order."""
    return list(dict.fromkeys(branch for model in models for branch in _branches(model)))


def _branches(model: Model) -> list[str]:
    return [model.manifest.feature(column.name).branch for column in _spec(model).columns]


def _case(model: Model, branch: str, kind: str) -> str:
    spec = _spec(model)
    feature = model.manifest.feature(branch).name
    place = [column.name for column in spec.columns].index(feature)
    column = f"Model_{_short(model)}::column{place}"
    if spec.latents_only:
        return f"case 0x{_short(model)}u: return (void)codes, uncorrected<{kind}>({column}, prediction, escapes);"
    return f"case 0x{_short(model)}u: return restore<{kind}>({column}, prediction, codes, escapes);"
