"""The tiny voice: a small network that learned espeak's English and speaks it, as an ONNX file with Piper's inputs."""
