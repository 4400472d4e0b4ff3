"""The lifting codec: what exact-integer predictions leave of each feature, packed.

`codec` encodes and decodes; the predictions, and what the manifest records of them, are in `core/prediction`.
"""
