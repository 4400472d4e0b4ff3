"""What is done with whole files, one verb a module: compress and decompress, verify, skim, merge; `many/` does many."""
