package portraitnet.core

import java.io.File
import java.io.IOException
import java.nio.BufferUnderflowException
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** The step and zero point of a quantised tensor; 0 and 0 where it is not quantised. */
data class Quantization(val scale: Float, val zeroPoint: Int)

/** A tensor's shape and type as a .tflite file has them. */
data class TensorFacts(val shape: List<Int>, val type: Int, val quantization: Quantization) {
    val isBytes get() = type == UINT8
    val isFloats get() = type == FLOAT32

    companion object {
        const val FLOAT32 = 0
        const val UINT8 = 3
    }
}

/** The one input and the one output of a .tflite file, read without LiteRT: before native code sees an untrusted file. */
data class TfliteFile(val input: TensorFacts, val output: TensorFacts) {
    companion object {
        private const val MOST_BYTES = 64L shl 20

        /** Throws ContractException, and nothing else, for what is no TFLite file with one input and one output. */
        fun read(file: File): TfliteFile {
            if (file.length() > MOST_BYTES) throw ContractException("${file.name} is larger than ${MOST_BYTES shr 20} MiB")
            try {
                return parse(ByteBuffer.wrap(file.readBytes()))
            } catch (error: IOException) {
                throw ContractException("${file.name} cannot be read: ${error.message}")
            }
        }

        /** The same for a file in memory. Offsets are those of the FlatBuffers format, fields those of TFLite's schema. */
        fun parse(bytes: ByteBuffer): TfliteFile {
            try {
                val buffer = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)
                val identifier = ByteArray(4).also { copy -> buffer.position(4); buffer.get(copy) }
                if (String(identifier, Charsets.US_ASCII) != "TFL3") throw ContractException("this is no TFLite file")
                val graph = Table(buffer, buffer.getInt(0)).tables(2).firstOrNull() ?: throw ContractException("the file has no graph")
                val tensors = graph.tables(0)
                fun only(field: Int, what: String): TensorFacts {
                    val place = graph.ints(field).singleOrNull() ?: throw ContractException("the file does not have one $what")
                    return facts(tensors[place])
                }
                return TfliteFile(only(1, "input"), only(2, "output"))
            } catch (error: IndexOutOfBoundsException) {
                throw ContractException("this TFLite file is damaged")
            } catch (error: BufferUnderflowException) {
                throw ContractException("this TFLite file is damaged")
            } catch (error: IllegalArgumentException) { // an offset outside the file
                throw ContractException("this TFLite file is damaged")
            }
        }

        private fun facts(tensor: Table): TensorFacts {
            val quantization = tensor.table(4)
            val scale = quantization?.floats(2)?.singleOrNull() ?: 0f
            val zero = quantization?.longs(3)?.singleOrNull()?.toInt() ?: 0
            return TensorFacts(tensor.ints(0), tensor.byte(1), Quantization(scale, zero))
        }
    }
}

private const val MOST_ENTRIES = 100_000

/** A FlatBuffers table at [place]. Fields are found by their number in the schema. */
private class Table(private val buffer: ByteBuffer, private val place: Int) {
    private val fields = place - buffer.getInt(place)

    /** Where field [number] lies; 0 when the table lacks it. */
    private fun at(number: Int): Int {
        val entry = 4 + 2 * number
        if (entry >= buffer.getShort(fields)) return 0
        val offset = buffer.getShort(fields + entry).toInt() and 0xffff
        return if (offset == 0) 0 else place + offset
    }

    private fun follow(at: Int) = at + buffer.getInt(at)

    fun byte(number: Int): Int = at(number).let { if (it == 0) 0 else buffer.get(it).toInt() }

    fun table(number: Int): Table? = at(number).let { if (it == 0) null else Table(buffer, follow(it)) }

    fun tables(number: Int): List<Table> = vector(number, 4) { Table(buffer, follow(it)) }

    fun ints(number: Int): List<Int> = vector(number, 4) { buffer.getInt(it) }

    fun floats(number: Int): List<Float> = vector(number, 4) { buffer.getFloat(it) }

    fun longs(number: Int): List<Long> = vector(number, 8) { buffer.getLong(it) }

    private fun <T> vector(number: Int, size: Int, read: (Int) -> T): List<T> {
        val at = at(number)
        if (at == 0) return emptyList()
        val start = follow(at)
        val count = buffer.getInt(start)
        if (count !in 0..MOST_ENTRIES) throw ContractException("this TFLite file is damaged")
        return List(count) { read(start + 4 + it * size) }
    }
}

/**
 * Whether a TFLite file is what the contract promises. Null when it is, else the reason.
 * Full-integer files take bytes as they are (scale 1, zero 0) and give alpha in steps of 1/256; others take and give floats.
 */
fun mismatch(contract: ModelContract, file: TfliteFile): String? {
    val wantedInput = listOf(1, contract.height, contract.width, 3)
    val wantedOutput = listOf(1, contract.height, contract.width, 1)
    val (input, output) = file
    return when {
        input.shape != wantedInput -> "the file takes ${input.shape}, model.json says $wantedInput"
        output.shape != wantedOutput -> "the file gives ${output.shape}, model.json says $wantedOutput"
        input.isFloats && output.isFloats -> null
        !(input.isBytes && output.isBytes) -> "the file takes type ${input.type} and gives ${output.type}; bytes or floats are wanted"
        input.quantization != Quantization(1f, 0) -> "the file's input is quantised as ${input.quantization}; raw bytes are wanted"
        output.quantization != Quantization(1 / 256f, 0) -> "the file's output is quantised as ${output.quantization}; 1/256 is wanted"
        else -> null
    }
}
