"""Compressed trees as dask-awkward arrays under the original names, read on workers that know nothing of hepae."""

from __future__ import annotations

from typing import Any

import awkward as ak
import uproot
from uproot._dask import TrivialFormMapping, TrivialFormMappingInfo

from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["events"]


def events(files: Any, **options: Any) -> Any:
    """Lazy events of compressed files, and of others, under the original names of the branches.

    Parameters
    ----------
    files
        As in `uproot.dask`: paths, globs, or a dict of paths and names of trees.
    options
        Of `uproot.dask`, such as ``steps_per_file`` or ``open_files=False``.

    Returns
    -------
    dask_awkward.Array
        A record of branches; only those that a computation needs are restored.

    Raises
    ------
    ModuleNotFoundError
        Without dask and dask-awkward.

    Examples
    --------
    >>> jets = events({"small.root": "Events"}, open_files=False)  # doctest: +SKIP
    >>> jets.Jet_pt.compute()  # doctest: +SKIP
    <Array [[67.4, 54, 22], ...] type='2400 * var * float32'>
    """
    return uproot.dask(files, form_mapping=OriginalNames(), ak_add_doc={"__doc__": "title"}, **options)


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
