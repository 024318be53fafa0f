package androidx.core.content;

public class ContextCompat {
    protected ContextCompat() {}
    public static native java.util.concurrent.Executor getMainExecutor(android.content.Context context);
}
