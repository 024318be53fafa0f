package androidx.activity

import androidx.lifecycle.ViewModel

// Extensions of ComponentActivity, without the parameters that android_demo leaves to their defaults.

fun ComponentActivity.enableEdgeToEdge(): Unit = throw NotImplementedError(toString())

inline fun <reified T : ViewModel> ComponentActivity.viewModels(): Lazy<T> = throw NotImplementedError(toString() + T::class)
