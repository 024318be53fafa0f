"""The browser page's speed, in the engines of all phones, beside MediaPipe's own web task."""
