"""ONNX networks read, rewritten and run as torch modules: what backends share."""
