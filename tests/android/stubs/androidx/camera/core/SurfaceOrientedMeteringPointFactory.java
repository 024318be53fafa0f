package androidx.camera.core;

public class SurfaceOrientedMeteringPointFactory extends MeteringPointFactory {
    public SurfaceOrientedMeteringPointFactory(float width, float height) {}
}
