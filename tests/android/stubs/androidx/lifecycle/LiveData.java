package androidx.lifecycle;

public abstract class LiveData<T> {
    public native T getValue();
}
