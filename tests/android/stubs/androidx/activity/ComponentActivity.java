package androidx.activity;

import androidx.activity.result.ActivityResultCallback;
import androidx.activity.result.ActivityResultLauncher;
import androidx.activity.result.contract.ActivityResultContract;

public class ComponentActivity extends android.app.Activity implements androidx.lifecycle.LifecycleOwner {
    public ComponentActivity() {}
    public native androidx.lifecycle.Lifecycle getLifecycle();
    public final native <I, O> ActivityResultLauncher<I> registerForActivityResult(
        ActivityResultContract<I, O> contract, ActivityResultCallback<O> callback);
}
