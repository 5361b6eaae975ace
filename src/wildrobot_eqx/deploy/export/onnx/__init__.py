"""A policy as an ONNX graph."""
