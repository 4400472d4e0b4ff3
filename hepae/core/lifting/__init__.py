"""The lifting codec: what exact-integer predictions leave of each feature, packed.

`spec` is what the manifest records, `codec` encodes and decodes; the predictions are in `core/prediction`.
"""
