/// A height and a width, in pixels.
struct Size: Hashable {
    let height: Int
    let width: Int
}

/// How a picture lies in a model's input: the same rule as runtime/geometry.py.
///
/// The picture fills rows `top ..< top + height` and columns `left ..< left + width` of the target.
struct Letterbox: Equatable {
    let top: Int
    let left: Int
    let height: Int
    let width: Int

    /// The largest centred placement of `source` in `target` in which one side is stretched at most `limit` times more.
    init(source: Size, target: Size, limit: Double) {
        let tall = Double(target.height) / Double(source.height)
        let wide = Double(target.width) / Double(source.width)
        let vertical = min(tall, limit * wide)
        let horizontal = min(wide, limit * tall)
        height = min(max(Int(Double(source.height) * vertical + 0.5), 1), target.height)
        width = min(max(Int(Double(source.width) * horizontal + 0.5), 1), target.width)
        top = (target.height - height) / 2
        left = (target.width - width) / 2
    }

    /// Of the input sizes that a model takes, the one of which a picture of `source` fills the largest share.
    static func best(of sizes: [Size], for source: Size, limit: Double) -> Size? {
        sizes.max { share(of: $0, for: source, limit: limit) < share(of: $1, for: source, limit: limit) }
    }

    private static func share(of target: Size, for source: Size, limit: Double) -> Double {
        let placed = Letterbox(source: source, target: target, limit: limit)
        return Double(placed.height * placed.width) / Double(target.height * target.width)
    }
}
