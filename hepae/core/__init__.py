"""Bytes to values and back, in memory: no file, no ROOT, no ONNX, no awkward. What a native twin can replace.

Start with `decode`, the one door, and `chunk`, the path of a chunk: values → lattice integers → payloads → frames.

`manifest` is what a model says of itself, `features` and `network` what a codec is given. `values/` puts numbers on
lattices, `prediction/` predicts their integers, `lifting/`, `masked/` and `bottleneck/` are the codecs, `coding/` turns
integers into bytes, `arithmetic/` has the same bits on every machine.
"""
