package org.tensorflow.lite.nnapi;

public class NnApiDelegate implements org.tensorflow.lite.Delegate {
    public NnApiDelegate() {}
    public native long getNativeHandle();
    public native void close();
}
