// swift-tools-version: 6.2
import PackageDescription

/// A library target of our own, with the house's settings.
func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Sources/\(name)")
}

/// The tests of one module; `also` names what they use beside it, `files` the folders that are no sources.
func tests(_ name: String, _ also: [Target.Dependency] = [], files: [String] = []) -> Target {
  .testTarget(
    name: "\(name)Tests", dependencies: [.byName(name: name)] + also, path: "Tests/\(name)Tests", exclude: files)
}

/// A gate stands before every kernel's start, and a console is opened to be looked at at once: with Swift's libraries inside
/// them, the gate loads in a third of the time and the tool in two thirds.
let swiftInside: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-static-stdlib", "-l_FoundationCShims", "-l_FoundationCollections", "-lCoreFoundation", "-l_FoundationICU",
      "-lswiftSynchronization",
    ],
    .when(configuration: .release))
]

let package = Package(
  name: "celltop",
  products: [
    .executable(name: "celltop", targets: ["celltop"]),
    .executable(name: "celltop-gate", targets: ["celltop-gate"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
  ],
  targets: [
    // C, without logic: what Swift cannot see of a library's header.
    .target(name: "CNcurses", path: "Sources/CNcurses", linkerSettings: [.linkedLibrary("ncursesw")]),
    .target(name: "CZeroMQ", path: "Sources/CZeroMQ", linkerSettings: [.linkedLibrary("zmq")]),
    .target(name: "CZlib", path: "Sources/CZlib", linkerSettings: [.linkedLibrary("z")]),
    .target(name: "CHwloc", path: "Sources/CHwloc", linkerSettings: [.linkedLibrary("hwloc")]),
    .target(name: "CNvml", path: "Sources/CNvml"),
    .target(name: "CLinux", path: "Sources/CLinux"),

    // The core: values and decisions, no clock, no input or output.
    module("Chance"),
    module("Domain"),
    module("Engine", ["Domain"]),
    module("Policies", ["Domain", "Engine"]),
    module("Forecast", ["Domain"]),
    module("Metrics", ["Domain"]),
    module("Traces", ["Chance", "Domain", "Engine", "CZlib"]),
    module("ThinkTimes", ["Chance", "Domain", "Traces"]),
    module("Simulation", ["Domain", "Engine", "Forecast", "Metrics", "Traces"]),

    module("WhatIf", ["Domain", "Engine", "Metrics", "Simulation", "Verbs"]),

    // The world: the database, the node, the kernels.
    module(
      "History",
      [
        "Domain", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift"),
      ]),
    module("NodeControl", ["Domain", "CLinux"]),
    module(
      "NodeInventory",
      ["Domain", "NodeControl", "CHwloc", "CNvml", .product(name: "TOMLKit", package: "TOMLKit")]),
    module("JupyterWire"),
    module("GateLink", ["Domain"]),
    module("KernelGate", ["Domain", "GateLink", "JupyterWire", "NodeControl", "CLinux", "CZeroMQ"]),

    // The screen.
    module("Projections", ["Domain", "Metrics"]),
    module("Verbs", ["Domain", "Projections"]),
    module("ServerLink", ["Domain", "GateLink", "Projections", "CLinux"]),
    module("Canvas", ["Domain"]),
    module("TraceViews", ["Domain", "Traces", "Canvas"]),
    module(
      "Console",
      ["Domain", "Metrics", "Projections", "Verbs", "Canvas", .product(name: "TOMLKit", package: "TOMLKit")]),
    module("Terminal", ["Canvas", "CNcurses", "CLinux"]),

    module(
      "LiveBench",
      ["Chance", "Domain", "Engine", "Policies", "Simulation", "ThinkTimes", "Traces"]),
    module("Exports", ["Domain", "Projections", "Canvas", "Console"]),

    // What whoever runs the server reads: figures and lines.
    module("Monitoring", ["Domain", "Projections", "CLinux"]),
    module("Logs", ["Domain", .product(name: "Logging", package: "swift-log")]),

    // One stream of entries, its drivers, and the tool.
    module(
      "Session",
      [
        "Domain", "Engine", "Policies", "Forecast", "History", "NodeControl", "GateLink", "Projections", "Monitoring",
        "ServerLink", "Verbs", "WhatIf", "CLinux", .product(name: "TOMLKit", package: "TOMLKit"),
      ]),
    .executableTarget(
      name: "celltop",
      dependencies: [
        "Chance", "Domain", "Engine", "Policies", "Forecast", "Metrics", "Traces", "ThinkTimes", "TraceViews",
        "Simulation", "History", "NodeControl", "NodeInventory", "GateLink", "KernelGate", "Projections", "Canvas",
        "Console", "Terminal", "ServerLink", "Session", "Monitoring", "Logs", "Verbs", "WhatIf", "Exports", "LiveBench",
        "CLinux",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/celltop", linkerSettings: swiftInside),
    .executableTarget(
      name: "celltop-gate", dependencies: ["KernelGate"], path: "Sources/celltop-gate",
      linkerSettings: swiftInside),

    tests("Chance"),
    tests("Domain", ["Chance"]),
    tests("Engine", ["Chance", "Domain", "Policies"]),
    tests("Policies", ["Chance", "Domain", "Engine"]),
    tests("Forecast", ["Domain"]),
    tests("Metrics", ["Domain"]),
    tests("Traces", ["Chance", "Domain", "TraceViews", "Canvas", "CZlib"]),
    tests("ThinkTimes", ["Chance", "Domain", "Traces"]),
    tests("Simulation", ["Chance", "Domain", "Engine", "Policies", "Metrics", "Traces"]),
    tests("WhatIf", ["Chance", "Domain", "Engine", "Policies", "Simulation", "Traces", "Verbs"]),
    tests("LiveBench", ["Domain", "Traces"]),
    tests("Exports", ["Chance", "Domain", "Engine", "Policies", "Projections", "Canvas", "Console"]),
    tests(
      "History",
      ["Chance", "Domain", "Engine", "Policies", "Projections", .product(name: "GRDB", package: "GRDB.swift")],
      files: ["Fixtures"]),
    tests("NodeControl", ["Domain", "CLinux"]),
    tests("NodeInventory", ["Domain", "NodeControl"], files: ["StandIn"]),
    tests("JupyterWire", ["Chance"]),
    tests("GateLink", ["Chance", "Domain"]),
    tests("KernelGate", ["Domain", "GateLink", "JupyterWire", "CLinux"]),
    tests("Projections", ["Chance", "Domain", "Metrics"]),
    tests("Verbs", ["Domain", "Projections"]),
    tests("Monitoring", ["Domain", "Projections", "CLinux"]),
    tests("Logs", ["Domain", .product(name: "Logging", package: "swift-log")]),
    tests("Canvas", ["Chance", "Domain"]),
    tests(
      "Console", ["Chance", "Domain", "Engine", "Policies", "Projections", "Verbs", "Canvas"], files: ["Goldens"]),
    tests("Terminal", ["Chance", "Canvas", "CLinux"]),
    tests(
      "Session",
      [
        "Chance", "CLinux", "NodeControl", "Domain", "Engine", "Policies", "Forecast", "History", "Projections",
        "Canvas",
        "Console", "GateLink", "ServerLink", "Verbs", .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    .testTarget(name: "TidyTests", path: "Tests/TidyTests"),
    .testTarget(
      name: "EndToEndTests",
      dependencies: [
        "celltop", "celltop-gate", "Chance", "Domain", "Engine", "Policies", "Projections", "History", "Session",
        "CLinux", "LiveBench",
        .product(name: "Subprocess", package: "swift-subprocess"),
      ],
      path: "Tests/EndToEndTests", exclude: ["Python"]),
  ],
  swiftLanguageModes: [.v6]
)
