package androidx.camera.core;

import android.util.Size;
import android.view.Surface;
import androidx.core.util.Consumer;
import java.util.concurrent.Executor;

public final class SurfaceRequest {
    private SurfaceRequest() {}
    public native Size getResolution();
    public native void provideSurface(Surface surface, Executor executor, Consumer<Result> resultListener);
    public native boolean willNotProvideSurface();
    public native void setTransformationInfoListener(Executor executor, TransformationInfoListener listener);

    public interface TransformationInfoListener {
        void onTransformationInfoUpdate(TransformationInfo transformationInfo);
    }

    public abstract static class Result {
        Result() {}
        public abstract int getResultCode();
    }

    public abstract static class TransformationInfo {
        TransformationInfo() {}
        public abstract int getRotationDegrees();
        public abstract boolean hasCameraTransform();
        public abstract boolean isMirroring();
    }
}
