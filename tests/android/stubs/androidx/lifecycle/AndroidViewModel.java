package androidx.lifecycle;

public class AndroidViewModel extends ViewModel {
    public AndroidViewModel(android.app.Application application) {}
    public native <T extends android.app.Application> T getApplication();
}
