/// Numbers that Python, the browser page, the Android app and this one share: runtime/constants.json, which a test compares.
enum Constants {
    static let black: Float = 0.1  // alpha that becomes nothing
    static let white: Float = 0.9  // and all
    static let follow: Float = 0.1
    static let tremble: Float = 0.05
    static let motion: Float = 0.4
    static let framesPerSecond: Double = 30
    static let pause: Double = 0.5
    static let blurDefault: Double = 2.0  // sigma, in percent of the picture's longer side
    static let blurFloor: Double = 1e-4  // weight of the person: keeps every sum above zero
    static let pad: Int = 128
    /// How much more one side may be stretched than the other, by the geometry's name.
    static let limits: [String: Double] = [
        "letterbox-128-centred": 1,
        "stretch-1.5-128-centred": 1.5,
        "stretch": .infinity,
    ]
}
