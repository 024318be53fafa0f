package androidx.lifecycle;

public abstract class LiveData<T> {
    public native T getValue();
    public native void observe(LifecycleOwner owner, Observer<? super T> observer);
}
