package androidx.camera.core;

public final class CameraSelector {
    private CameraSelector() {}
    public static final CameraSelector DEFAULT_FRONT_CAMERA = null;
    public static final CameraSelector DEFAULT_BACK_CAMERA = null;
}
