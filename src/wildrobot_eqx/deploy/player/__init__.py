"""The player: a policy bundle run at the control rate. NumPy and onnxruntime only."""
