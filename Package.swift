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
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),

        .target(name: "Basics", dependencies: ["CCrypto"]),
        .testTarget(name: "BasicsTests", dependencies: ["Basics"]),
    ],
    cxxLanguageStandard: .cxx17
)
