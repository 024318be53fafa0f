package androidx.camera.core;

import androidx.camera.core.resolutionselector.ResolutionSelector;

public final class ImageAnalysis extends UseCase {
    private ImageAnalysis() {}
    public static final int STRATEGY_KEEP_ONLY_LATEST = 0;
    public native void setAnalyzer(java.util.concurrent.Executor executor, Analyzer analyzer);
    public native int getTargetRotation();
    public native void setTargetRotation(int rotation);

    public interface Analyzer {
        void analyze(ImageProxy image);
    }

    public static final class Builder {
        public Builder() {}
        public native Builder setBackpressureStrategy(int strategy);
        public native Builder setResolutionSelector(ResolutionSelector resolutionSelector);
        public native Builder setTargetRotation(int rotation);
        public native ImageAnalysis build();
    }
}
