import CoreImage
import MetalKit
import SwiftUI

/// The picture that is to be seen; for any thread.
final class LatestPicture: @unchecked Sendable {
    let device = MTLCreateSystemDefaultDevice()
    private let lock = NSLock()
    private var latest: (picture: CIImage, context: CIContext)?

    func show(_ picture: CIImage, by context: CIContext) {
        lock.withLock { latest = (picture, context) }
    }

    func get() -> (picture: CIImage, context: CIContext)? {
        lock.withLock { latest }
    }
}

/// A Metal view's painter: the latest picture, as large as it fits.
final class Canvas: NSObject, MTKViewDelegate {
    private let latest: LatestPicture
    private let commands: MTLCommandQueue?

    init(_ latest: LatestPicture) {
        self.latest = latest
        commands = latest.device?.makeCommandQueue()
    }

    func mtkView(_ view: MTKView, drawableSizeWillChange size: CGSize) {}

    func draw(in view: MTKView) {
        guard let (picture, context) = latest.get(), let drawable = view.currentDrawable,
            let buffer = commands?.makeCommandBuffer()
        else { return }
        let whole = CGRect(origin: .zero, size: view.drawableSize)
        let scale = min(whole.width / picture.extent.width, whole.height / picture.extent.height)
        let fitted = picture.transformed(by: CGAffineTransform(scaleX: scale, y: scale))
        let centred = fitted.transformed(
            by: CGAffineTransform(
                translationX: (whole.width - fitted.extent.width) / 2, y: (whole.height - fitted.extent.height) / 2))
        let target = CIRenderDestination(
            width: Int(whole.width), height: Int(whole.height), pixelFormat: view.colorPixelFormat, commandBuffer: buffer
        ) { drawable.texture }
        let framed = centred.composited(over: CIImage(color: .black)).cropped(to: whole)
        _ = try? context.startTask(toRender: framed, from: whole, to: target, at: .zero)
        buffer.present(drawable)
        buffer.commit()
    }
}

struct CanvasView: UIViewRepresentable {
    let latest: LatestPicture

    func makeCoordinator() -> Canvas { Canvas(latest) }

    func makeUIView(context: Context) -> MTKView {
        let view = MTKView(frame: .zero, device: latest.device)
        view.framebufferOnly = false  // CoreImage writes to it by a kernel
        view.preferredFramesPerSecond = 30
        view.delegate = context.coordinator
        return view
    }

    func updateUIView(_ view: MTKView, context: Context) {}
}
