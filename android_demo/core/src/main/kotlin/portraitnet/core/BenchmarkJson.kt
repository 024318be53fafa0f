package portraitnet.core

import org.json.JSONArray
import org.json.JSONObject

/** What a phone says of itself, before, during and after a benchmark. */
data class DeviceReport(
    val device: String,
    val system: String,
    val cpuFeatures: List<String>,
    val heatBefore: String, // "none", "light", "moderate", "severe" ...: a hot phone's figures are not a cool one's
    val heatAfter: String,
    val headroom: List<Double>, // forecasts of thermal headroom while it ran
    val peakMb: Double,
    val conditions: String, // battery saver, charging
    val started: String, // ISO 8601
)

/**
 * The results as JSON that `portraitnet phone import` reads: rows with the columns of `portraitnet benchmark`'s latency CSV
 * and of phones.csv, and beside them what a table has no place for: p99, and the sustained run.
 */
fun benchmarkJson(contestants: List<Contestant>, timings: List<Timing>, report: DeviceReport, sustained: List<Stretch>): String {
    val rows = JSONArray()
    for ((contestant, timing) in contestants.zip(timings)) rows.put(row(contestant, timing, report))
    val stretches = JSONArray()
    for (stretch in sustained) {
        stretches.put(
            JSONObject().put("second", stretch.second).put("per_second", stretch.rate).put("median_ms", stretch.medianMs)
                .put("headroom", stretch.headroom ?: JSONObject.NULL),
        )
    }
    return JSONObject()
        .put("experiment", "latency").put("heat_before", report.heatBefore).put("heat_after", report.heatAfter)
        .put("cpu_features", JSONArray(report.cpuFeatures)).put("thermal_headroom", JSONArray(report.headroom))
        .put("rows", rows).put("sustained", stretches)
        .toString(2)
}

private fun row(contestant: Contestant, timing: Timing, report: DeviceReport): JSONObject {
    val model = contestant.model
    return JSONObject()
        .put("model", model.name).put("encoder", model.encoder)
        .put("format", contestant.artefact.format).put("precision", contestant.artefact.precision)
        .put("backend", contestant.backend).put("threads", contestant.threads)
        .put("height", model.height).put("width", model.width)
        .put("bytes", contestant.artefact.bytes).put("parameters", model.parameters).put("macs", model.macs)
        .put("weights", "trained").put("fg_iou_per_image", "").put("residency", contestant.residency)
        .put("median_ms", timing.medianMs).put("p90_ms", timing.p90Ms).put("iqr_ms", timing.iqrMs).put("runs", timing.runs)
        .put("machine", report.device).put("python", "").put("versions", report.system)
        .put("p99_ms", timing.p99Ms).put("cold_start_ms", contestant.firstMs).put("peak_mb", report.peakMb)
        .put("conditions", (report.cpuFeatures + report.conditions).filter { it.isNotEmpty() }.joinToString("; "))
        .put("when", report.started)
}
