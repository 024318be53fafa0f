package androidx.camera.core;

public final class FocusMeteringAction {
    private FocusMeteringAction() {}

    public static class Builder {
        public Builder(MeteringPoint point) {}
        public native FocusMeteringAction build();
    }
}
