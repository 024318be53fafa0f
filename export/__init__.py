"""From a checkpoint to ONNX, TFLite, CoreML and ExecuTorch files that are proven to say the same."""
