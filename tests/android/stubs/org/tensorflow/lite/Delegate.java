package org.tensorflow.lite;

public interface Delegate extends java.io.Closeable {
    long getNativeHandle();
    default void close() {}
}
