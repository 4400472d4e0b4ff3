"""Compressed branches as if they were plain: in uproot (a registered interpretation), awkward and dask."""
