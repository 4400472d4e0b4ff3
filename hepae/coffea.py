"""Compressed files in coffea: schemas that give collections their own names back.

Differs from an analysis of the original file in the schema class alone::

    from hepae.coffea import NanoAODSchema

    events = NanoEventsFactory.from_root({"small.root": "Events"}, schemaclass=NanoAODSchema).events()
    events.Jet.pt   # restored when it is touched, in virtual, eager and dask mode

The interpretation that hepae registers with uproot restores the values; a schema only renames. Unpickling one imports
hepae, so that worker processes of coffea's executors read compressed files without further ado.
"""

from __future__ import annotations

import functools
from typing import Any

from hepae.extras import needed
from hepae.stored.titles import SUFFIX, parse_title

with needed("a schema of coffea"):
    from coffea.nanoevents import schemas

__all__ = [
    "BaseSchema",
    "DelphesSchema",
    "EDM4HEPSchema",
    "FCCSchema",
    "NanoAODSchema",
    "PDUNESchema",
    "PFNanoAODSchema",
    "PHYSLITESchema",
    "ScoutingNanoAODSchema",
    "TreeMakerSchema",
    "schema",
]


@functools.cache
def schema(base: type[Any]) -> type[Any]:
    """A schema for compressed files over any schema of coffea's.

    Parameters
    ----------
    base
        Subclass of `coffea.nanoevents.schemas.BaseSchema`, one of your own included.

    Returns
    -------
    type
        A subclass that takes compressed and uncompressed files alike.

    Examples
    --------
    >>> from coffea.nanoevents import schemas
    >>> class Mine(schemas.NanoAODSchema):
    ...     mixins = {**schemas.NanoAODSchema.mixins, "LowPtElectron": "Electron"}
    >>> schema(Mine).__name__
    'Mine'
    """

    class Restored(base):  # type: ignore[misc]
        def __init__(self, base_form: dict[str, Any], *arguments: Any, **options: Any) -> None:
            super().__init__(original_form(base_form), *arguments, **options)

    Restored.__name__ = Restored.__qualname__ = base.__name__
    Restored.__doc__ = f"`{base.__module__}.{base.__qualname__}` for files compressed by hepae, and others."
    return Restored


def original_form(form: dict[str, Any]) -> dict[str, Any]:
    """The form that the original file has: features under their names, branches of hepae's own left out.

    Parameters
    ----------
    form
        A record of branches, as coffea hands it to a schema. Keys of buffers stay, so that branches are found.
    """
    kept: dict[str, Any] = {}
    for name, content in zip(form["fields"], form["contents"], strict=True):
        if not name.endswith(SUFFIX):
            kept[name] = content
            continue
        payload = parse_title(_parameters(content).get("__doc__", ""))
        if payload is not None:
            kept[name.removesuffix(SUFFIX)] = _titled(content, payload.title)
    return {**form, "fields": list(kept), "contents": list(kept.values())}


def _parameters(content: dict[str, Any]) -> dict[str, Any]:
    """Parameters of the numbers of a branch, where coffea puts its title."""
    while "content" in content:
        content = content["content"]
    found: dict[str, Any] = content.get("parameters", {})
    return found


def _titled(content: dict[str, Any], title: str) -> dict[str, Any]:
    """The same branch under another title."""
    if "content" in content:
        return {**content, "content": _titled(content["content"], title)}
    return {**content, "parameters": {**content.get("parameters", {}), "__doc__": title}}


BaseSchema = schema(schemas.BaseSchema)
DelphesSchema = schema(schemas.DelphesSchema)
EDM4HEPSchema = schema(schemas.EDM4HEPSchema)
FCCSchema = schema(schemas.FCCSchema)
NanoAODSchema = schema(schemas.NanoAODSchema)
PDUNESchema = schema(schemas.PDUNESchema)
PFNanoAODSchema = schema(schemas.PFNanoAODSchema)
PHYSLITESchema = schema(schemas.PHYSLITESchema)
ScoutingNanoAODSchema = schema(schemas.ScoutingNanoAODSchema)
TreeMakerSchema = schema(schemas.TreeMakerSchema)
