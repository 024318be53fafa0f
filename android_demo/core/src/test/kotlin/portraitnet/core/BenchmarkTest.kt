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
        // Two rounds of half a second each fill the two seconds of warm-up.
        val schedule = BenchmarkSchedule(runs = 10, warmupMs = 2000, warmupRounds = 1, clock = { now })
        val (quick, slow) = schedule.time(contestants) { done.add(it) }
        assertEquals(listOf(12, 12), calls.toList())
        assertEquals(Timing(1.0, 1.0, 1.0, 0.0, 10), quick)
        assertEquals(Timing(3.0, 3.0, 3.0, 0.0, 10), slow)
        assertEquals(1.0, done.last(), 1e-9)
    }

    @Test
    fun theResultsHaveTheColumnsOfTheComputersTable() {
        val case = Golden.cases("benchmark").single()
        val artefact = Artefact("m.tflite", "tflite", "int8", "aa", 5)
        val model = ModelContract("m", listOf("background", "person"), 224, 224, "e", 1, 2, listOf(artefact))
        val contestant = Contestant(model, artefact, "CPU (XNNPACK)", 4, "122/124 in 1", 87.5) {}
        val report = DeviceReport(
            "a phone", "Android 15", listOf("dotprod"), "none", "light", listOf(0.5), 120.0, "battery saver", "2026-11-25T12:00:00Z",
        )
        val stretches = listOf(Stretch(10, 99.5, 10.0, null), Stretch(20, 80.0, 12.5, 0.9))
        val text = benchmarkJson(listOf(contestant), listOf(Timing(1.0, 2.0, 3.0, 0.5, 50)), report, stretches)
        Golden.write("app.json", text) // Python reads it
        val row = JSONObject(text).getJSONArray("rows").getJSONObject(0)
        val columns = case.getJSONArray("columns").let { List(it.length()) { i -> it.getString(i) } }
        assertEquals(emptySet<String>(), columns.toSet() - row.keys().asSequence().toSet())
        assertEquals(1.0, row.getDouble("median_ms"), 0.0)
        assertTrue("light" in text)
    }

    @Test
    fun aSustainedRunShowsTheRateOverTime() {
        var now = 0L
        val heard = ArrayList<Stretch>()
        // Ten milliseconds a call at first; twenty after a quarter of a minute.
        val run = SustainedRun(seconds = 30, stretch = 10, clock = { now }).run({ 0.5 }, { heard.add(it) }) {
            now += if (now < 15_000_000_000) 10_000_000 else 20_000_000
        }
        assertEquals(heard, run)
        assertEquals(listOf(10, 20, 30), run.map { it.second })
        assertEquals(listOf(100.0, 75.0, 50.0), run.map { it.rate })
        assertEquals(20.0, run.last().medianMs, 1e-9)
    }

    @Test
    fun featuresCountOnlyWhereEveryCoreHasThem() {
        val big = "processor\t: 4\nFeatures\t: fp asimd asimddp i8mm\n"
        val small = "processor\t: 0\nFeatures\t: fp asimd asimddp\n"
        assertEquals(listOf("dotprod"), cpuFeatures(small + big))
        assertEquals(listOf("dotprod", "i8mm"), cpuFeatures(big + big))
        assertEquals(emptyList<String>(), cpuFeatures("model name\t: a desktop\n"))
    }
}
