"""Risk: a model from a stranger that runs code, reads files, eats memory, or is something else altogether."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae.errors import HepaeError, InputError, LimitError, ModelRejectedError
from hepae.model.admission import admit
from hepae.model.assembly import assemble
from hepae.model.model import Model
from hepae.model.runtime import session
from tests.attacks.models import a_manifest, a_model, a_network


def test_what_was_assembled_is_admitted() -> None:
    model = Model.from_bytes(a_model())
    assert model.manifest == a_manifest()
    assert sorted(model.networks) == ["encoder", "predict_pt"]
    assert model.tables["bins"].dtype == np.uint64
    assert model.tables["half"] == 0.5
    features = np.ones((5, 4), np.float32)
    for seed, name in ((1, "encoder"), (2, "predict_pt")):
        expected = session(a_network(seed).SerializeToString())(features=features)["latents"]
        np.testing.assert_array_equal(model.networks[name](features=features)["latents"], expected)
    assert model.networks["encoder"].inputs == {"features": (None, 4)}


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Model.from_bytes(a_model()).tables["bins"][0] = 1


def test_the_same_parts_give_the_same_bytes() -> None:
    assert a_model() == a_model()


def test_a_model_without_networks_is_a_model() -> None:
    assert dict(Model.from_bytes(assemble(a_manifest(), {}, {})).networks) == {}


def test_pickling_keeps_the_model() -> None:
    model = Model.from_bytes(a_model())
    assert pickle.loads(pickle.dumps(model)).sha256 == model.sha256


def test_saving_and_loading(tmp_path) -> None:
    model = Model.from_bytes(a_model())
    model.save(tmp_path / "m.onnx")
    assert Model.load(tmp_path / "m.onnx").sha256 == model.sha256
    with pytest.raises(InputError):
        Model.load(tmp_path / "none.onnx")


def test_nothing_of_the_maker_is_in_the_file() -> None:
    network = a_network()
    network.doc_string = network.graph.doc_string = network.graph.node[0].doc_string = "secret-path"
    network.graph.node[0].metadata_props.add(key="stack", value="secret-path")
    network.metadata_props.add(key="who", value="secret-path")
    network.producer_name = network.graph.name = "secret-path"
    assert b"secret-path" not in assemble(a_manifest(), {"encoder": network}, {})


@pytest.mark.parametrize("data", [b"", b"\x80\x04N.", b"PK\x03\x04", pickle.dumps([1, 2]), b"\0" * 100])
def test_what_is_no_model_is_rejected(data: bytes) -> None:
    with pytest.raises((ModelRejectedError, LimitError)):
        admit(data)


@given(st.data())
def test_a_damaged_model_is_an_error_or_another_model(data: st.DataObject) -> None:
    whole = bytearray(a_model())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (bytes(whole), bytes(whole[:cut])):
        try:
            admitted = admit(damaged)
        except HepaeError:
            continue
        assert admitted.sha256 != admit(a_model()).sha256 or damaged == a_model()


@pytest.mark.parametrize("name", ["table", "a.b", "a/b", "", "1a", "a b"])
def test_names_that_cannot_be_taken_apart_are_refused(name: str) -> None:
    with pytest.raises(ModelRejectedError):
        assemble(a_manifest(), {name: a_network()}, {})


def test_a_network_that_gets_a_wrong_input_says_so() -> None:
    network = Model.from_bytes(a_model()).networks["encoder"]
    with pytest.raises(ModelRejectedError, match="does not take"):
        network(features=np.ones((1, 7), np.float32))
    with pytest.raises(ModelRejectedError):
        session(b"nonsense")
