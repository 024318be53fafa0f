package androidx.camera.core;

public abstract class MeteringPointFactory {
    public final native MeteringPoint createPoint(float x, float y);
}
