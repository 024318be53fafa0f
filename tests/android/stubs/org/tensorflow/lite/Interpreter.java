package org.tensorflow.lite;

public final class Interpreter implements AutoCloseable {
    public Interpreter(java.nio.ByteBuffer byteBuffer, Options options) {}
    public native void run(Object input, Object output);
    public native Tensor getInputTensor(int inputIndex);
    public native Tensor getOutputTensor(int outputIndex);
    public native void close();

    public static class Options {
        public Options() {}
        public native Options setNumThreads(int numThreads);
        public native Options setUseXNNPACK(boolean useXNNPACK);
        public native Options addDelegate(Delegate delegate);
    }
}
