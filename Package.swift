// swift-tools-version: 6.1
// One target a stage of the data's way; each depends only on those above it. docs/ARCHITECTURE.md has the map.
import PackageDescription

/// The Swift runtime is linked into the programs: they start in 3 ms instead of 11, and run where no Swift is.
/// Only the link differs, so tests and programs share one build.
let staticRuntime: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib", "-Xlinker", "--start-group",
        "-lFoundation", "-lFoundationEssentials", "-lFoundationInternationalization", "-lCoreFoundation",
        "-l_FoundationCShims", "-l_FoundationCollections", "-l_FoundationICU",
        "-lswiftDispatch", "-ldispatch", "-lBlocksRuntime", "-lswiftSynchronization",
        "-Xlinker", "--end-group",
    ])
]

let package = Package(
    name: "saed",
    products: [
        .executable(name: "saed", targets: ["saed"]),
        .executable(name: "saectl", targets: ["saectl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // System libraries and the C that Swift can't call safely itself.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebp", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .target(name: "CDNNL", linkerSettings: [.linkedLibrary("dnnl"), .linkedLibrary("gomp")]),
        .target(name: "CImageShims", linkerSettings: [.linkedLibrary("jpeg")]),
        .target(name: "CInotify"),
        .target(name: "CFileCalls"),
        .target(name: "CSandbox"),

        .target(name: "Basics", dependencies: ["CCrypto"]),
        .target(name: "Systemd", dependencies: ["CSystemd"]),
        .target(name: "Kernels", dependencies: ["CDNNL"]),
        .target(name: "Checkpoints", dependencies: ["Basics"]),
        .target(name: "Imaging", dependencies: ["CImageShims", "CWebP", "CZlib"], exclude: ["FORMATS.md"]),
        .target(name: "Decoding", dependencies: ["CMalloc", "CSandbox", "Imaging"]),
        .target(name: "CLIP", dependencies: ["Basics", "Kernels", "Checkpoints", "Imaging"]),
        .target(name: "SAE", dependencies: ["Basics", "Kernels", "Checkpoints", "CDNNL"]),
        .target(name: "Interventions", dependencies: ["Basics", "Kernels", "CLIP", "SAE"]),
        .target(
            name: "Store",
            dependencies: [
                "Basics", "CZstd", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ]),
        .target(name: "Concepts", dependencies: ["Basics", "Store"]),
        .target(name: "Ingest", dependencies: ["Basics", "Kernels", "Imaging", "Decoding", "CLIP", "SAE", "Store", "CInotify", "CMalloc"]),
        // HTML, CSS and JavaScript are files of their own, compiled in.
        .target(
            name: "Pages", dependencies: ["Basics"],
            resources: ["page.css", "page.js", "report.js", "viewer.js", "atlas.js"].map { .embedInCode("Assets/\($0)") }),
        .target(name: "Wire", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")]),
        .target(
            name: "WireNIO",
            dependencies: ["Wire", .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio")]),
        .target(
            name: "Daemon",
            dependencies: [
                "Basics", "Imaging", "Decoding", "CLIP", "SAE", "Kernels", "Interventions", "Store", "Concepts", "Ingest", "Pages", "Wire", "WireNIO",
                "Systemd", "TOMLKit",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ]),
        .target(name: "SaectlKit", dependencies: ["Basics", "Wire", "CFileCalls"]),

        .executableTarget(
            name: "saed", dependencies: ["Daemon", "Decoding", "Wire", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            linkerSettings: staticRuntime),
        .executableTarget(
            name: "saectl",
            dependencies: ["SaectlKit", "Wire", "Basics", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            linkerSettings: staticRuntime),

        // What tools/bench runs.
        .executableTarget(
            name: "saed-bench",
            dependencies: [
                "Basics", "Kernels", "Checkpoints", "CLIP", "SAE", "Interventions", "Store", "Concepts", "Ingest", "Wire", "CDNNL",
            ]),

        .testTarget(name: "BasicsTests", dependencies: ["Basics"]),
        .testTarget(name: "SystemdTests", dependencies: ["Systemd"]),
        .testTarget(name: "KernelsTests", dependencies: ["Kernels", "Basics"], resources: [.copy("Golden")]),
        .testTarget(name: "CheckpointsTests", dependencies: ["Checkpoints", "Basics"], resources: [.copy("Golden")]),
        .testTarget(name: "ImagingTests", dependencies: ["Imaging", "CZlib"], exclude: ["Golden"]),
        // Starts programs, for tests.
        .target(name: "CPrograms", path: "Tests/CPrograms"),
        .target(name: "Programs", dependencies: ["CPrograms"], path: "Tests/Programs"),
        // Plays a decoder that a file has taken over.
        .executableTarget(name: "PlantedDecoder", dependencies: ["Decoding", "Imaging"], path: "Tests/PlantedDecoder"),
        .testTarget(name: "DecodingTests", dependencies: ["Decoding", "Imaging", "PlantedDecoder"]),
        .testTarget(
            name: "CLIPTests", dependencies: ["CLIP", "Checkpoints", "Basics", "Kernels", "Imaging"], resources: [.copy("Golden")]),
        .testTarget(name: "SAETests", dependencies: ["SAE", "Kernels", "Basics", "Checkpoints"], resources: [.copy("Golden")]),
        .testTarget(
            name: "InterventionsTests", dependencies: ["Interventions", "SAE", "CLIP", "Kernels", "Basics", "Checkpoints", "Imaging"],
            resources: [.copy("Golden")]),
        .testTarget(name: "StoreTests", dependencies: ["Store", "Basics", .product(name: "GRDB", package: "GRDB.swift")]),
        .testTarget(name: "ConceptsTests", dependencies: ["Concepts", "Store", "Basics"], exclude: ["Golden"]),
        .testTarget(name: "IngestTests", dependencies: ["Ingest", "Basics", "Store", "CInotify"]),
        .testTarget(name: "WireTests", dependencies: ["Wire", "WireNIO", "Basics", "Programs"]),
        .testTarget(name: "SaectlTests", dependencies: ["SaectlKit", "Wire", "WireNIO", "Programs"], exclude: ["Golden"]),
        .testTarget(name: "PagesTests", dependencies: ["Pages", "Imaging", "Basics", "Programs"]),
        .testTarget(name: "DaemonTests", dependencies: ["Daemon", "Ingest", "Basics", "WireNIO", .product(name: "Logging", package: "swift-log")]),
        .testTarget(name: "SystemTests", dependencies: ["Basics", "Checkpoints", "CLIP", "Imaging", "Programs"]),
    ],
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx17
)
