import Foundation
import LiveBench
import Testing

/// `celltop bench live` on tiny notebooks of its own: real kernels, two schemes, one repetition.
@Suite(.serialized, .enabled(if: Checkout.missing == nil, "\(Checkout.missing ?? "")"))
struct LiveBenchCommandTests {
  /// Notebooks whose cells spin for so many seconds of processor time.
  private func writeNotebooks(in folder: String) throws -> [String] {
    let spins: [(name: String, cells: [Double])] = [("short", [0.02, 0.05]), ("long", [0.05, 0.1, 0.1])]
    return try spins.map { name, seconds in
      let cells: [[String: Any]] = seconds.enumerated().map { place, second in
        [
          "cell_type": "code", "id": "c\(place)", "metadata": [String: String](), "outputs": [Int](),
          "source":
            "#celltop: cores=1\nimport time\nbegun = time.process_time()\nwhile time.process_time() - begun < \(second): pass",
        ]
      }
      let path = "\(folder)/\(name).ipynb"
      let notebook: [String: Any] = [
        "nbformat": 4, "nbformat_minor": 5, "metadata": [String: String](), "cells": cells,
      ]
      try JSONSerialization.data(withJSONObject: notebook).write(to: URL(fileURLWithPath: path))
      return path
    }
  }

  @Test("plays two schemes, measures them, goes on where it was, and records what can be replayed")
  func wholeWay() async throws {
    let folder = NSTemporaryDirectory() + "/celltop-bench-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let notebooks = try writeNotebooks(in: folder)
    let output = folder + "/out"
    let document = folder + "/RESULTS.md"
    try "before\n\(MarkedPart.begin)\n\(MarkedPart.end)\nafter\n".write(
      toFile: document, atomically: true, encoding: .utf8)
    let arguments =
      ["bench", "live"] + notebooks
      + [
        "--workloads", "2-think", "--schemes", "os,dynamic", "--repetitions", "1", "--alone", "1", "--crowds", "1",
        "--think-scale", "0.01", "--think-max", "0.2", "--output", output, "--write", document,
      ]
    let environment = ["CELLTOP_PYTHON": Checkout.python, "XDG_DATA_HOME": folder, "XDG_RUNTIME_DIR": folder]
    let first = try await Checkout.run(Checkout.celltop, arguments, environment: environment, seconds: 480)
    #expect(first.status == 0, "\(first.errors)")

    let bytes = try Data(contentsOf: URL(fileURLWithPath: output + "/record.json"))
    let record = try JSONDecoder().decode(BenchRecord.self, from: bytes)
    #expect(record.arms.map(\.key.scheme) == [.os, .dynamic] && record.arms.allSatisfy { $0.cells.count == 5 })
    for arm in record.arms {
      let measures = try #require(record.measures(of: arm, alone: record.alone))
      #expect(measures.ntt.count == 2 && measures.antt > 0.2 && measures.stp > 0)
    }
    let dynamic = try #require(record.arms.last)
    let session = try #require(dynamic.session)
    #expect(session.unexplainedWaits == 0 && session.faults == 0)
    #expect(dynamic.cells.allSatisfy { !$0.ran.isEmpty }, "the recording says when each cell ran")
    let text = try String(contentsOfFile: document, encoding: .utf8)
    #expect(text.hasPrefix("before\n") && text.hasSuffix("after\n") && text.contains("| dynamic |"))
    for name in [
      "results.html", "results.json", "results.md", "timelines/2-think-os-1.svg", "traces/2-think-free.jsonl",
    ] {
      #expect(FileManager.default.fileExists(atPath: "\(output)/\(name)"), "\(name)")
    }

    // What is there is not played again; what is missing is.
    try FileManager.default.removeItem(atPath: output + "/arms/2-think-os-1.json")
    let kept = try Data(contentsOf: URL(fileURLWithPath: output + "/arms/2-think-dynamic-1.json"))
    let second = try await Checkout.run(Checkout.celltop, arguments, environment: environment, seconds: 480)
    #expect(second.status == 0 && second.errors.contains("1 of 2 arms are finished already"), "\(second.errors)")
    #expect(FileManager.default.fileExists(atPath: output + "/arms/2-think-os-1.json"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: output + "/arms/2-think-dynamic-1.json")) == kept)
    let other = try await Checkout.run(
      Checkout.celltop, arguments + ["--seed", "2"], environment: environment, seconds: 30)
    #expect(other.status == 1 && other.errors.contains("other settings"))

    let replay = try await Checkout.run(
      Checkout.celltop, ["history", "list"],
      environment: environment.merging(["CELLTOP_HISTORY": "\(output)/\(session.history)"]) { $1 }, seconds: 30)
    #expect(replay.status == 0 && replay.output.contains("bench live"))
  }

  @Test(
    "refuses what it cannot do before it plays anything",
    arguments: [
      (["--schemes", "linux"], "there is no scheme 'linux'"),
      (["--workloads", "many"], "cannot read the workload 'many'"),
      (["--dynamic", "dynamo"], "--dynamic"), (["--size", "0"], "--size"), (["--write", "/nowhere.md"], "/nowhere.md"),
    ])
  func refusals(options: [String], text: String) async throws {
    let result = try await Checkout.run(Checkout.celltop, ["bench", "live"] + options, seconds: 30)
    #expect(result.status == 2 && (result.errors + result.output).contains(text), "\(result.errors)")
  }
}
