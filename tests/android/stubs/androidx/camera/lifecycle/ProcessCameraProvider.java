package androidx.camera.lifecycle;

import androidx.camera.core.Camera;
import androidx.camera.core.CameraSelector;
import androidx.camera.core.UseCase;

public final class ProcessCameraProvider {
    private ProcessCameraProvider() {}
    public static native com.google.common.util.concurrent.ListenableFuture<ProcessCameraProvider> getInstance(
        android.content.Context context);
    public native Camera bindToLifecycle(
        androidx.lifecycle.LifecycleOwner lifecycleOwner, CameraSelector cameraSelector, UseCase... useCases);
    public native void unbindAll();
}
