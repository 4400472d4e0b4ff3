"""The masked codec: what predictions leave, coded with tables that exact-integer networks choose for each object.

`spec` is what the manifest records, `codec` encodes and decodes. Its own: the `alphabet` of bins, the `inputs` that
networks see, the `shapes` of the coding tables.
"""
