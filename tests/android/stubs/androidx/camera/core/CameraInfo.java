package androidx.camera.core;

public interface CameraInfo {
    androidx.lifecycle.LiveData<ZoomState> getZoomState();
}
