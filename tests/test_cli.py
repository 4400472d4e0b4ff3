"""Risk: a command that hides a violation, ends with a traceback, or says something else than it did."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hepae
from hepae import cli
from hepae.cli import whole_parser
from hepae.testing.files import jets, write_events

KEPT, VIOLATED, REFUSED = 0, 1, 2
BOUNDS = ["--bound", "*=abs:1e-3", "--bound", "pt,mass=rel:1e-3"]
LIFTING = ["--codec", "lifting"]
BOTTLENECK = ["--codec", "bottleneck", "--epochs", "1", "--layers", "8"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "a defect of hepae" not in said.err
        return code, said.out, said.err

    return call


def names() -> list[str]:
    """All commands."""
    (parts,) = (action for action in whole_parser()._actions if hasattr(action, "choices") and action.choices)
    return list(parts.choices)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small file, models of it, and it compressed."""
    folder = tmp_path_factory.mktemp("cli")
    found = {"original": write_events(folder / "original.root", *jets(200)), "folder": folder}
    found["model"], found["bottleneck"] = folder / "lifting.onnx", folder / "bottleneck.onnx"
    assert (
        cli.main(["train", *map(str, [found["original"], "-o", found["model"]]), *LIFTING, *BOUNDS]) == KEPT
    )
    assert (
        cli.main(["train", *map(str, [found["original"], "-o", found["bottleneck"]]), *BOTTLENECK, *BOUNDS])
        == KEPT
    )
    found["small"] = folder / "small.root"
    assert (
        cli.main(["compress", *map(str, [found["original"], found["small"], "--model", found["model"]])])
        == KEPT
    )
    return found


@pytest.mark.parametrize("name", [None, *names()])
def test_help_has_an_example(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main([name, "--help"] if name else ["--help"])
    assert left.value.code == 0
    assert re.search(rf"example: hepae {name or ''}", capsys.readouterr().out)


@pytest.mark.parametrize("choices", [LIFTING, BOTTLENECK], ids=lambda words: words[1])
def test_the_bundled_sample_from_end_to_end(
    choices: list[str], run: Run, sample_root: Path, tmp_path: Path
) -> None:
    model, small, back = tmp_path / "jets.onnx", tmp_path / "small.root", tmp_path / "back.root"
    shown = [*BOUNDS, "--collection", "Jet", "--features", "pt,eta,phi,mass,nConstituents"]
    code, out, _ = run("train", sample_root, "-o", model, *shown, *choices)
    assert code == KEPT
    assert "sha256" in out
    code, out, _ = run("compress", sample_root, small, "--model", model, "--json")
    assert code == KEPT
    assert json.loads(out)["objects"] == 12169
    assert run("decompress", small, back)[0] == KEPT
    assert run("verify", sample_root, small)[0] == KEPT
    bounds = ["--bound", "Jet_eta,Jet_phi=abs:1e-3", "--bound", "Jet_pt,Jet_mass=rel:1e-3"]
    code, out, _ = run("verify", sample_root, back, *bounds)
    assert code == KEPT
    assert "every value is within its bound" in out
    code, out, _ = run("inspect", small, "--json")
    assert code == KEPT
    assert "Jet_pt" in out


def test_the_bundled_csv_from_end_to_end(run: Run, sample_csv: Path, tmp_path: Path) -> None:
    bounds = ["--bound", "E,pt=rel:1e-3", "--bound", "eta,phi=abs:1e-3"]
    assert (
        run("compress", sample_csv, tmp_path / "a.root", "--collection", "Jet", *LIFTING, *bounds)[0] == KEPT
    )
    assert run("verify", sample_csv, tmp_path / "a.root")[0] == KEPT
    assert run("inspect", sample_csv)[0] == KEPT


def test_a_violation_exits_with_one_and_shows_the_worst(
    run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    counts, columns = jets(200)
    columns["eta"][17] += np.float32(0.5)
    other = write_events(tmp_path / "other.root", counts, columns)
    code, out, _ = run("verify", other, files["small"])
    assert code == VIOLATED
    assert "the promise was not kept" in out
    event = int(np.searchsorted(np.cumsum(counts), 17, side="right"))
    assert f"Events, Jet_eta, entry {event}, value {17 - int(counts[:event].sum())}" in out
    code, out, _ = run("verify", other, files["small"], "--json")
    found = json.loads(out)
    assert code == VIOLATED
    assert found["kept"] is False
    assert found["offenders"][0]["column"] == "Jet_eta"


def test_json_of_each_command_parses(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    original, small = files["original"], files["small"]
    commands: list[list[object]] = [
        ["inspect", original],
        ["inspect", small],
        ["train", original, "-o", tmp_path / "a.onnx", *LIFTING],
        ["compress", original, tmp_path / "a.root", "--model", files["bottleneck"]],
        ["decompress", small, tmp_path / "b.root"],
        ["verify", original, small],
        ["merge", tmp_path / "c.root", small, small],
        ["skim", small, tmp_path / "d.root", "--cut", "nJet > 2"],
    ]
    for command in commands:
        code, out, error = run(*command, "--json")
        assert code == KEPT, error
        assert isinstance(json.loads(out), dict)


def test_a_configuration_says_the_same_as_flags(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    text = 'codec = "bottleneck"\nepochs = 1\nlayers = [8]\ncollection = "Jet"\nseed = 5\n'
    text += 'features = ["pt", "eta", "mass"]\n'
    table = text + '[bound]\n"*" = "abs:1e-3"\n"pt,mass" = "rel:1e-3"\n'
    listed = text + 'bound = ["*=abs:1e-3", "pt,mass=rel:1e-3"]\n'
    flags = [*BOTTLENECK, *BOUNDS, "--collection", "Jet", "--seed", "5", "--features", "pt,eta,mass"]
    written = []
    for number, configured in enumerate([table, listed, None]):
        choices: list[object] = [*flags]
        if configured is not None:
            (tmp_path / "c.toml").write_text(configured)
            choices = ["--config", tmp_path / "c.toml"]
        assert run("train", files["original"], "-o", tmp_path / f"{number}.onnx", *choices)[0] == KEPT
        written.append((tmp_path / f"{number}.onnx").read_bytes())
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("text", ["epoch = 1\n", "bound = [\n", "\xff\xfe", "epochs = 'many'\n"])
def test_configurations_that_cannot_be_are_refused(
    text: str, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_bytes(text.encode("latin-1"))
    code, _, error = run(
        "train", files["original"], "-o", tmp_path / "a.onnx", "--config", tmp_path / "c.toml"
    )
    assert code == REFUSED
    assert error.startswith("hepae: ")


def missing(folder: Path, _: Path) -> Path:
    return folder / "missing.root"


def directory(folder: Path, _: Path) -> Path:
    return folder


def empty(folder: Path, _: Path) -> Path:
    (folder / "empty.root").touch()
    return folder / "empty.root"


def text(folder: Path, _: Path) -> Path:
    (folder / "text.root").write_text("event;weight\n" * 100)
    return folder / "text.root"


def truncated(folder: Path, original: Path) -> Path:
    data = original.read_bytes()
    (folder / "cut.root").write_bytes(data[: len(data) // 2])
    return folder / "cut.root"


def pickled(folder: Path, _: Path) -> Path:
    (folder / "pickle.root").write_bytes(pickle.dumps({"weights": [1.0]}))
    return folder / "pickle.root"


@pytest.mark.parametrize("make", [missing, directory, empty, text, truncated, pickled])
@pytest.mark.parametrize("name", ["inspect", "train", "compress", "decompress", "verify", "skim", "merge"])
def test_inputs_that_are_no_input_are_refused_in_one_line(
    make: Callable[[Path, Path], Path], name: str, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    bad, out = make(tmp_path, files["original"]), tmp_path / "out.root"
    words: dict[str, list[Any]] = {
        "inspect": [bad],
        "train": [bad, "-o", out, *LIFTING],
        "compress": [bad, out, "--model", files["model"]],
        "decompress": [bad, out],
        "verify": [files["original"], bad],
        "skim": [bad, out, "--cut", "nJet > 1"],
        "merge": [out, files["small"], bad],
    }
    code, _, error = run(name, *words[name])
    assert code == REFUSED
    assert error.startswith("hepae: ")
    assert error.count("\n") == 1
    assert bad.name in error
    assert not out.exists()


def a_pickle(files: dict[str, Path], folder: Path) -> Path:
    (folder / "bad.onnx").write_bytes(pickle.dumps(print))
    return folder / "bad.onnx"


def a_part_of_a_model(files: dict[str, Path], folder: Path) -> Path:
    (folder / "bad.onnx").write_bytes(files["model"].read_bytes()[:-100])
    return folder / "bad.onnx"


def no_model(files: dict[str, Path], folder: Path) -> Path:
    return folder / "bad.onnx"


@pytest.mark.parametrize("make", [a_pickle, a_part_of_a_model, no_model])
def test_models_that_are_no_model_are_refused(
    make: Callable[[dict[str, Path], Path], Path], run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    bad = make(files, tmp_path)
    code, _, error = run("compress", files["original"], tmp_path / "out.root", "--model", bad)
    assert code == REFUSED
    assert "bad.onnx" in error
    assert not (tmp_path / "out.root").exists()


def test_a_model_by_reference_is_asked_for_and_only_the_right_one_will_do(
    run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    small = tmp_path / "small.root"
    code, _, _ = run("compress", files["original"], small, "--model", files["model"], "--model-by-reference")
    assert code == KEPT
    code, _, error = run("decompress", small, tmp_path / "a.root")
    assert code == REFUSED
    assert hepae.Model.load(files["model"]).sha256[:16] in error
    assert "--model" in error
    assert run("decompress", small, tmp_path / "a.root", "--model", files["bottleneck"])[0] == REFUSED
    assert not (tmp_path / "a.root").exists()
    assert run("decompress", small, tmp_path / "a.root", "--model", files["model"])[0] == KEPT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--collection", "Jets"], "Jet"),
        (["--features", "ptt"], "pt"),
        (["--bound", "ptt=rel:1e-3"], "ptt"),
        (["--bound", "pt=rel:x"], "rel:x"),
        (["--bound", "pt=rel:-1"], "not negative"),
        (["--bound", "pt=abs:nan"], "nan"),
        (["--bound", "pt"], "pt"),
        (["--tree", "Event"], "Events"),
        (["--config", "missing.toml"], "missing.toml"),
        (["--condition", "METT"], "MET"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else words,
)
def test_names_and_bounds_that_cannot_be_are_refused(
    words: list[str], expected: str, run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    code, _, error = run("compress", files["original"], tmp_path / "out.root", *LIFTING, *words)
    assert code == REFUSED
    assert expected in error
    assert not (tmp_path / "out.root").exists()


@pytest.mark.parametrize("words", [["--codec", "zip"], ["--layers", "a"], ["--unknown"], []])
def test_words_that_are_no_option_exit_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["compress", *(["a.root", "b.root"] if words else []), *words])
    assert left.value.code == REFUSED
    assert "usage: hepae" in capsys.readouterr().err


def test_outputs_that_cannot_be_are_refused(run: Run, files: dict[str, Path], tmp_path: Path) -> None:
    original, model, small = files["original"], files["model"], files["small"]
    before = original.read_bytes()
    for command in (
        ["compress", original, original, "--model", model],
        ["compress", original, tmp_path, "--model", model],
        ["compress", original, tmp_path / "none" / "a.root", "--model", model],
        ["compress", original, "--model", model],
        ["decompress", small, small],
        ["train", original, "-o", original, *LIFTING],
        ["train", original, "-o", tmp_path, *LIFTING],
    ):
        code, _, error = run(*command)
        assert code == REFUSED, command
        assert error.startswith("hepae: ")
    assert original.read_bytes() == before


def test_compressed_files_are_not_compressed_again_and_others_not_decompressed(
    run: Run, files: dict[str, Path], tmp_path: Path
) -> None:
    code, _, error = run("compress", files["small"], tmp_path / "a.root", "--collection", "Jet", *LIFTING)
    assert code == REFUSED
    assert "compressed already" in error
    code, _, error = run("decompress", files["original"], tmp_path / "a.root", "--tree", "Events")
    assert code == REFUSED
    assert "nothing is compressed" in error
    code, out, _ = run("decompress", files["original"], tmp_path / "copy.root")
    assert code == 0
    assert "nothing is compressed here, the file is copied as it is" in " ".join(out.split())
    assert (tmp_path / "copy.root").read_bytes() == files["original"].read_bytes()


def test_help_alone_and_quiet_commands(run: Run, sample_root: Path) -> None:
    code, said, _ = run()
    assert code == 0
    assert "inspect" in said
    assert run("inspect", "-q", str(sample_root)) == (0, "", "")
    code, _, problem = run("inspect", "-q", "nothing.root")
    assert code == 2
    assert "no such file" in problem


def test_a_shell_that_completes_words_gets_commands() -> None:
    """argcomplete writes what may come next where the shell says."""
    line = "hepae insp"
    asked = {
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": "said",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hepae"]
        subprocess.run(command, env={**os.environ, **asked}, cwd=folder, check=False, timeout=120)
        assert (Path(folder) / "said").read_text() == "inspect "


def test_names_may_stand_after_options(run: Run, sample_root: Path) -> None:
    before = run("inspect", sample_root, "Jet_pt,Jet_eta", "--json")
    assert before[0] == KEPT
    assert run("inspect", sample_root, "--json", "Jet_pt,Jet_eta") == before
    assert run("inspect", "--json", sample_root, "Jet_pt,Jet_eta") == before
    with pytest.raises(SystemExit, match="2"):
        cli.main(["inspect", str(sample_root), "--jsn", "Jet_pt"])
