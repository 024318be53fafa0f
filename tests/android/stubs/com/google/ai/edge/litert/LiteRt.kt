package com.google.ai.edge.litert

// Written by hand after LiteRT's own Kotlin sources, for the calls of android_demo/app.

enum class Accelerator { NONE, CPU, GPU, NPU }

class LiteRtException(message: String) : Exception(message)

abstract class JniHandle internal constructor() : AutoCloseable {
    final override fun close(): Unit = throw NotImplementedError()
}

class Environment private constructor() : JniHandle() {
    enum class Option { CompilerPluginLibraryDir, DispatchLibraryDir }

    fun getAvailableAccelerators(): Set<Accelerator> = throw NotImplementedError()

    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(options: Map<Option, String> = mapOf()): Environment = throw NotImplementedError(options.toString())
    }
}

class TensorBuffer internal constructor() : JniHandle() {
    fun writeFloat(data: FloatArray): Unit = throw NotImplementedError(data.toString())
    fun writeInt8(data: ByteArray): Unit = throw NotImplementedError(data.toString())
    fun readFloat(): FloatArray = throw NotImplementedError()
    fun readInt8(): ByteArray = throw NotImplementedError()
}

class CompiledModel private constructor() : JniHandle() {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    class Options(val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
    }

    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = throw NotImplementedError("$signatureIndex")

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> = throw NotImplementedError("$signatureIndex")

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0): Unit =
        throw NotImplementedError("$inputs $outputs $signatureIndex")

    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(filePath: String, options: Options = Options(Accelerator.CPU), optionalEnv: Environment? = null): CompiledModel =
            throw NotImplementedError("$filePath $options $optionalEnv")
    }
}
