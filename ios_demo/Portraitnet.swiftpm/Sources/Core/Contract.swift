import Foundation

/// What the exporter wrote into the model's own metadata: the facts of runtime/contract.py that this app needs.
struct Contract: Decodable {
    static let metadataKey = "portraitnet"
    static let formatVersion = 1

    let name: String
    let task: String
    let geometry: String
    let height: Int
    let width: Int
    let version: Int

    enum CodingKeys: String, CodingKey {
        case name, task, geometry, height, width
        case version = "format_version"
    }

    /// Parse and check the metadata's JSON.
    init(json: String) throws {
        self = try JSONDecoder().decode(Contract.self, from: Data(json.utf8))
        guard version == Contract.formatVersion else {
            throw ModelError.unfit("its contract is of version \(version), and this app reads \(Contract.formatVersion)")
        }
        guard task == "portrait" else { throw ModelError.unfit("it is no model of portraits") }
        guard Constants.limits[geometry] != nil else { throw ModelError.unfit("its geometry \(geometry) is not known") }
    }

    var size: Size { Size(height: height, width: width) }

    var limit: Double { Constants.limits[geometry] ?? 1 }
}

/// Why a model is not used.
enum ModelError: LocalizedError {
    case missing
    case unfit(String)

    var errorDescription: String? {
        switch self {
        case .missing: "There is no .mlpackage in Sources/Models. See the README: one export, one copy."
        case .unfit(let reason): "This model cannot be used: \(reason)."
        }
    }
}
