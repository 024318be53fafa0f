package androidx.camera.core;

public final class FocusMeteringResult {
    private FocusMeteringResult() {}
}
