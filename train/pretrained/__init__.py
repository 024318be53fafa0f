"""Published weights read into torch: MediaPipe's selfie networks, MoveNet's backbone, EfficientNet-Lite."""
