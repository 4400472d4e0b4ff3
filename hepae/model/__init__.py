"""A model: one ONNX file of networks, tables and a manifest. `assembly` writes it, `admission` lets it in.

The only room that runs ONNX Runtime.
"""
