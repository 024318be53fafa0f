package androidx.camera.core;

public final class ImageAnalysis extends UseCase {
    private ImageAnalysis() {}
    public static final int STRATEGY_KEEP_ONLY_LATEST = 0;
    public native void setAnalyzer(java.util.concurrent.Executor executor, Analyzer analyzer);

    public interface Analyzer {
        void analyze(ImageProxy image);
    }

    public static final class Builder {
        public Builder() {}
        public native Builder setBackpressureStrategy(int strategy);
        public native ImageAnalysis build();
    }
}
