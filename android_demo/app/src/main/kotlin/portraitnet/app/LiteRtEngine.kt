package portraitnet.app

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer
import portraitnet.core.ContractException
import portraitnet.core.Engine
import portraitnet.core.EngineException
import portraitnet.core.EngineFactory
import portraitnet.core.ModelContract
import portraitnet.core.Processor
import portraitnet.core.StoredModel
import portraitnet.core.TfliteFile

const val LITERT = "2.3.0" // as gradle/libs.versions.toml has it; a test compares them

/**
 * Opens models with LiteRT's CompiledModel. The GPU is asked for alone, without the CPU: LiteRT then refuses a model of which
 * the GPU does not take every operator, where it would otherwise run the rest, or all, on the CPU and say nothing. An NPU
 * cannot be asked for alone (LiteRT adds the CPU by itself), so its times could not be told from the CPU's: it is not offered.
 *
 * One environment serves all models: each of its own would hold a GPU context.
 */
class LiteRtEngines : EngineFactory, AutoCloseable {
    private var environment: Environment? = null

    override fun open(model: StoredModel, processor: Processor, threads: Int): Engine {
        val artefact = try {
            model.contract.tfliteFor(processor)
        } catch (error: ContractException) {
            throw EngineException(error.message ?: "the model has no file", error)
        }
        val file = model.file(artefact)
        val bytesInside = try {
            TfliteFile.read(file).input.isBytes
        } catch (error: ContractException) {
            throw EngineException(error.message ?: "the file cannot be read", error)
        }
        return guarded {
            val shared = environment ?: Environment.create().also { environment = it }
            val options = when (processor) {
                Processor.CPU -> CompiledModel.Options(Accelerator.CPU).apply { cpuOptions = CompiledModel.CpuOptions(threads, null, null) }
                Processor.GPU -> CompiledModel.Options(Accelerator.GPU)
            }
            val compiled = CompiledModel.create(file.absolutePath, options, shared)
            LiteRtEngine(compiled, processor, threads, model.contract, bytesInside)
        }
    }

    override fun close() {
        environment?.close()
        environment = null
    }
}

/** LiteRT's ways to fail, as the one that callers know. A missing driver is an error of linking. */
private inline fun <T> guarded(work: () -> T): T = try {
    work()
} catch (error: LiteRtException) {
    throw EngineException(error.message ?: "LiteRT failed", error)
} catch (error: RuntimeException) {
    throw EngineException(error.message ?: error.javaClass.simpleName, error)
} catch (error: LinkageError) {
    throw EngineException(error.message ?: error.javaClass.simpleName, error)
}

private class LiteRtEngine(
    private val model: CompiledModel,
    override val processor: Processor,
    override val threads: Int,
    contract: ModelContract,
    private val bytesInside: Boolean,
) : Engine {
    private val inputs: List<TensorBuffer>
    private val outputs: List<TensorBuffer>
    private val pixels = contract.height * contract.width
    private val floats = FloatArray(if (bytesInside) 0 else 3 * pixels)

    init {
        try {
            inputs = model.createInputBuffers()
            outputs = model.createOutputBuffers()
        } catch (error: LiteRtException) {
            model.close()
            throw error
        }
    }

    override fun run(rgb: ByteArray, alpha: FloatArray) = guarded {
        val input = inputs.single()
        val output = outputs.single()
        if (bytesInside) {
            input.writeInt8(rgb) // bytes as they are; LiteRT's Kotlin has no name for unsigned ones
        } else {
            for (i in floats.indices) floats[i] = (rgb[i].toInt() and 255).toFloat()
            input.writeFloat(floats)
        }
        model.run(inputs, outputs)
        if (bytesInside) {
            val bytes = output.readInt8()
            if (bytes.size != pixels) throw EngineException("the model gave ${bytes.size} values, not $pixels")
            for (i in 0 until pixels) alpha[i] = (bytes[i].toInt() and 255) / 255f
        } else {
            val values = output.readFloat()
            if (values.size != pixels) throw EngineException("the model gave ${values.size} values, not $pixels")
            for (i in 0 until pixels) alpha[i] = values[i].coerceIn(0f, 1f)
        }
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
