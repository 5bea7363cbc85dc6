import Foundation
import Testing

/// A folder that is gone with the test.
private struct Scratch: ~Copyable {
  let path = NSTemporaryDirectory() + "celltop-commands-" + UUID().uuidString

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, as name: String) throws -> String {
    try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
    return "\(path)/\(name)"
  }
}

@Suite("simulate and compare, as commands")
struct SimulationCommandTests {
  static let header = #"{"celltop-trace": 1, "name": "t"}"#
  static let good =
    header + "\n"
    + #"{"notebook": "a", "arrival": 0, "cells": [{"think": 0, "run": 2, "cores": 2}, {"think": 1, "run": 1}]}"# + "\n"
    + #"{"notebook": "b", "arrival": 0, "priority": 5, "cells": [{"think": 0, "run": 3, "gpus": 1}]}"# + "\n"

  /// What is wrong, in which command line, and what the message has to name: the file's line, the field, the mend.
  static let wrong: [(text: String, options: [String], says: [String])] = [
    (header + "\nnonsense\n", [], ["t.jsonl:2", "Write a notebook like"]),
    (header + "\n" + #"{"notebook": "a", "cells": [{"think": 0, "run": 2"# + "\n", [], ["t.jsonl:2", "cells[1]"]),
    (
      header + "\n" + #"{"notebook": "a", "cells": [{"think": 0, "run": -2}]}"# + "\n", [],
      ["t.jsonl:2", "cells[1].run", "negative", "Write 0 or more seconds"]
    ),
    (
      header + "\n" + #"{"notebook": "a", "arrival": -1, "cells": []}"# + "\n", [],
      ["t.jsonl:2", "arrival", "negative", "Write 0 or more seconds"]
    ),
    (
      header + "\n" + #"{"notebook": "a", "cells": [{"think": 0, "run": 2, "gpu": 1}]}"# + "\n", [],
      ["t.jsonl:2", "cells[1].gpu", "There are think, run, cores"]
    ),
    ("job,what\n1,2\n", [], ["t.jsonl", "A native trace begins with"]),
    (good, ["--cores", "1", "--gpus", "1"], ["cell 1 of notebook 'a'", "asks for 2 cores", "has 1", "--cores 2"]),
    (good, ["--gpus", "0"], ["notebook 'b'", "asks for 1 GPU,", "has 0", "--gpus 1"]),
    (good, ["--gpus", "1", "--cores", "zero"], ["zero", "--cores"]),
    (good, ["--gpus", "1", "--cores", "0"], ["--cores is 0", "from 1 to"]),
    (good, ["--gpus", "1", "--memory", "8Q"], ["--memory", "8Q", "8G"]),
    (good, ["--gpus", "1", "--stretch", "0"], ["--stretch is 0", "above 0"]),
    (good, ["--gpus", "1", "--polici", "fcfs"], ["--polici"]),
  ]

  @Test("wrong input is told with its line, field and mend, ends with 2, and leaves nothing behind", arguments: 0..<13)
  func wrongInput(number: Int) async throws {
    let scratch = try Scratch()
    let (text, options, says) = Self.wrong[number]
    let trace = try scratch.write(text, as: "t.jsonl")
    let page = scratch.path + "/page.html"
    for command in [["simulate", trace], ["compare", trace, "--html", page]] {
      let result = try await Checkout.run(Checkout.celltop, command + options)
      #expect(result.status == 2, "\(command[0]) \(options): status \(result.status)")
      #expect(result.output.isEmpty, "\(command[0]): nothing is printed")
      for part in says { #expect(result.errors.contains(part), "\(command[0]): '\(part)' in '\(result.errors)'") }
      #expect(!FileManager.default.fileExists(atPath: page), "no page is written")
    }
  }

  @Test(
    "a policy or an option of one that does not exist is told with those that do",
    arguments: [
      ("lottery", ["there is no policy 'lottery'", "dynamic, os, partition"]),
      ("dynamic:fast", ["dynamic has no option 'fast'", "no-preemption"]),
      ("dynamic:ageing=soon", ["ageing is 'soon'", "a number from"]),
      ("fcfs:x=1", ["fcfs has no option 'x'", "it has none"]),
    ])
  func wrongPolicy(policy: String, says: [String]) async throws {
    let scratch = try Scratch()
    let trace = try scratch.write(Self.good, as: "t.jsonl")
    let page = scratch.path + "/page.html"
    let commands = [
      ["simulate", trace, "--gpus", "1", "--policy", policy],
      ["compare", trace, "--gpus", "1", "--policies", "fcfs;\(policy)", "--html", page],
    ]
    for command in commands {
      let result = try await Checkout.run(Checkout.celltop, command)
      #expect(result.status == 2)
      #expect(result.output.isEmpty)
      for part in says { #expect(result.errors.contains(part), "'\(part)' in '\(result.errors)'") }
      #expect(!FileManager.default.fileExists(atPath: page))
    }
  }

  @Test("a second trace that is broken keeps the first from being printed")
  func secondTrace() async throws {
    let scratch = try Scratch()
    let good = try scratch.write(Self.good, as: "good.jsonl")
    let bad = try scratch.write(Self.header + "\n{\n", as: "bad.jsonl")
    let result = try await Checkout.run(Checkout.celltop, ["compare", good, bad, "--gpus", "1", "--json"])
    #expect(result.status == 2)
    #expect(result.output.isEmpty)
    #expect(result.errors.contains("bad.jsonl"))
  }

  static let policyKeys: Set<String> = [
    "antt", "stp", "anttWithThink", "stpWithThink", "anttLowerBound", "wait", "turnaroundMean", "makespan", "worstNTT",
    "jain", "preemptions", "held", "busy", "gpuHoursHeld", "gpuHoursSavedAgainstReservation", "cellsEnded",
    "cellsFailed",
    "entries", "digest", "wallSeconds",
  ]

  @Test("compare --json has the design's keys, and simulate --json those of one policy with its name")
  func json() async throws {
    let scratch = try Scratch()
    let trace = try scratch.write(Self.good, as: "t.jsonl")
    let options = ["--gpus", "1", "--cores", "4", "--seed", "3", "--json"]
    let compared = try await Checkout.run(
      Checkout.celltop, ["compare", trace, "--policies", "dynamic,reservation,fcfs"] + options)
    let whole = try #require(
      try JSONSerialization.jsonObject(with: Data(compared.output.utf8)) as? [String: Any])
    #expect(Set(whole.keys) == ["trace", "notebooks", "cells", "capacity", "seed", "policies"])
    #expect(whole["trace"] as? String == "t")
    #expect(whole["notebooks"] as? Int == 2)
    #expect(whole["cells"] as? Int == 3)
    #expect(whole["seed"] as? Int == 3)
    #expect(whole["capacity"] as? [String: Int] == ["cores": 4, "gpus": 1])
    let policies = try #require(whole["policies"] as? [String: [String: Any]])
    #expect(Set(policies.keys) == ["dynamic", "reservation", "fcfs"])
    for (name, policy) in policies {
      #expect(
        Self.policyKeys.isSubset(of: Set(policy.keys)), "\(name) lacks \(Self.policyKeys.subtracting(policy.keys))")
      let wait = try #require(policy["wait"] as? [String: Any])
      #expect(Set(wait.keys) == ["mean", "p50", "p95", "p99", "max", "over1s", "over10s"])
      #expect(Set((policy["held"] as? [String: Any] ?? [:]).keys) == ["cores", "gpus"])
      #expect(Set((policy["busy"] as? [String: Any] ?? [:]).keys) == ["cores", "gpus"])
      #expect(policy["gpuHoursSavedAgainstReservation"] is NSNumber, "reservation was among them")
    }
    let simulated = try await Checkout.run(Checkout.celltop, ["simulate", trace, "--policy", "fcfs"] + options)
    let one = try #require(
      try JSONSerialization.jsonObject(with: Data(simulated.output.utf8)) as? [String: Any])
    #expect(one["policy"] as? String == "fcfs")
    #expect(Set(one.keys) == Set((policies["fcfs"] ?? [:]).keys).union(["policy"]))
  }

  @Test("compare --html writes one page that needs nothing else, with a table, the waits and each policy's timeline")
  func page() async throws {
    let scratch = try Scratch()
    let trace = try scratch.write(Self.good, as: "t.jsonl")
    let path = scratch.path + "/page.html"
    let result = try await Checkout.run(
      Checkout.celltop, ["compare", trace, "--gpus", "1", "--policies", "fcfs,dynamic", "--html", path])
    #expect(result.status == 0)
    let page = try String(contentsOfFile: path, encoding: .utf8)
    for part in ["<h2>fcfs</h2>", "<h2>dynamic</h2>", "<table>", "<polyline", "<rect class=\"run\"", "</html>"] {
      #expect(page.contains(part), "\(part)")
    }
    for outside in ["http://", "https://", "<script src", "<link"] { #expect(!page.contains(outside), "\(outside)") }
  }
}
