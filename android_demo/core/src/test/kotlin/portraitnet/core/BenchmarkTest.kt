package portraitnet.core

import org.json.JSONObject
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Statistics, the schedule, and its JSON. */
class BenchmarkTest {
    @Test
    fun theOldestDurationsAreForgotten() {
        val durations = Durations(4)
        assertEquals(0.0, durations.percentile(50.0), 0.0)
        for (milliseconds in listOf(900L, 1, 2, 3, 4)) durations.add(milliseconds * 1_000_000)
        assertEquals(4, durations.count)
        assertEquals(2.5, durations.percentile(50.0), 1e-9)
    }

    @Test
    fun theFrameRateIsThatOfTheLastFrames() {
        val rate = FrameRate(5)
        assertEquals(0.0, rate.perSecond(), 0.0)
        for (frame in 0 until 20L) rate.tick(if (frame < 10) frame * 1_000_000_000 else 9_000_000_000 + frame * 20_000_000)
        assertEquals(50.0, rate.perSecond(), 1e-6)
    }

    @Test
    fun everyContestantTakesItsTurnsAndTheWarmUpIsNotCounted() {
        var now = 0L
        val calls = IntArray(2)
        val done = ArrayList<Double>()
        val contestants = listOf(1L, 3L).mapIndexed { which, milliseconds ->
            { calls[which] += 1; now += if (calls[which] <= 2) 500_000_000 else milliseconds * 1_000_000 }
        }
        val (quick, slow) = BenchmarkSchedule(runs = 10, warmup = 2, clock = { now }).time(contestants) { done.add(it) }
        assertEquals(listOf(12, 12), calls.toList())
        assertEquals(Timing(1.0, 1.0, 0.0, 10), quick)
        assertEquals(Timing(3.0, 3.0, 0.0, 10), slow)
        assertEquals(1.0, done.last(), 1e-9)
    }

    @Test
    fun theResultsHaveTheColumnsOfTheComputersTable() {
        val case = Golden.cases("benchmark").single()
        val artefact = Artefact("m.tflite", "tflite", "int8", "aa", 5)
        val model = ModelContract("m", listOf("background", "person"), 224, 224, "e", 1, 2, listOf(artefact))
        val contestant = Contestant(model, artefact, "CPU (XNNPACK)", 4, "122/124 in 1") {}
        val text = benchmarkJson(listOf(contestant), listOf(Timing(1.0, 2.0, 0.5, 50)), "a phone", "Android 15", "none", "light")
        val row = JSONObject(text).getJSONArray("rows").getJSONObject(0)
        val columns = case.getJSONArray("columns").let { List(it.length()) { i -> it.getString(i) } }
        assertEquals(columns.toSet(), row.keys().asSequence().toSet())
        assertEquals(1.0, row.getDouble("median_ms"), 0.0)
        assertTrue("light" in text)
    }
}
