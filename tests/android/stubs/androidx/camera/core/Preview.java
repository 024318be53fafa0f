package androidx.camera.core;

import androidx.camera.core.resolutionselector.ResolutionSelector;
import java.util.concurrent.Executor;

public final class Preview extends UseCase {
    private Preview() {}
    public native void setSurfaceProvider(Executor executor, SurfaceProvider surfaceProvider);
    public native int getTargetRotation();
    public native void setTargetRotation(int targetRotation);

    public interface SurfaceProvider {
        void onSurfaceRequested(SurfaceRequest request);
    }

    public static final class Builder {
        public Builder() {}
        public native Builder setResolutionSelector(ResolutionSelector resolutionSelector);
        public native Builder setTargetRotation(int rotation);
        public native Preview build();
    }
}
