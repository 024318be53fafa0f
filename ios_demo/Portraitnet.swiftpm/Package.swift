// swift-tools-version: 5.9
import AppleProductTypes
import PackageDescription

// An app project that Xcode and Swift Playgrounds open as it is: no project file, nothing to generate.
let package = Package(
    name: "Portraitnet",
    platforms: [.iOS("17.0")],
    products: [
        .iOSApplication(
            name: "Portraitnet",
            targets: ["Portraitnet"],
            bundleIdentifier: "org.portraitnet.demo",
            displayVersion: "1.0",
            bundleVersion: "1",
            appIcon: .placeholder(icon: .camera),
            accentColor: .presetColor(.blue),
            supportedDeviceFamilies: [.phone, .pad],
            supportedInterfaceOrientations: [.portrait, .landscapeLeft, .landscapeRight],
            capabilities: [
                .camera(purposeString: "The camera's picture is shown with another background. It stays on this device.")
            ]
        )
    ],
    targets: [
        .executableTarget(
            name: "Portraitnet",
            path: "Sources",
            resources: [.copy("Models")]
        )
    ]
)
