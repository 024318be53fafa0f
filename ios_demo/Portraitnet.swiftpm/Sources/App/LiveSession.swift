import AVFoundation
import CoreImage
import QuartzCore

/// Camera, model and compositor of one screen. Frames are worked on one after the other, on the camera's queue.
@MainActor
final class LiveSession: ObservableObject {
    @Published private(set) var status = "Loading the model ..."
    @Published private(set) var running = false
    @Published var backdrop = Backdrop.blur { didSet { worker?.setBackdrop(backdrop) } }
    @Published private(set) var front = true

    let latest = LatestPicture()
    private let camera = Camera()
    private var worker: FrameWorker?

    func start() async {
        guard await Camera.permitted() else {
            status = "The camera is not allowed. Allow it in Settings, Portraitnet."
            return
        }
        do {
            let worker = try await loaded()
            worker.onStatus = { [weak self] text in Task { @MainActor in self?.status = text } }
            camera.onFrame = { worker.work($0, at: $1) }
            camera.start(front ? .front : .back)
            running = true
        } catch {
            status = error.localizedDescription
        }
    }

    private func loaded() async throws -> FrameWorker {
        if let worker { return worker }
        let made = try FrameWorker(model: try await PersonModel.load(), latest: latest)
        worker = made
        return made
    }

    func stop() {
        camera.stop()
        running = false
    }

    func turn() {
        front.toggle()
        worker?.forget()
        camera.start(front ? .front : .back)
    }
}

/// What happens to one frame. `work` is for one queue; the rest may be called from any.
final class FrameWorker: @unchecked Sendable {
    var onStatus: ((String) -> Void)?

    private let model: PersonModel
    private let latest: LatestPicture
    private let compositor: Compositor
    private let lock = NSLock()
    private var backdrop = Backdrop.blur
    private var startsAnew = true
    private var smoother = AlphaSmoother()
    private var inputs: [Size: CVPixelBuffer] = [:]
    private var before = 0.0
    private var times: [Double] = []

    init(model: PersonModel, latest: LatestPicture) throws {
        guard let device = latest.device else { throw ModelError.unfit("this device has no Metal") }
        self.model = model
        self.latest = latest
        compositor = Compositor(device: device)
    }

    func setBackdrop(_ chosen: Backdrop) {
        lock.withLock { backdrop = chosen }
    }

    /// The next frame shows another scene.
    func forget() {
        lock.withLock { startsAnew = true }
    }

    func work(_ picture: CVPixelBuffer, at seconds: Double) {
        let (chosen, anew) = lock.withLock {
            defer { startsAnew = false }
            return (backdrop, startsAnew)
        }
        let frame = CIImage(cvPixelBuffer: picture)
        let source = Size(height: CVPixelBufferGetHeight(picture), width: CVPixelBufferGetWidth(picture))
        let limit = model.contract.limit
        guard let size = Letterbox.best(of: model.sizes, for: source, limit: limit), let input = input(of: size) else {
            return
        }
        let place = Letterbox(source: source, target: size, limit: limit)
        compositor.fit(frame, at: place, into: input)
        let started = CACurrentMediaTime()
        do {
            var alpha = try model.alpha(of: input)
            count(CACurrentMediaTime() - started, size)
            if anew { smoother.reset() }
            smoother.smooth(&alpha, elapsed: seconds - before)
            before = seconds
            let mask = compositor.mask(alpha, of: size, at: place, for: frame)
            latest.show(compositor.compose(frame, mask: mask, before: chosen), by: compositor.context)
        } catch {
            onStatus?(error.localizedDescription)
        }
    }

    private func input(of size: Size) -> CVPixelBuffer? {
        if let known = inputs[size] { return known }
        var made: CVPixelBuffer?
        let options = [kCVPixelBufferIOSurfacePropertiesKey as String: [String: String]()] as CFDictionary
        CVPixelBufferCreate(kCFAllocatorDefault, size.width, size.height, kCVPixelFormatType_32BGRA, options, &made)
        inputs[size] = made
        return made
    }

    /// Once a second: the median time of the model, whatever processor CoreML chose.
    private func count(_ seconds: Double, _ size: Size) {
        times.append(seconds)
        guard times.count == 30 else { return }
        let median = times.sorted()[times.count / 2] * 1000
        times = []
        onStatus?(String(format: "%@, %d x %d: %.1f ms", model.contract.name, size.height, size.width, median))
    }
}
