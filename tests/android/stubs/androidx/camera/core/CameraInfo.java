package androidx.camera.core;

public interface CameraInfo {
    androidx.lifecycle.LiveData<CameraState> getCameraState();
    androidx.lifecycle.LiveData<ZoomState> getZoomState();
}
