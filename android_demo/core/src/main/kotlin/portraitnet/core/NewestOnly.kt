package portraitnet.core

import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicInteger

/**
 * Keeps a slow worker from falling behind: at most one call of [work] waits on [worker], however many things [arrived]; it is told
 * how many came since the last call, so that all but the newest can be dropped.
 */
class NewestOnly(private val worker: Executor, private val work: (count: Int) -> Unit) {
    private val waiting = AtomicInteger()

    /** One more is there. On any thread. */
    fun arrived() {
        if (waiting.getAndIncrement() == 0) worker.execute { work(waiting.getAndSet(0)) }
    }
}
