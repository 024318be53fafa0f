package portraitnet.app

import android.content.Context
import android.os.BatteryManager
import android.os.Build
import android.os.Debug
import android.os.PowerManager
import java.io.File
import java.io.IOException
import portraitnet.core.cpuFeatures

/** What this phone says of its heat, power, memory and processor. */
class DeviceState(private val context: Context) {
    private val power = context.getSystemService(PowerManager::class.java)

    val device = "${Build.MANUFACTURER} ${Build.MODEL}"
    val system = "Android ${Build.VERSION.RELEASE}; LiteRT $LITERT"

    /** "none", "light", "moderate" ...; "not told" before Android 10. */
    fun heat(): String {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return "not told"
        return HEAT.getOrElse(power.currentThermalStatus) { "not told" }
    }

    /** The share of the heat that the phone can take before it slows down, forecast for 10 seconds; null where it tells none. */
    fun headroom(): Double? {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return null
        val forecast = power.getThermalHeadroom(10)
        return if (forecast.isNaN()) null else forecast.toDouble()
    }

    fun conditions(): String {
        val battery = context.getSystemService(BatteryManager::class.java)
        return listOfNotNull(
            "battery saver".takeIf { power.isPowerSaveMode }, "charging".takeIf { battery.isCharging },
        ).joinToString("; ")
    }

    /** Memory that this app alone holds, in MB. */
    fun memoryMb(): Double = Debug.MemoryInfo().also { Debug.getMemoryInfo(it) }.totalPss / 1024.0

    fun features(): List<String> = try {
        cpuFeatures(File("/proc/cpuinfo").readText())
    } catch (error: IOException) {
        emptyList()
    }

    private companion object {
        val HEAT = listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
    }
}
