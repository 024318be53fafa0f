package portraitnet.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * The model's input and output buffers, and how numbers lie in them: bytes in a full-integer file (RGB as it is; alpha
 * times 255), floats otherwise (RGB 0..255; alpha 0..1).
 */
class ModelIo(height: Int, width: Int, private val bytesInside: Boolean) {
    private val pixels = height * width
    val input: ByteBuffer = direct(3 * pixels)
    val output: ByteBuffer = direct(pixels)

    /** Put RGB bytes into [input]. */
    fun fill(rgb: ByteArray) {
        input.rewind()
        if (bytesInside) input.put(rgb, 0, 3 * pixels)
        else for (i in 0 until 3 * pixels) input.putFloat((rgb[i].toInt() and 255).toFloat())
        input.rewind()
        output.rewind()
    }

    /** Take alpha, 0..1, out of [output]. */
    fun alpha(into: FloatArray) {
        output.rewind()
        for (i in 0 until pixels) {
            into[i] = if (bytesInside) (output.get().toInt() and 255) / 255f else output.getFloat().coerceIn(0f, 1f)
        }
    }

    private fun direct(values: Int): ByteBuffer =
        ByteBuffer.allocateDirect(if (bytesInside) values else 4 * values).order(ByteOrder.nativeOrder())
}

/** The step and zero point of a quantised tensor. */
data class Quantization(val scale: Float, val zeroPoint: Int)

/**
 * Whether a TFLite file's tensors are what the contract promises. Null when they are, else the reason.
 * Full-integer files take bytes as they are (scale 1, zero 0) and give alpha in steps of 1/256.
 */
fun mismatch(
    contract: ModelContract, inputShape: IntArray, outputShape: IntArray, bytesInside: Boolean, input: Quantization, output: Quantization,
): String? {
    val wantedInput = intArrayOf(1, contract.height, contract.width, 3)
    val wantedOutput = intArrayOf(1, contract.height, contract.width, 1)
    return when {
        !inputShape.contentEquals(wantedInput) -> "the file takes ${inputShape.toList()}, model.json says ${wantedInput.toList()}"
        !outputShape.contentEquals(wantedOutput) -> "the file gives ${outputShape.toList()}, model.json says ${wantedOutput.toList()}"
        bytesInside && input != Quantization(1f, 0) -> "the file's input is quantised as $input; raw bytes are wanted"
        bytesInside && output != Quantization(1 / 256f, 0) -> "the file's output is quantised as $output; 1/256 is wanted"
        else -> null
    }
}
