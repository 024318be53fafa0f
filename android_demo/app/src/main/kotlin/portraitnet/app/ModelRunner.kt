package portraitnet.app

import java.nio.ByteBuffer
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.nnapi.NnApiDelegate
import portraitnet.core.ContractException
import portraitnet.core.ModelContract
import portraitnet.core.ModelIo
import portraitnet.core.Quantization
import portraitnet.core.mismatch

/** What a model runs on. */
enum class Processor { CPU, GPU, NNAPI }

/** One model on one processor; to be used and closed on the thread that opened it, as the GPU wants. */
class ModelRunner private constructor(
    private val interpreter: Interpreter,
    private val delegate: Delegate?,
    val processor: Processor,
    val threads: Int,
    val io: ModelIo,
) : AutoCloseable {
    /** One inference: from io's input to its output. */
    fun run() {
        interpreter.run(io.input, io.output)
        io.input.rewind()
        io.output.rewind()
    }

    override fun close() {
        interpreter.close()
        delegate?.close()
    }

    companion object {
        /** Open [model], whose file must keep what [contract] promises; else ContractException. */
        fun open(model: ByteBuffer, contract: ModelContract, processor: Processor, threads: Int): ModelRunner {
            val delegate = when (processor) {
                Processor.CPU -> null
                Processor.GPU -> GpuDelegate()
                Processor.NNAPI -> NnApiDelegate()
            }
            val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(delegate == null)
            if (delegate != null) options.addDelegate(delegate)
            val interpreter = try {
                Interpreter(model, options)
            } catch (error: RuntimeException) {
                delegate?.close()
                throw error
            }
            val input = interpreter.getInputTensor(0)
            val output = interpreter.getOutputTensor(0)
            val bytesInside = input.dataType() == DataType.UINT8
            val broken = mismatch(
                contract, input.shape(), output.shape(), bytesInside, quantization(input), quantization(output),
            )
            if (broken != null) {
                interpreter.close()
                delegate?.close()
                throw ContractException(broken)
            }
            val io = ModelIo(contract.height, contract.width, bytesInside)
            return ModelRunner(interpreter, delegate, processor, threads, io)
        }

        /** The same on the CPU where [wanted] refuses the model; [refused] is told why. */
        fun openOrFallBack(
            model: ByteBuffer, contract: ModelContract, wanted: Processor, threads: Int, refused: (String) -> Unit,
        ): ModelRunner {
            if (wanted == Processor.CPU) return open(model, contract, wanted, threads)
            return try {
                open(model, contract, wanted, threads)
            } catch (error: RuntimeException) {
                refused(error.message ?: error.javaClass.simpleName)
                open(model, contract, Processor.CPU, threads)
            } catch (error: LinkageError) { // a phone without the driver's library
                refused(error.message ?: error.javaClass.simpleName)
                open(model, contract, Processor.CPU, threads)
            }
        }

        private fun quantization(tensor: Tensor): Quantization {
            val parameters = tensor.quantizationParams()
            return Quantization(parameters.scale, parameters.zeroPoint)
        }
    }
}
