"""Many files over any executor: resumable, all or nothing for each file, failures told at the end.

Each file is compressed as a whole, or one collection of all with one model. Beside the outputs a folder
``hepae-records`` holds the model and, for each output, what it was made from. A file whose
record still fits is not compressed again, so that a run that was interrupted continues where it stopped.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hepae.core.values.bounds import Assignments
from hepae.core.values.names import is_url
from hepae.errors import OutputError
from hepae.files.agreement import require_agreement
from hepae.files.compress.collection import compress_collection
from hepae.files.compress.file import compress_file
from hepae.files.compress.known import require_whole
from hepae.files.compress.narrowing import narrowing_of, refuse_for_a_collection, require_lossy
from hepae.files.many import records
from hepae.files.many.filesets import Files, Job, compressed_fileset, jobs_of
from hepae.files.many.records import Record, Stamp, Task, WholeFile, WithModel
from hepae.files.many.running import Outcome, State, failed, run_here, run_over
from hepae.files.many.trained import model_for
from hepae.files.verify.run import verify
from hepae.input.events import is_csv
from hepae.input.selection import Selection, selection_of
from hepae.learn.recipe import Recipe
from hepae.learn.whole.lifted import lifted_tables
from hepae.model.dataset import DatasetModel
from hepae.model.model import Model
from hepae.progress import Report
from hepae.root.file.atomic import check_target, output_folder
from hepae.root.file.source import size_of
from hepae.shown.bars import in_notebook
from hepae.shown.notebook import html_table, sizes

__all__ = ["ManyFiles", "Outcome", "compress_files"]

RECORDS = "hepae-records"


@dataclass(repr=False)
class ManyFiles:
    """What `compress_files` did.

    Attributes
    ----------
    model
        SHA-256 of the model; the file is in ``hepae-records``, for files that hold it by reference. Empty where files
        were compressed as a whole.
    outcomes
        One for each file, in the order given.
    fileset
        The files given, with the compressed ones in their place and those that failed left out.
    """

    model: str
    outcomes: list[Outcome] = field(default_factory=list)
    fileset: dict[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> list[Outcome]:
        """Files that were not compressed."""
        return [outcome for outcome in self.outcomes if outcome.state == "failed"]

    @property
    def _title(self) -> str:
        before, after = (
            sum(getattr(o, f"bytes_{when}") for o in self.outcomes) for when in ("before", "after")
        )
        return f"{len(self.outcomes)} files, {len(self.failed)} failed: {sizes(before, after)}"

    def __repr__(self) -> str:
        return f"<ManyFiles {self._title}>"

    def _repr_html_(self) -> str:
        columns = ["file", "state", "before, B", "after, B", "error"]
        rows = [(o.source, o.state, o.bytes_before, o.bytes_after, o.error) for o in self.outcomes]
        return html_table(self._title, columns, rows)


def compress_files(
    files: Files,
    out: str | Path,
    *,
    executor: Executor | None = None,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Assignments = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    tree: str | Sequence[str] | None = None,
    dither: bool = False,
    model: Model | DatasetModel | None = None,
    recipe: Recipe | None = None,
    side: bool = False,
    embed: bool = True,
    force: bool = False,
    report: Report = in_notebook,
) -> ManyFiles:
    """Compress many files: each as a whole, or one collection of all with one model.

    Parameters
    ----------
    files
        Paths, globs, ``{path: tree}``, or a fileset of coffea's.
    out
        Folder for the outputs, made where it is not there. Workers must see it and the inputs under the same names.
        An output is made again where its input or the choices changed. A file of its name that was not made from that
        input is never replaced: the input fails.
    executor
        Where the files are compressed, one a task and one thread each: a ``ProcessPoolExecutor``, or
        ``client.get_executor()`` of `dask.distributed`, which also starts the files of lost workers again. Here, one
        after the other, where none is given.
    collection, features, bounds, only, skip, tree, dither, recipe, side, embed
        As in `hepae.compress`; what makes it compress a collection does so here. Trees that ``files`` names are those
        that are read: of whole files all are compressed.
    model
        A trained model; with one of a data set (`hepae.train_dataset`) each file is compressed as a whole. For a
        collection without one, it is trained here on a sample of the files, or taken from
        ``hepae-records`` if the same choices made it.
    force
        Replace files in ``out`` that were not made from the input whose output gets their name.
    report
        Told how many files are done.

    Returns
    -------
    ManyFiles
        One outcome a file: a file that fails stops no other.

    Raises
    ------
    HepaeError
        If there are no files, no model can be trained on them, or what is asked for and the model do not agree.

    Examples
    --------
    >>> with Client("tcp://scheduler:8786") as client:  # doctest: +SKIP
    ...     done = compress_files("data/*.root", "small", executor=client.get_executor())
    >>> [(lost.source, lost.error) for lost in done.failed]  # doctest: +SKIP
    []
    """
    names = (collection,) if isinstance(collection, str) else tuple(dict.fromkeys(collection or ()))
    said = len(names) == 1 or any(word is not None for word in (features, model, recipe)) or side or not embed
    jobs = jobs_of(files, out, tree if isinstance(tree, str) else None)
    _refuse_inputs_as_outputs(jobs)
    work: WithModel | WholeFile
    if isinstance(model, DatasetModel):
        for job in jobs:
            require_whole(model, job.source, features=features, recipe=recipe, side=side)
        selection = selection_of(bounds=bounds)
        records.write(output_folder(out) / RECORDS / f"{model.sha256}.onnx", model.data)
        work = WholeFile(selection.bounds, narrowing_of(only, skip, names, tree), dither, model.sha256, embed)
    elif said or any(is_csv(job.source) for job in jobs):
        refuse_for_a_collection(only, skip, dither, tree)
        one = tree if isinstance(tree, str) else next(iter(tree or ()), None)
        selection = selection_of(names or None, features, bounds, one)
        if model is None:
            model = model_for(jobs, output_folder(out) / RECORDS, selection, recipe or Recipe(), report)
        else:
            require_agreement(selection, recipe, model.manifest, out)
        records.write(output_folder(out) / RECORDS / f"{model.sha256}.onnx", model.data)
        work = WithModel(model.sha256, None, side, embed)
    else:
        selection = selection_of(bounds=bounds)
        require_lossy(dither, selection.bounds, out)
        work = WholeFile(selection.bounds, narrowing_of(only, skip, names, tree), dither)
    tasks = _tasks(jobs, output_folder(out), work, selection, force)
    run = functools.partial(compress_one, threads=None) if executor is None else compress_one
    outcomes = run_here(run, tasks, report) if executor is None else run_over(executor, run, tasks, report)
    made = [job for job, outcome in zip(jobs, outcomes, strict=True) if outcome.state != "failed"]
    return ManyFiles("" if model is None else model.sha256, outcomes, compressed_fileset(files, made))


def _tasks(
    jobs: Sequence[Job], out: Path, work: WithModel | WholeFile, selection: Selection, force: bool
) -> list[Task]:
    run, models = uuid.uuid4().hex, _absolute(out / RECORDS)
    tasks = []
    for job in jobs:
        record = out / RECORDS / f"{Path(job.target).relative_to(out)}.json"
        own = work if isinstance(work, WholeFile) else msgspec.structs.replace(work, tree=job.tree)
        files = _absolute(job.source), _absolute(job.target), _absolute(record)
        asked = dataclasses.replace(selection, tree=job.tree)
        tasks.append(Task(*files, own, models, asked, force, run))
    return tasks


def compress_one(task: Task, threads: int | None = 1) -> Outcome:
    """Compress one file unless it is there already; what a worker does."""
    state: State = "present"
    try:
        if not _present(task):
            source = records.stamp(task.source)
            force = task.force or _owned(task, source)
            output_folder(Path(task.target).parent)
            check_target(task.target, (task.source,), force=force)
            _note(task, source, None)
            _compress(task, threads, force)
            _note(task, source, records.stamp(task.target))
            state = "compressed"
        sizes = size_of(task.source), size_of(task.target)
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with one file, the others go on
        return failed(task, problem)
    return Outcome(task.source, task.target, state, "", *sizes)


def _compress(task: Task, threads: int | None, force: bool) -> None:
    work, wanted = task.work, task.selection
    if isinstance(work, WholeFile):
        compress_file(
            task.source, task.target, work.bounds, work.narrowing, work.dither, threads,
            check=verify, search=None if work.model else lifted_tables, force=force,
            model=_dataset(f"{task.models}/{work.model}.onnx") if work.model else None, embed=work.embed,
        )  # fmt: skip
        return
    compress_collection(
        task.source, task.target, collection=wanted.collection, features=wanted.features, bounds=wanted.bounds,
        tree=wanted.tree, model=_loaded(f"{task.models}/{work.model}.onnx"), side=work.side, embed=work.embed,
        threads=threads, force=force, check=verify,
    )  # fmt: skip


@functools.lru_cache(maxsize=4)
def _loaded(path: str) -> Model:
    return Model.load(path, threads=1)


@functools.lru_cache(maxsize=4)
def _dataset(path: str) -> DatasetModel:
    return DatasetModel.load(path)


def _owned(task: Task, source: Stamp) -> bool:
    """Whether a file under the name of the output is an earlier output of this input."""
    found = records.read(Path(task.record), Record)
    return found is not None and (found.path == task.source or found.source.xxh3 == source.xxh3)


def _note(task: Task, source: Stamp, target: Stamp | None) -> None:
    """Write down what the output is made from, and once it is complete what it is."""
    records.write(Path(task.record), msgspec.json.encode(Record(task.work, task.source, source, target)))


def _present(task: Task) -> bool:
    """Whether the output is there as it was recorded, made in this way from this source."""
    found = records.read(Path(task.record), Record)
    return (
        found is not None
        and found.target is not None
        and found.work == task.work
        and records.same(task.target, found.target)
        and records.same(task.source, found.source)
    )


def _absolute(path: str | Path) -> str:
    """The path as another process finds it, wherever that one was started."""
    return str(path) if is_url(path) else str(Path(path).absolute())


def _refuse_inputs_as_outputs(jobs: Sequence[Job]) -> None:
    """An output may be no input, of whatever job."""
    inputs = {os.path.realpath(job.source): job.source for job in jobs if not is_url(job.source)}
    for job in jobs:
        if os.path.realpath(job.target) in inputs:
            raise OutputError(
                "an output would get the name of an input", where=job.target, hint="write to another folder"
            )
