"""Compressed trees as dask-awkward arrays under the original names, read on workers that know nothing of hepae."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import awkward as ak
import uproot
from uproot._dask import TrivialFormMapping, TrivialFormMappingInfo
from uproot._util import regularize_files

from hepae.extras import needed
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["events"]


def events(files: Any, **options: Any) -> Any:
    """Lazy events of compressed files, and of others, under the original names of the branches.

    Parameters
    ----------
    files
        As in `uproot.dask`: paths, globs, or a dict of paths and names of trees. Some may be compressed and others not.
    options
        Of `uproot.dask`, such as ``steps_per_file`` or ``open_files=False``; with the latter all files have to be as
        the first, since the others are not looked at.

    Returns
    -------
    dask_awkward.Array
        A record of branches; only those that a computation needs are restored.

    Raises
    ------
    MissingExtraError
        Without dask and dask-awkward.

    Examples
    --------
    >>> jets = events({"small.root": "Events"}, open_files=False)  # doctest: +SKIP
    >>> jets.Jet_pt.compute()  # doctest: +SKIP
    <Array [[67.4, 54, 22], ...] type='2400 * var * float32'>
    """
    with needed("an array of lazy events"):
        import dask_awkward  # noqa: F401 - uproot would name a package that is in no extra
    groups = _alike(files, options)
    parts = [_lazy(group, options) for group in groups]
    if len(parts) == 1:
        return parts[0]
    from dask_awkward.lib.operations import concatenate

    common = set.intersection(*(set(part.fields) for part in parts))
    if any(set(part.fields) != common for part in parts):
        # not parts[common]: dask-awkward forgets what a projection before a concatenation needs (2026.2.0)
        chosen = {**options, "filter_name": lambda name: name.removesuffix(SUFFIX) in common}
        parts = [_lazy(group, chosen) for group in groups]
    return concatenate(parts)


def _lazy(files: Any, options: dict[str, Any]) -> Any:
    return uproot.dask(files, form_mapping=OriginalNames(), ak_add_doc={"__doc__": "title"}, **options)


def _alike(files: Any, options: dict[str, Any]) -> list[Any]:
    """Runs of files that have the same payload branches: uproot reads those branches that all files have."""
    if not options.get("open_files", True):
        return [files]
    known = {name: value for name, value in options.items() if name in uproot.reading.open.defaults}
    listed = regularize_files(files, steps_allowed=True, **{**uproot.reading.open.defaults, **known})
    if not all(isinstance(path, str) for path, *_ in listed):
        return [files]
    groups = [list(group) for _, group in groupby(listed, lambda item: _payloads(item[0], item[1], known))]
    if len(groups) == 1:
        return [files]
    return [{path: _place(place) for path, *place in group} for group in groups]


def _place(place: list[Any]) -> Any:
    """The tree, or the tree and the steps, of a file as uproot takes it."""
    return place[0] if len(place) == 1 else {"object_path": place[0], "steps": place[1]}


def _payloads(path: str, tree: str | None, options: dict[str, Any]) -> frozenset[str]:
    """The payload branches of a tree; none where no tree is named."""
    if tree is None:
        return frozenset()
    with uproot.open({path: tree}, **options) as opened:
        return frozenset(name for name in opened.keys() if name.endswith(SUFFIX))  # noqa: SIM118 - no dict


class OriginalNames(uproot.ImplementsFormMapping):  # type: ignore[misc]
    """What uproot asks for the form of the events: features under their names, branches of hepae's own left out."""

    def __call__(self, form: Any) -> tuple[Any, OriginalNamesInfo]:
        """The form of the events from that of the tree, and how to read it."""
        names = {field: _original_name(field, form.content(field)) for field in form.fields}
        kept = [field for field in form.fields if names[field]]
        chosen = ak.forms.RecordForm(
            [form.content(field) for field in kept], kept, parameters=form.parameters
        )
        keyed, _ = TrivialFormMapping()(chosen)
        contents = [_titled(keyed.content(field)) for field in kept]
        renamed = ak.forms.RecordForm(
            contents, [names[field] for field in kept], parameters=form.parameters, form_key=keyed.form_key
        )
        return renamed, OriginalNamesInfo(keyed)


class OriginalNamesInfo(TrivialFormMappingInfo):  # type: ignore[misc]
    """How to read such events: as uproot would; unpickling this imports hepae before a worker opens a file."""


def _original_name(field: str, form: Any) -> str:
    """Name of a branch in the original file; empty for branches of hepae's own."""
    if not field.endswith(SUFFIX):
        return field
    return field.removesuffix(SUFFIX) if parse_title(form.parameters.get("__doc__", "")) else ""


def _titled(form: Any) -> Any:
    """The form with the title that the branch had before."""
    payload = parse_title(form.parameters.get("__doc__", ""))
    return form if payload is None else form.copy(parameters={**form.parameters, "__doc__": payload.title})
