"""Risk: what is admitted is more than what hepae writes, or than what the page of the format says."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest

from hepae.errors import ModelRejectedError
from hepae.lab.images import spec as image_spec
from hepae.lab.tagging import spec as tagger_spec
from hepae.learn.bottleneck.presets import Activation, Architecture
from hepae.model.admission import admit
from hepae.model.assembly import assemble
from hepae.model.kinds import COMPRESSING, OPERATORS, Kind, Operators
from tests.attacks.models import a_manifest, an_exact_model

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent.parent
UNBOUNDED = {
    *("ConstantOfShape", "Expand", "Tile", "Range", "OneHot", "NonZero", "Resize", "Pad", "EyeLike"),
    *("If", "Loop", "Scan", "SequenceMap", "RandomNormal", "Constant"),
}
"""Operators that make sizes out of values, or hold graphs."""


def written(models: Iterable[onnx.ModelProto]) -> dict[str, set[str]]:
    """Operators of networks, and the attributes of each."""
    found: dict[str, set[str]] = {}
    for model in models:
        for node in model.graph.node:
            found.setdefault(node.op_type, set()).update(attribute.name for attribute in node.attribute)
    return found


def of_masked() -> Iterator[onnx.ModelProto]:
    from hepae.learn.masked.export import IntegerLayer, IntegerNetwork, export

    layers = [IntegerLayer(np.ones((n, 3), np.int64), np.zeros(n, np.int64)) for n in (3, 2)]
    yield export(IntegerNetwork(tuple(layers), (4, 3)))


def of_bottleneck() -> Iterator[onnx.ModelProto]:
    from hepae.learn.bottleneck.export import export_stack
    from hepae.learn.bottleneck.networks import Autoencoder

    sample = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    latents = np.zeros((5, 2), np.float32)
    for activation, more in itertools.product(get_args(Activation), (False, True)):
        convolutions = (2, 3) if more else ()
        network = Autoencoder(
            6,
            Architecture(
                (8, 8), 2, activation, batch_norm=more, dropout=0.1, residual=more, shortcut=more,
                convolutions=convolutions, beta=1.0 if more else None,
            ),
        )  # fmt: skip
        yield export_stack(network.encoder, "features", "latents", sample)
        yield export_stack(network.decoder, "latents", "features", latents)


def of_images() -> Iterator[onnx.ModelProto]:
    from hepae.lab.images.export import export_images
    from hepae.lab.images.networks import ImageAutoencoder

    sample = np.random.default_rng(1).random((3, 1, 8, 8)).astype(np.float32)
    for loss, beta in itertools.product(get_args(image_spec.Loss), (None, 1.0)):
        recipe = image_spec.ImageRecipe(latents=2, loss=loss, beta=beta, filters=2, hidden=4)
        network = ImageAutoencoder((1, 8, 8), recipe, 1.0, np.full(1, 0.1))
        yield from export_images(network.eval(), sample).values()


def of_taggers() -> Iterator[onnx.ModelProto]:
    from hepae.lab.tagging.export import export_tagger
    from hepae.lab.tagging.networks import ConstituentNetwork, ImageNetwork

    rng = np.random.default_rng(1)
    for network, shapes in (
        (ImageNetwork, {"images": (1, 8, 8)}),
        (ConstituentNetwork, {"constituents": (5, 8), "jets": (3,)}),
    ):
        sample = {name: rng.random((4, *shape)).astype(np.float32) for name, shape in shapes.items()}
        yield export_tagger(network(shapes, 8, 0.1).eval(), sample)


@pytest.mark.parametrize(
    ("table", "exported"),
    [
        (OPERATORS["lifting"], list),
        (OPERATORS["masked"], of_masked),
        (OPERATORS["bottleneck"], of_bottleneck),
        (image_spec.OPERATORS, of_images),
        (tagger_spec.OPERATORS, of_taggers),
    ],
    ids=["lifting", "masked", "bottleneck", "images", "taggers"],
)
def test_the_table_of_a_kind_is_what_its_exporter_writes(table: Operators, exported: object) -> None:
    assert {name: set(attributes) for name, attributes in table.items()} == written(exported())
    assert not UNBOUNDED & set(table)


def test_the_page_of_the_format_says_the_same() -> None:
    page = (HERE / "docs" / "format" / "v1.md").read_text(encoding="utf-8")
    section = page[page.index("## 4 Models") : page.index("## 5 Manifest")]
    rows = dict(re.findall(r"^\| \*(\w+)\* \| (.*) \|$", section, re.MULTILINE))
    assert set(rows) == set(OPERATORS)
    for codec, table in OPERATORS.items():
        said = dict(re.findall(r"([A-Z]\w+)(?: \(([\w, ]+)\))?", rows[codec]))
        assert {name: frozenset(filter(None, words.split(", "))) for name, words in said.items()} == table


def test_a_model_is_admitted_as_what_its_manifest_says_alone() -> None:
    """The networks of one codec under the manifest of another."""
    exact = onnx.ModelProto.FromString(an_exact_model())
    other = onnx.ModelProto.FromString(assemble(a_manifest(), {}, {}))
    exact.metadata_props[0].value = other.metadata_props[0].value
    with pytest.raises(ModelRejectedError, match="operator that is not admitted"):
        admit(exact.SerializeToString())


@pytest.mark.parametrize("kind", [image_spec.KIND, tagger_spec.KIND], ids=["images", "taggers"])
def test_a_model_of_another_kind_is_refused(kind: Kind) -> None:
    assert kind.key != COMPRESSING.key
    with pytest.raises(ModelRejectedError, match="another kind"):
        admit(an_exact_model(), kind)
