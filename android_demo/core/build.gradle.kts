import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.kotlin.jvm)
}

// No toolchain: Gradle runs on whatever JDK the machine has (Android Studio brings 21), and writes bytecode for 17.
java {
    sourceCompatibility = JavaVersion.VERSION_17
    targetCompatibility = JavaVersion.VERSION_17
}

kotlin {
    compilerOptions { jvmTarget = JvmTarget.JVM_17 }
}

dependencies {
    compileOnly(libs.json) // Android brings org.json itself
    testImplementation(libs.json)
    testImplementation(libs.junit)
}

// The golden vectors come from the Python runtime: python tests/android/golden.py FOLDER, then -Pgolden=FOLDER.
tasks.test {
    systemProperty("golden", providers.gradleProperty("golden").getOrElse(""))
    onlyIf { providers.gradleProperty("golden").isPresent }
}
