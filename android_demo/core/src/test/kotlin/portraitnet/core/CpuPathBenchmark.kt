package portraitnet.core

import java.lang.management.ManagementFactory
import java.nio.ByteBuffer

private const val WARMUP = 80

/** A model that costs nothing: what is timed is all the rest. */
private class NoModel(private val mask: FloatArray) : Engine {
    override val processor = Processor.CPU
    override val threads = 1
    override fun run(rgb: ByteArray, alpha: FloatArray) = mask.copyInto(alpha).let {}
    override fun close() = Unit
}

private fun camera(width: Int, height: Int): YuvFrame {
    fun plane(tall: Int, rowStride: Int, pixelStride: Int): Plane {
        val bytes = ByteBuffer.allocateDirect(tall * rowStride)
        for (i in 0 until bytes.capacity()) bytes.put(i, (i * 31 % 251).toByte())
        return Plane(bytes, rowStride, pixelStride)
    }
    return YuvFrame(width, height, plane(height, width, 1), plane(height / 2, width, 2), plane(height / 2, width, 2))
}

/** Processor time of this JVM's threads so far, in nanoseconds, whatever else the computer does meanwhile. */
private fun cpuTime(): Long {
    val threads = ManagementFactory.getThreadMXBean()
    return threads.allThreadIds.sumOf { id ->
        val own = threads.getThreadInfo(id)?.threadName?.let { it == "main" || it == "portraitnet-rows" } ?: false
        if (own) maxOf(0, threads.getThreadCpuTime(id)) else 0
    }
}

/**
 * Milliseconds of LiveProcessor's own work on this computer's JVM, as CSV on standard output:
 * arguments are the counted frames, then thread counts.
 */
fun main(arguments: Array<String>) {
    val frames = arguments[0].toInt()
    val contract = ModelContract("none", listOf("background", "person"), 224, 224, "", 0, 0, emptyList(), STRETCH)
    val mask = FloatArray(224 * 224) { if (it % 224 in 60..160 && it / 224 > 60) 1f else 0.02f }
    val backgrounds = mapOf("blur" to Background.Blur(), "colour" to Background.Colour(32, 128, 96))
    println("width,height,turned,background,threads,median_ms,p90_ms,processor_ms,reading_ms,compositing_ms,frames,load")
    for ((width, height) in listOf(640 to 480, 1280 to 720)) for (degrees in listOf(0, 90)) {
        for ((name, background) in backgrounds) for (threads in arguments.drop(1).map { it.toInt() }) {
            Workers(threads).use { workers ->
                val live = LiveProcessor(contract, NoModel(mask), workers).also { it.background = background }
                val whole = Durations(frames)
                val frame = camera(width, height)
                var used = 0L
                repeat(frames + WARMUP) { count ->
                    if (count == WARMUP) used = -cpuTime()
                    val start = System.nanoTime()
                    live.process(frame, Crop(0, 0, width, height), Orientation(degrees, true), count * 33_000_000L)
                    if (count >= WARMUP) whole.add(System.nanoTime() - start)
                }
                used += cpuTime()
                val numbers = listOf(
                    whole.percentile(50.0), whole.percentile(90.0), used / 1e6 / frames,
                    live.times.reading.percentile(50.0), live.times.compositing.percentile(50.0),
                ).joinToString(",") { "%.2f".format(it) }
                val load = ManagementFactory.getOperatingSystemMXBean().systemLoadAverage
                println("$width,$height,$degrees,$name,$threads,$numbers,$frames,${"%.1f".format(load)}")
            }
        }
    }
}
