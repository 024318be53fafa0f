import SwiftUI

@main
struct PortraitnetApp: App {
    var body: some Scene {
        WindowGroup { LiveView() }
    }
}

struct LiveView: View {
    @StateObject private var session = LiveSession()
    @Environment(\.scenePhase) private var phase

    var body: some View {
        ZStack(alignment: .bottom) {
            CanvasView(latest: session.latest)
                .ignoresSafeArea()
                .accessibilityLabel("Camera picture with another background")
            VStack(spacing: 12) {
                Text(session.status)
                    .font(.footnote.monospacedDigit())
                    .padding(8)
                    .background(.thinMaterial, in: Capsule())
                HStack {
                    Picker("Background", selection: $session.backdrop) {
                        Text("Blur").tag(Backdrop.blur)
                        Text("White").tag(Backdrop.white)
                        Text("Green").tag(Backdrop.green)
                        Text("None").tag(Backdrop.original)
                    }
                    .pickerStyle(.segmented)
                    Button("Turn camera", systemImage: "arrow.triangle.2.circlepath.camera") { session.turn() }
                        .labelStyle(.iconOnly)
                        .frame(minWidth: 44, minHeight: 44)
                        .disabled(!session.running)
                }
            }
            .padding()
        }
        .onChange(of: phase, initial: true) { _, now in
            if now == .active {
                Task { await session.start() }
            } else if now == .background {
                session.stop()
            }
        }
    }
}
