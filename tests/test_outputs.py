"""Risk: what a user had under a name is gone: an output over an older one, over an input, over another input's."""

from __future__ import annotations

import argparse
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import hepae
from hepae import cli
from hepae.cli import whole_parser
from hepae.errors import OutputError
from hepae.files.many.compress import RECORDS, compress_files
from hepae.learn.recipe import recipe_of
from hepae.root.file.atomic import atomic_output, check_target
from hepae.testing.files import jets, write_events

KEPT, REFUSED = 0, 2
BOUNDS = ["--bound", "*=abs:1e-3"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small file, a model of it, and it compressed."""
    folder = tmp_path_factory.mktemp("outputs")
    found = {name: folder / name for name in ("model.onnx", "bottleneck.onnx", "small.root")}
    found["original"] = write_events(folder / "original.root", *jets(60))
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    model = hepae.train([found["original"]], bounds=["*=abs:1e-3"], recipe=recipe)
    model.save(found["model.onnx"])
    hepae.compress(found["original"], found["small.root"], model=model)
    bottleneck = recipe_of({"codec": "bottleneck", "epochs": 1, "layers": (4,)})
    hepae.train([found["original"]], bounds=["*=abs:1e-3"], recipe=bottleneck).save(found["bottleneck.onnx"])
    return found


def commands(files: Mapping[str, Path], out: Path) -> dict[str, list[object]]:
    """Every command that writes one file, into ``out``."""
    original, small, model = files["original"], files["small.root"], files["model.onnx"]
    return {
        "train": ["train", original, "-o", out, "--codec", "lifting", "--effort", "fast"],
        "compress": ["compress", original, out, "--model", model],
        "side": ["compress", original, "--side", out, "--model", model],
        "decompress": ["decompress", small, out],
        "skim": ["skim", small, out, "--cut", "nJet > 1"],
        "merge": ["merge", out, small, small],
        "export-cpp": ["export-cpp", files["bottleneck.onnx"], "-o", out],
        "report": ["report", original, small, "-o", out],
        "plot": ["plot", "pt", original, small, "-o", out.with_suffix(".png")],
        "bench": ["bench", original, "--plot", out],
        "images train": ["images", "train", original, "-o", out],
        "images write": ["images", "write", original, out],
        "score": ["score", files["bottleneck.onnx"], original, out],
        "judge": ["judge", original, small, "--save-tagger", out],
    }  # fmt: skip


QUICK = ("train", "compress", "side", "decompress", "skim", "merge", "export-cpp", "score")


def run(words: list[object], *more: str) -> int:
    return cli.main([*map(str, words), *more])


NAMES = tuple(commands(defaultdict(Path), Path("a.root")))


@pytest.mark.parametrize("name", NAMES)
def test_an_output_that_exists_is_kept_and_said_before_any_work(
    name: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in (".root", ".png"):
        (tmp_path / f"out{suffix}").write_bytes(b"precious")
    words = commands(files, tmp_path / "out.root")[name]
    assert run(words) == REFUSED
    error = capsys.readouterr().err
    assert "exists already" in error
    assert "--force" in error
    assert all(path.read_bytes() == b"precious" for path in tmp_path.iterdir())
    if name in QUICK:
        assert run(words, "--force") == KEPT
        assert (tmp_path / "out.root").read_bytes() != b"precious"


def all_commands(part: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every command of a parser that has no commands of its own."""
    parts = [action for action in part._actions if isinstance(action, argparse._SubParsersAction)]
    if not parts:
        yield part
    for action in parts:
        for one in dict.fromkeys(action.choices.values()):
            yield from all_commands(one)


def test_every_command_that_writes_has_force() -> None:
    reads_only = {"inspect", "verify", "experiments"}  # experiments go on in a folder of their own
    for part in all_commands(whole_parser()):
        has_force = any("--force" in action.option_strings for action in part._actions)
        assert has_force == (part.prog.split()[-1] not in reads_only), part.prog


def test_merge_does_not_destroy_its_first_file(files: dict[str, Path], tmp_path: Path) -> None:
    """``hepae merge A B``, as ``hadd`` without a target."""
    first = shutil.copy(files["small.root"], tmp_path / "a.root")
    before = Path(first).read_bytes()
    assert run(["merge", first, files["small.root"]]) == REFUSED
    assert run(["merge", first, files["small.root"], first], "--force") == REFUSED
    assert Path(first).read_bytes() == before


def test_an_input_is_never_the_output_even_with_force(files: dict[str, Path], tmp_path: Path) -> None:
    original, model = tmp_path / "a.root", tmp_path / "m.onnx"
    shutil.copy(files["original"], original)
    shutil.copy(files["model.onnx"], model)
    os.link(original, tmp_path / "hard.root")
    before = original.read_bytes(), model.read_bytes()
    for target in (original, tmp_path / "hard.root", model):
        assert run(["compress", original, target, "--model", model], "--force") == REFUSED
    with pytest.raises(OutputError, match="output is the input"):
        check_target(original, [f"file://{original}"], force=True)
    assert (original.read_bytes(), model.read_bytes()) == before


def test_a_symbolic_link_is_followed(files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    link, end = tmp_path / "link.root", tmp_path / "store" / "end.root"
    link.symlink_to(end)  # nothing there yet
    model = hepae.Model.load(files["model.onnx"])
    hepae.compress(files["original"], link, model=model)
    assert link.is_symlink()
    assert hepae.verify(files["original"], end).kept
    with pytest.raises(OutputError, match="exists already"):
        hepae.compress(files["original"], link, model=model, force=False)
    end.write_bytes(b"old")
    hepae.compress(files["original"], link, model=model, force=True)
    assert link.is_symlink()
    assert hepae.verify(files["original"], end).kept
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["end.root"]


def test_what_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to(tmp_path / "round")
    os.mkfifo(tmp_path / "pipe")
    for target, words in (
        (tmp_path / "round", "symbolic link to itself"),
        (tmp_path / "pipe", "no ordinary file"),
        (Path("/dev/null"), "no ordinary file"),
        ("root://eos.example//a.root", "URL"),
    ):
        with pytest.raises(OutputError, match=words):
            check_target(target, force=True)


def test_an_output_that_appears_while_it_is_written_is_kept(tmp_path: Path) -> None:
    def write() -> None:
        with atomic_output(tmp_path / "a") as temporary:
            temporary.write_bytes(b"mine")
            (tmp_path / "a").write_bytes(b"theirs")

    with pytest.raises(OutputError, match="exists already"):
        write()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"theirs")]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two files of one name in two folders."""
    found = []
    for seed, folder in enumerate("AB"):
        (tmp_path / folder).mkdir()
        found.append(write_events(tmp_path / folder / "tree.root", *jets(60, seed=seed)))
    return found[0], found[1]


def test_files_of_one_name_never_share_an_output(
    two: tuple[Path, Path], files: dict[str, Path], tmp_path: Path
) -> None:
    first, second = two
    model = hepae.Model.load(files["model.onnx"])
    together = compress_files([first, second], tmp_path / "together", model=model)
    assert not together.failed
    assert {Path(outcome.target).parent.name for outcome in together.outcomes} == {"A", "B"}
    out = tmp_path / "out"
    assert not compress_files([first], out, model=model).failed
    (refused,) = compress_files([second], out, model=model).failed
    assert "exists already" in refused.error
    assert hepae.verify(first, out / "tree.root").kept
    assert not compress_files([second], out, model=model, force=True).failed
    assert hepae.verify(second, out / "tree.root").kept


def test_a_file_that_hepae_did_not_make_is_kept(
    two: tuple[Path, Path], files: dict[str, Path], tmp_path: Path
) -> None:
    model = hepae.Model.load(files["model.onnx"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "tree.root").write_bytes(b"precious")
    assert compress_files([two[0]], tmp_path / "out", model=model).failed
    assert (tmp_path / "out" / "tree.root").read_bytes() == b"precious"


def test_a_run_that_was_killed_before_its_record_goes_on(
    two: tuple[Path, Path], files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepae.files.many import compress as many

    model, note = hepae.Model.load(files["model.onnx"]), many._note

    def killed(task: many.Task, source: many.Stamp, target: many.Stamp | None) -> None:
        if target is not None:
            raise KeyboardInterrupt
        note(task, source, target)

    monkeypatch.setattr(many, "_note", killed)
    with pytest.raises(KeyboardInterrupt):
        compress_files([two[0]], tmp_path / "out", model=model)
    assert (tmp_path / "out" / "tree.root").exists()
    monkeypatch.undo()
    (outcome,) = compress_files([two[0]], tmp_path / "out", model=model).outcomes
    assert outcome.state == "compressed"


def test_an_output_is_no_other_input(two: tuple[Path, Path], files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "C").mkdir()
    shutil.copy(two[0], tmp_path / "C" / "other.root")
    shutil.copy(two[1], tmp_path / "A" / "other.root")
    before = two[0].read_bytes()
    model = hepae.Model.load(files["model.onnx"])
    with pytest.raises(OutputError, match="name of an input"):
        compress_files([tmp_path / "C" / "other.root", two[0]], tmp_path / "A", model=model, force=True)
    assert two[0].read_bytes() == before
    assert not list((tmp_path / "A" / RECORDS).glob("*.json"))


def test_what_a_module_and_a_function_are_both_called_can_be_called(
    sample_root: Path, tmp_path: Path
) -> None:
    """`hepae.merge` and `hepae.skim` are modules too, whose import puts them in the place of the functions."""
    from hepae.merge import merge
    from hepae.skim import skim

    targets = [tmp_path / f"{number}.root" for number in range(4)]
    hepae.merge(targets[0], [sample_root, sample_root])
    merge(targets[1], [sample_root, sample_root])
    assert targets[0].read_bytes() == targets[1].read_bytes()
    assert (
        hepae.skim(sample_root, targets[2], "nJet > 3").events_after
        == skim(sample_root, targets[3], "nJet > 3").events_after
    )
