import AVFoundation

/// Frames of the front or back camera, upright, the latest only: one that is still worked on when the next comes is skipped.
final class Camera: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    /// Called on the camera's own queue.
    var onFrame: ((CVPixelBuffer, Double) -> Void)?

    private let session = AVCaptureSession()
    private let output = AVCaptureVideoDataOutput()
    private let queue = DispatchQueue(label: "camera")
    private var rotation: AVCaptureDevice.RotationCoordinator?
    private var watched: NSKeyValueObservation?

    static func permitted() async -> Bool {
        switch AVCaptureDevice.authorizationStatus(for: .video) {
        case .authorized: true
        case .notDetermined: await AVCaptureDevice.requestAccess(for: .video)
        default: false
        }
    }

    func start(_ position: AVCaptureDevice.Position) {
        queue.async { [self] in
            configure(position)
            session.startRunning()
        }
    }

    func stop() {
        queue.async { [self] in session.stopRunning() }
    }

    private func configure(_ position: AVCaptureDevice.Position) {
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.inputs.forEach(session.removeInput)
        session.sessionPreset = .hd1280x720
        guard let device = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: position),
            let input = try? AVCaptureDeviceInput(device: device), session.canAddInput(input)
        else { return }
        session.addInput(input)
        if session.outputs.isEmpty, session.canAddOutput(output) {
            output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
            output.alwaysDiscardsLateVideoFrames = true
            output.setSampleBufferDelegate(self, queue: queue)
            session.addOutput(output)
        }
        guard let connection = output.connection(with: .video) else { return }
        if connection.isVideoMirroringSupported { connection.isVideoMirrored = position == .front }
        let coordinator = AVCaptureDevice.RotationCoordinator(device: device, previewLayer: nil)
        watched = coordinator.observe(\.videoRotationAngleForHorizonLevelCapture, options: [.initial, .new]) { one, _ in
            let angle = one.videoRotationAngleForHorizonLevelCapture
            if connection.isVideoRotationAngleSupported(angle) { connection.videoRotationAngle = angle }
        }
        rotation = coordinator
    }

    func captureOutput(_ output: AVCaptureOutput, didOutput frame: CMSampleBuffer, from connection: AVCaptureConnection) {
        guard let picture = CMSampleBufferGetImageBuffer(frame) else { return }
        onFrame?(picture, CMSampleBufferGetPresentationTimeStamp(frame).seconds)
    }
}
