"""`hepae verify`: an independent check of everything that two files hold.

Nothing of the codecs, lattices and readers that write is used to compare, on purpose: a defect in the one is seen by
the other. Trees are read with uproot, or compared as bytes; only what hepae stores is restored by its own reader
(`restored`).

- `run`: the verb: trees, then everything else
- `keys`, `objects`, `meaning`: all keys of a file, and objects by what they mean
- `sides`, `branches`, `ntuples`, `texts`, `restored`: a tree in parts, whatever it is stored in
- `structure`: titles, classes, leaves, settings
- `baskets`: what is the same byte for byte
- `values`, `measure`, `request`: values against values, in the words of the promise
- `check`: the verb as it is handed to those who write
- `pairs`, `result`: a part against its partner, and what came out
"""
