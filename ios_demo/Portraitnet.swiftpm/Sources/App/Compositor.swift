import CoreImage
import CoreImage.CIFilterBuiltins
import Metal

/// What the person is laid before.
enum Backdrop: Hashable {
    case blur, white, green, original
}

/// Lays people before backgrounds on the GPU: the arithmetic of runtime/compositing, as CoreImage filters.
final class Compositor {
    /// Without a working colour space: levels and mixtures are of the stored values, as in the other runtimes.
    let context: CIContext

    init(device: MTLDevice) {
        context = CIContext(mtlDevice: device, options: [.workingColorSpace: NSNull(), .cacheIntermediates: false])
    }

    /// Draw `frame` into `input` (BGRA, of the model's size) at `place`, on grey.
    func fit(_ frame: CIImage, at place: Letterbox, into input: CVPixelBuffer) {
        let size = Size(height: CVPixelBufferGetHeight(input), width: CVPixelBufferGetWidth(input))
        let scale = CGAffineTransform(
            scaleX: CGFloat(place.width) / frame.extent.width, y: CGFloat(place.height) / frame.extent.height)
        // CoreImage counts rows from the bottom.
        let move = CGAffineTransform(
            translationX: CGFloat(place.left), y: CGFloat(size.height - place.top - place.height))
        let grey = CGFloat(Constants.pad) / 255
        let whole = CGRect(x: 0, y: 0, width: size.width, height: size.height)
        let canvas = CIImage(color: CIColor(red: grey, green: grey, blue: grey)).cropped(to: whole)
        let picture = frame.transformed(by: scale, highQualityDownsample: true).transformed(by: move)
        context.render(picture.composited(over: canvas), to: input, bounds: whole, colorSpace: nil)
    }

    /// Alpha for compositing at the frame's size: the part of the model's output that the frame filled, levelled.
    func mask(_ alpha: [Float], of size: Size, at place: Letterbox, for frame: CIImage) -> CIImage {
        let bytes = alpha.withUnsafeBytes { Data($0) }
        let rowBytes = size.width * MemoryLayout<Float>.stride
        let whole = CIImage(
            bitmapData: bytes, bytesPerRow: rowBytes, size: CGSize(width: size.width, height: size.height), format: .Rf,
            colorSpace: nil)
        let part = CGRect(
            x: place.left, y: size.height - place.top - place.height, width: place.width, height: place.height)
        let back = CGAffineTransform(translationX: -part.minX, y: -part.minY).concatenating(
            CGAffineTransform(scaleX: frame.extent.width / part.width, y: frame.extent.height / part.height))
        let slope = CGFloat(1 / (Constants.white - Constants.black))
        let levels = CIFilter.colorMatrix()
        levels.inputImage = whole.cropped(to: part).clampedToExtent().transformed(by: back)
        levels.rVector = CIVector(x: slope, y: 0, z: 0, w: 0)
        levels.gVector = levels.rVector
        levels.bVector = levels.rVector
        levels.aVector = CIVector(x: 0, y: 0, z: 0, w: 0)
        let offset = CGFloat(-Constants.black) * slope
        levels.biasVector = CIVector(x: offset, y: offset, z: offset, w: 1)
        let limits = CIFilter.colorClamp()
        limits.inputImage = levels.outputImage
        return limits.outputImage?.cropped(to: frame.extent) ?? CIImage(color: .white).cropped(to: frame.extent)
    }

    func compose(_ frame: CIImage, mask: CIImage, before backdrop: Backdrop) -> CIImage {
        switch backdrop {
        case .original: return frame
        case .white: return blend(frame, over: CIImage(color: .white), by: mask)
        case .green: return blend(frame, over: CIImage(color: .green), by: mask)
        case .blur: return blend(frame, over: blurred(frame, mask: mask), by: mask)
        }
    }

    private func blend(_ person: CIImage, over background: CIImage, by mask: CIImage) -> CIImage {
        let filter = CIFilter.blendWithRedMask()
        filter.inputImage = person
        filter.backgroundImage = background.cropped(to: person.extent)
        filter.maskImage = mask
        return filter.outputImage ?? person
    }

    /// The mean of background pixels only: their weights are the alpha of a premultiplied picture, which is blurred and
    /// then divided by its alpha again (normalised convolution).
    private func blurred(_ frame: CIImage, mask: CIImage) -> CIImage {
        let clear = CIFilter.colorInvert()
        clear.inputImage = mask
        let power = CIFilter.gammaAdjust()
        power.inputImage = clear.outputImage
        power.power = 4
        let floor = CIFilter.colorClamp()
        floor.inputImage = power.outputImage
        let least = Constants.blurFloor
        floor.minComponents = CIVector(x: least, y: least, z: least, w: 1)
        let weighted = blend(frame, over: CIImage(color: .clear), by: floor.outputImage ?? mask)
        let sigma = Constants.blurDefault / 100 * max(frame.extent.width, frame.extent.height)
        return weighted.clampedToExtent().applyingGaussianBlur(sigma: sigma)
            .unpremultiplyingAlpha().settingAlphaOne(in: frame.extent).cropped(to: frame.extent)
    }
}
