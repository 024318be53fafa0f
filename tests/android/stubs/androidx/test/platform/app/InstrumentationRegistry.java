package androidx.test.platform.app;

public final class InstrumentationRegistry {
    private InstrumentationRegistry() {}
    public static native android.app.Instrumentation getInstrumentation();
}
