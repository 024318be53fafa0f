import CoreML
import CoreVideo

/// An exported CoreML program: a picture in, alpha out. Not for use by two threads at once.
final class PersonModel {
    static let input = "image"
    static let output = "alpha"

    let contract: Contract
    /// Input sizes that the program takes; the contract's alone where pictures are stretched to it.
    let sizes: [Size]
    private let model: MLModel

    /// Compile and load the first .mlpackage of the app. CoreML decides between CPU, GPU and Neural Engine.
    static func load() async throws -> PersonModel {
        let folder = Bundle.module.url(forResource: "Models", withExtension: nil)
        let files = try folder.map { try FileManager.default.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil) }
        let packages = (files ?? []).filter { $0.pathExtension == "mlpackage" }
        guard let package = packages.min(by: { $0.lastPathComponent < $1.lastPathComponent }) else {
            throw ModelError.missing
        }
        let compiled = try await MLModel.compileModel(at: package)
        let configuration = MLModelConfiguration()
        configuration.computeUnits = .all
        return try PersonModel(try await MLModel.load(contentsOf: compiled, configuration: configuration))
    }

    private init(_ model: MLModel) throws {
        let facts = model.modelDescription.metadata[.creatorDefinedKey] as? [String: String]
        guard let json = facts?[Contract.metadataKey] else { throw ModelError.unfit("it carries no contract") }
        let contract = try Contract(json: json)
        guard let constraint = model.modelDescription.inputDescriptionsByName[Self.input]?.imageConstraint else {
            throw ModelError.unfit("it takes no picture")
        }
        let listed = constraint.sizeConstraint.enumeratedImageSizes.map { Size(height: $0.pixelsHigh, width: $0.pixelsWide) }
        self.sizes = listed.contains(contract.size) && contract.limit.isFinite ? listed : [contract.size]
        self.contract = contract
        self.model = model
    }

    /// Alpha of `picture` (BGRA, one of `sizes`), 0...1, row after row from the top.
    func alpha(of picture: CVPixelBuffer) throws -> [Float] {
        let features = try MLDictionaryFeatureProvider(dictionary: [Self.input: MLFeatureValue(pixelBuffer: picture)])
        let result = try model.prediction(from: features)
        guard let buffer = result.featureValue(for: Self.output)?.imageBufferValue else {
            throw ModelError.unfit("it gives no picture named \(Self.output)")
        }
        return try Self.values(of: buffer)
    }

    private static func values(of buffer: CVPixelBuffer) throws -> [Float] {
        CVPixelBufferLockBaseAddress(buffer, .readOnly)
        defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
        guard let base = CVPixelBufferGetBaseAddress(buffer) else { throw ModelError.unfit("its output cannot be read") }
        let width = CVPixelBufferGetWidth(buffer)
        let height = CVPixelBufferGetHeight(buffer)
        let stride = CVPixelBufferGetBytesPerRow(buffer)
        var alpha = [Float](repeating: 0, count: height * width)
        switch CVPixelBufferGetPixelFormatType(buffer) {
        case kCVPixelFormatType_OneComponent16Half:
            for y in 0..<height {
                let row = (base + y * stride).assumingMemoryBound(to: Float16.self)
                for x in 0..<width { alpha[y * width + x] = Float(row[x]) }
            }
        case kCVPixelFormatType_OneComponent8:
            for y in 0..<height {
                let row = (base + y * stride).assumingMemoryBound(to: UInt8.self)
                for x in 0..<width { alpha[y * width + x] = Float(row[x]) / 255 }
            }
        default:
            throw ModelError.unfit("its output is neither half floats nor bytes")
        }
        return alpha
    }
}
