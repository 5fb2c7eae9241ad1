"""Training a network from labelled cells; needs the ``train`` extra (torch, onnx)."""
