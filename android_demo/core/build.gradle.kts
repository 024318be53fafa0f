plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
}

dependencies {
    compileOnly(libs.json) // Android brings org.json itself
    testImplementation(libs.json)
    testImplementation(libs.junit)
}

// The golden vectors are written by the Python tests: python -m pytest tests/android.
tasks.test {
    systemProperty("golden", providers.gradleProperty("golden").getOrElse(""))
    onlyIf { providers.gradleProperty("golden").isPresent }
}
