"""Many files over any executor: filesets as coffea and dask know them, with a record of what was done."""
