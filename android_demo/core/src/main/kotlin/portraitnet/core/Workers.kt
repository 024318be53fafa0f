package portraitnet.core

import java.util.concurrent.Callable
import java.util.concurrent.ExecutionException
import java.util.concurrent.Executors

/** Shares the rows of pictures among [threads] threads, of which the caller is one. */
class Workers(val threads: Int) : AutoCloseable {
    private val pool = if (threads > 1) Executors.newFixedThreadPool(threads - 1, ::daemon) else null

    /** Call [work] with parts of 0 until [count] that are multiples of [step] rows; returns when all are done. */
    fun rows(count: Int, step: Int = 1, work: (from: Int, until: Int) -> Unit) {
        val steps = (count + step - 1) / step
        val parts = minOf(threads, steps)
        if (pool == null || parts <= 1) return work(0, count)
        fun edge(part: Int) = minOf(count, steps * part / parts * step)
        val others = (1 until parts).map { part -> pool.submit(Callable { work(edge(part), edge(part + 1)) }) }
        work(0, edge(1))
        try {
            for (other in others) other.get()
        } catch (error: ExecutionException) {
            throw error.cause ?: error
        }
    }

    override fun close() {
        pool?.shutdownNow()
    }

    private fun daemon(task: Runnable) = Thread(task, "portraitnet-rows").apply { isDaemon = true }
}
