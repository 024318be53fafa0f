"""The live background replacement: camera in, pipeline that never lags, preview, recording and virtual camera out."""
