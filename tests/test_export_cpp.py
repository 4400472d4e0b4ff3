"""Risk: the generated C++ differs from the reader, is not C++17, or reads damaged input as if it were whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from hepae.cli import main
from hepae.core.bottleneck.codec import Bottleneck, Encoded
from hepae.core.bottleneck.event_check import event_checks
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.values.bounds import accept
from hepae.errors import UnsupportedError
from hepae.export import header, write_onnx
from hepae.export.cpp_network import NetworkCode
from hepae.model.model import Model
from hepae.root.file.source import open_source
from tests.compressed import FEATURES, SAMPLE, compressed, folder, model

COMPILER = shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler")

CPP = {"float32": "float", "uint8": "std::uint8_t", "int16": "std::int16_t", "int32": "std::int32_t"}

PROGRAM = """
#include "jets.h"
#include <cstdio>
template <class T> std::vector<T> read(const char *name) {{
  std::vector<T> values;
  std::FILE *file = std::fopen(name, "rb");
  T value;
  while (file && std::fread(&value, sizeof value, 1, file) == 1) values.push_back(value);
  std::fclose(file);
  return values;
}}
template <class T> void write(const char *name, const std::vector<T> &values) {{
  std::FILE *file = std::fopen(name, "wb");
  std::fwrite(values.data(), sizeof(T), values.size(), file);
  std::fclose(file);
}}
int main(int count, char **words) try {{
  const auto latents = read<{latent}>("latents");
  const auto escapes = read<std::uint8_t>("escapes");
  const auto model = static_cast<std::uint32_t>(std::stoul(count > 1 ? words[1] : "{model}"));
  const auto check = static_cast<std::uint32_t>(std::stoul(count > 2 ? words[2] : "{check}"));
  hepae::Jet_checked({objects}, model, check, escapes, latents, {codes});
{features}
}} catch (const std::exception &problem) {{
  std::puts(problem.what());
  return 1;
}}
"""


def columns() -> dict[str, NDArray[Any]]:
    """The features of the sample, with the values that are hard."""
    with open_source(SAMPLE) as source:
        tree = source.tree("Events")
        found = {name: np.array(tree.read(f"Jet_{name}", 0, 400).values) for name in FEATURES}
    odd = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, 3e38, 1e-42], np.float32)
    for name in ("pt", "eta", "mass"):
        found[name][: len(odd)] = odd
    found["muonIdx"][:3] = [np.iinfo(found["muonIdx"].dtype).min, -1, np.iinfo(found["muonIdx"].dtype).max]
    return found


def spec_of(trained: Model) -> BottleneckSpec:
    assert isinstance(trained.manifest.codec, BottleneckSpec)
    return trained.manifest.codec


def build(trained: Model, where: Path, encoded: Encoded, objects: int) -> Path:
    """Compile the header with a program that restores every feature of one event with all objects."""
    stored = encoded.latents.dtype.name
    lines = []
    for feature in trained.manifest.features:
        codes = encoded.corrections.get(feature.name, np.zeros(objects, np.uint8))
        codes.tofile(where / f"codes_{feature.name}")
        kind = f"std::uint{8 * codes.dtype.itemsize}_t"
        call = f'hepae::{feature.branch}(latents, read<{kind}>("codes_{feature.name}"), escapes, model)'
        lines.append(f'  write<{CPP[feature.dtype]}>("{feature.name}", {call});')
    kinds = {"float32": "float", "uint16": "std::uint16_t", "uint8": "std::uint8_t"}
    number, names = int(trained.sha256[:8], 16), [column.name for column in spec_of(trained).columns]
    codes_of = [encoded.corrections.get(name, np.zeros(1, np.uint8)) for name in names]
    escapes = encoded.escapes.to_bytes(np.array([objects]))[1]
    whole = [np.array([objects]), np.array([number], np.uint32), escapes, encoded.latents.ravel(), *codes_of]
    check = event_checks([(np.array([len(values)]), values) for values in whole])[0]
    words = [
        f'read<std::uint{8 * codes.dtype.itemsize}_t>("codes_{name}")'
        if encoded.corrections
        else "std::uint8_t{0}"
        for name, codes in zip(names, codes_of, strict=True)
    ]
    text = PROGRAM.format(
        latent=kinds[stored],
        model=number,
        check=check,
        objects=objects,
        codes=", ".join(words),
        features="\n".join(lines),
    )
    encoded.latents.tofile(where / "latents")
    encoded.escapes.to_bytes(np.array([objects]))[1].tofile(where / "escapes")
    (where / "jets.h").write_text(header([trained]))
    (where / "main.cpp").write_text(text)
    assert COMPILER is not None
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([COMPILER, *flags, "main.cpp", "-o", "restore"], cwd=where, check=True, timeout=120)
    return where / "restore"


@needs_compiler
@pytest.mark.parametrize("latent", ["float32", "float16", "uint16"])
def test_cpp_restores_within_the_bounds(latent: str, tmp_path: Path) -> None:
    trained = model("bottleneck", latent_dtype=latent)
    values = columns()
    codec = Bottleneck(spec_of(trained), trained.networks, trained.tables)
    encoded = codec.encode(values)
    assert len(encoded.escapes.objects) > 5
    program = build(trained, tmp_path, encoded, len(values["pt"]))
    subprocess.run([program], cwd=tmp_path, check=True, timeout=60)
    for feature in trained.manifest.features:
        restored = np.fromfile(tmp_path / feature.name, feature.dtype)
        assert accept(values[feature.name], restored, feature.bound).all(), feature.name

    assert (
        subprocess.run([program, str(int(trained.sha256[:8], 16)), "7"], cwd=tmp_path, check=False).returncode
        == 1
    )
    # damage, and a model that the header does not have, are refused and never read
    assert subprocess.run([program, "12345"], cwd=tmp_path, timeout=60, check=False).returncode == 1
    escapes = np.fromfile(tmp_path / "escapes", np.uint8)
    for damaged in (escapes[:-1], escapes[14:], np.concatenate([escapes, escapes[:14]])):
        damaged.tofile(tmp_path / "escapes")
        found = subprocess.run([program], cwd=tmp_path, timeout=60, check=False, capture_output=True)
        assert found.returncode == 1, found.stdout
        assert found.stdout.startswith(b"hepae: ")


@needs_compiler
def test_cpp_gives_what_the_decoder_gives_without_corrections(tmp_path: Path) -> None:
    trained = model("bottleneck", latents_only=True)
    values = columns()
    codec = Bottleneck(spec_of(trained), trained.networks, trained.tables)
    encoded = codec.encode(values)
    program = build(trained, tmp_path, encoded, len(values["pt"]))
    subprocess.run([program], cwd=tmp_path, check=True, timeout=60)
    for name, expected in codec.decode(encoded).items():
        got = np.fromfile(tmp_path / name, expected.dtype)
        assert np.allclose(got, expected, rtol=1e-5, atol=1e-5, equal_nan=True), name


def test_a_decoder_without_cpp_counterpart_is_refused() -> None:
    import onnx
    from onnx import helper

    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Softmax", ["x"], ["y"])], "odd", ports[:1], ports[1:])
    with pytest.raises(UnsupportedError, match="Softmax"):
        NetworkCode(helper.make_model(graph).SerializeToString())


def test_command_line_exports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "jets.onnx"
    model("bottleneck").save(path)
    assert main(["export-cpp", str(path), "-o", str(tmp_path / "jets.h")]) == 0
    assert "Jet_pt" in (tmp_path / "jets.h").read_text()
    assert main(["export-cpp", str(compressed("bottleneck")), "-o", str(tmp_path / "same.h")]) == 0
    assert (tmp_path / "same.h").read_text() == (tmp_path / "jets.h").read_text()
    assert main(["export-cpp", str(compressed("lifting")), "-o", str(tmp_path / "no.h")]) == 2
    assert "bottleneck" in capsys.readouterr().err
    assert not (tmp_path / "no.h").exists()


def test_plain_onnx_files_are_the_networks(tmp_path: Path) -> None:
    trained = model("bottleneck")
    trained.save(folder() / "jets.onnx")
    paths = write_onnx(folder() / "jets.onnx", tmp_path / "production")
    assert [path.name for path in paths] == ["encoder.onnx", "decoder.onnx", "transforms.json"]
    latents = trained.tables["probe_latents"]
    decoder = onnxruntime.InferenceSession(paths[1], providers=["CPUExecutionProvider"])
    (features,) = decoder.run(["features"], {"latents": latents})
    said = msgspec.json.decode(paths[2].read_bytes())
    for place, column in enumerate(said["columns"]):
        drift = np.abs(features[:, place] - trained.tables["probe_features"][:, place]).max()
        assert drift <= column["drift"]
    assert [column["name"] for column in said["columns"]] == list(FEATURES)
    assert int(trained.sha256[:8], 16) == said["model"]
