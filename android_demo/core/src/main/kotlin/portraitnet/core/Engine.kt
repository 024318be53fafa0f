package portraitnet.core

/** What a model runs on. */
enum class Processor { CPU, GPU }

/** An engine could not be opened, or failed at work; the message is for people. */
class EngineException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** One model on one processor. To be used and closed on the thread that opened it. */
interface Engine : AutoCloseable {
    /** The processor that really does the work. */
    val processor: Processor
    val threads: Int

    /** Alpha (height x width, 0..1) of [rgb] (bytes, height x width x 3) into [alpha]. Throws EngineException. */
    fun run(rgb: ByteArray, alpha: FloatArray)
}

/** Opens [StoredModel]s. Throws EngineException, and nothing else, where a processor refuses one. */
fun interface EngineFactory {
    fun open(model: StoredModel, processor: Processor, threads: Int): Engine
}

/** What [StartGuard] calls the opening of [model] on [processor]. */
fun tryName(model: StoredModel, processor: Processor) = "${model.name} ${processor.name}"

/** Run [engine] once on grey: a model that was opened may still fail at its first inference. */
fun tryOut(engine: Engine, contract: ModelContract) {
    val pixels = contract.height * contract.width
    engine.run(ByteArray(3 * pixels) { PAD_VALUE.toByte() }, FloatArray(pixels))
}

/**
 * An engine that never leaves the caller without an answer while a CPU can give one: where [wanted] refuses the model, or fails
 * later, the CPU takes over, and [onFallback] hears which processor refused and why.
 */
class GuardedEngine(
    private val factory: EngineFactory,
    private val model: StoredModel,
    wanted: Processor,
    private val wantedThreads: Int,
    private val guard: StartGuard? = null,
    private val onFallback: (Processor, String) -> Unit,
) : Engine {
    private var engine: Engine = openOrFallBack(wanted)

    override val processor get() = engine.processor
    override val threads get() = engine.threads

    override fun run(rgb: ByteArray, alpha: FloatArray) {
        try {
            engine.run(rgb, alpha)
        } catch (error: EngineException) {
            val failed = engine.processor
            if (failed == Processor.CPU) throw error
            onFallback(failed, error.message ?: "it failed")
            engine.close()
            engine = open(Processor.CPU)
            engine.run(rgb, alpha)
        }
    }

    override fun close() = engine.close()

    private fun openOrFallBack(wanted: Processor): Engine {
        if (wanted == Processor.CPU) return open(wanted)
        return try {
            open(wanted)
        } catch (error: EngineException) {
            onFallback(wanted, error.message ?: "it refused")
            open(Processor.CPU)
        }
    }

    /** Open and run once, under the guard: a driver that kills the app is not tried again at the next start. */
    private fun open(processor: Processor): Engine {
        val what = tryName(model, processor)
        guard?.begin(what)
        try {
            val opened = factory.open(model, processor, wantedThreads)
            try {
                tryOut(opened, model.contract)
            } catch (error: EngineException) {
                opened.close()
                throw error
            }
            return opened
        } finally {
            guard?.end(what)
        }
    }
}
