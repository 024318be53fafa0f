import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "portraitnet.render"
    compileSdk = 36

    defaultConfig {
        minSdk = 26
    }

    // The shaders of the browser page, as they are: one definition for both.
    sourceSets["main"].assets.srcDir("../../runtime/shaders")

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin {
    compilerOptions { jvmTarget = JvmTarget.JVM_17 }
}

dependencies {
    implementation(project(":core"))
}
