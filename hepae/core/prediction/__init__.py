"""Predictions of lattice integers from what is already known: exact integers, the same on every machine.

`columns/` is what a prediction may look at, each kind in full; `context` is what is known of a chunk; `predictors`
describe how each feature is predicted (they stand in the manifest), `tables` are what they sum, `evaluation` does it.
`ranks` is the order of objects while codecs work, `derived` are features computed from others (pt of px and py).
"""
