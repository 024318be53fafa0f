package androidx.camera.core.resolutionselector;

public final class ResolutionSelector {
    private ResolutionSelector() {}

    public static final class Builder {
        public Builder() {}
        public native Builder setResolutionStrategy(ResolutionStrategy resolutionStrategy);
        public native ResolutionSelector build();
    }
}
