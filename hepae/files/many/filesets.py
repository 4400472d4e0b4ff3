"""Which files are meant and where they go: lists, globs and coffea's filesets as one list of jobs. No I/O."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from hepae.core.values.names import is_url
from hepae.errors import InputError, OutputError
from hepae.input.events import is_csv

__all__ = ["Files", "Job", "compressed_fileset", "jobs_of"]

Files = str | Path | Sequence[str | Path] | Mapping[str, Any]
"""A path or glob, a list of them, ``{path: tree}``, or a fileset of coffea's."""


@dataclass(frozen=True)
class Job:
    """One file to compress: where it is, the name of its tree if one was given, where it goes."""

    source: str
    tree: str | None
    target: str
    dataset: str | None = None


def jobs_of(files: Files, out: str | Path, tree: str | None = None) -> list[Job]:
    """A job for each file.

    A file keeps its name; where two have the same, all keep their folders below the one they share. Files of a data set
    go into a folder of its name.

    Parameters
    ----------
    files
        As the alias `Files` says. A fileset is ``{dataset: {"files": {path: tree}}}`` with the variations that coffea
        accepts.
    out
        Folder for the outputs.
    tree
        Name of the tree where ``files`` does not say.

    Raises
    ------
    InputError
        If there are no files, one is named twice, or what was given is none of these.
    OutputError
        If a file would be written over another.

    Examples
    --------
    >>> [job.target for job in jobs_of(["a/x.root", "b/x.root"], "out")]
    ['out/a/x.root', 'out/b/x.root']
    >>> jobs_of({"ttbar": {"files": {"a/x.root": "Events"}}}, "out")[0]
    Job(source='a/x.root', tree='Events', target='out/ttbar/x.root', dataset='ttbar')
    """
    jobs = []
    for dataset, paths in _datasets(files).items():
        folder = Path(out) if dataset is None else Path(out) / re.sub(r"[^\w.+-]+", "_", dataset).strip("_")
        targets = _targets(list(paths), folder)
        for path, name in paths.items():
            jobs.append(Job(path, name or tree, str(targets[path]), dataset))
    if not jobs:
        raise InputError("no files to compress")
    target, times = Counter(job.target for job in jobs).most_common(1)[0]
    if times > 1:
        raise OutputError("several files would get this name", where=target, hint="rename a data set")
    return jobs


def compressed_fileset(files: Files, jobs: Sequence[Job]) -> dict[str, Any]:
    """The fileset that was given with the compressed files in the place of the originals.

    Metadata stay; what coffea found out about a file (its UUID above all) is left out. Files that belong to no data set
    are given as ``{path: tree}``.
    """
    found: dict[str, Any] = {}
    for job in jobs:
        if job.dataset is None:
            found[job.target] = job.tree
            continue
        assert isinstance(files, Mapping)
        given = files[job.dataset]
        kept = given if isinstance(given, Mapping) and "files" in given else {}
        dataset = found.setdefault(job.dataset, {**kept, "files": {}})
        dataset["files"][job.target] = job.tree
    return found


Paths = dict[str, str | None]


def _datasets(files: Files) -> dict[str | None, Paths]:
    if not isinstance(files, Mapping):
        return {None: _paths(files)}
    found: dict[str | None, Paths] = {}
    for name, given in files.items():
        if given is None or isinstance(given, str):
            found.setdefault(None, {})[str(name)] = given
        elif isinstance(given, Mapping) and "files" in given:
            found[name] = {
                path: tree or given.get("treename") for path, tree in _paths(given["files"]).items()
            }
        else:
            found[name] = _paths(given)
    return found


def _paths(files: Files) -> Paths:
    if isinstance(files, Mapping):
        return {str(path): _tree_name(path, given) for path, given in files.items()}
    if isinstance(files, (str, Path)):
        files = [files]
    if not isinstance(files, Sequence):
        raise InputError("not files", expected="paths, {path: tree} or a fileset", got=type(files).__name__)
    paths = [path for given in files for path in _expanded(str(given))]
    twice = [path for path, times in Counter(paths).items() if times > 1]
    if twice:
        raise InputError("a file is named twice", where=twice[0])
    return dict.fromkeys(paths)


def _tree_name(path: str, given: object) -> str | None:
    name = given.get("object_path") if isinstance(given, Mapping) else given
    if name is not None and not isinstance(name, str):
        raise InputError("not the name of a tree", where=path, got=repr(name))
    return name


def _expanded(path: str) -> list[str]:
    """The files that a glob stands for, sorted; any other path as it is, and a URL."""
    if is_url(path) or not glob.has_magic(path) or Path(path).exists():
        return [path]
    found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207
    if not found:
        raise InputError("no file matches", where=path)
    return found


def _targets(paths: Sequence[str], folder: Path) -> dict[str, Path]:
    whole = {path: _whole(path) for path in paths}
    names = Counter(path.name for path in whole.values())
    shared = Path(os.path.commonpath(path.parent for path in whole.values())) if whole else Path()
    clash = max(names.values(), default=0) > 1
    targets = {}
    for path, absolute in whole.items():
        target = folder / (absolute.relative_to(shared) if clash else absolute.name)
        targets[path] = target.with_suffix(".root") if is_csv(path) else target
    return targets


def _whole(path: str) -> Path:
    """The absolute path of a file, or host and path of a URL."""
    if is_url(path):
        parts = urlsplit(path)
        return Path("/", parts.netloc, *PurePosixPath(parts.path).parts[1:])
    # not resolved: a farm of links keeps the names of the links
    return Path(os.path.abspath(path))  # noqa: PTH100
