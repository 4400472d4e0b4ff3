"""Compressed files in dask: lazy events under the original names, and workers that can read them.

::

    import hepae.dask

    jets = hepae.dask.events({"small.root": "Events"}, open_files=False)
    jets.Jet_pt.compute()

`uproot.dask` reads compressed branches too, under the names of their payloads. With ``open_files=False`` its workers
must have imported hepae, which this module does as a preload: ``dask worker --preload hepae.dask``, or
``DASK_DISTRIBUTED__WORKER__PRELOAD=hepae.dask``. To compress over a cluster see `hepae.compress_files`.
"""

from __future__ import annotations

from hepae.read.dask_events import events

__all__ = ["dask_setup", "events"]


def dask_setup(_worker: object) -> None:
    """Called by dask when this module is a preload; importing it has registered all that is needed."""
