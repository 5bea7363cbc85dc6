import Foundation
import LiveBench
import Testing

/// What is played, in which order, and on which notebooks.
@Suite struct PlanTests {
  static func plan(
    blocks: [BenchPlan.Block] = [
      .init(workload: .init(notebooks: 2, thinks: false), schemes: [.os, .partition, .dynamic]),
      .init(workload: .init(notebooks: 3, thinks: true), schemes: [.os, .dynamicLearned]),
    ], repetitions: Int = 2, documents: [String] = ["a", "b"]
  ) -> BenchPlan {
    BenchPlan(
      blocks: blocks, repetitions: repetitions, aloneRuns: 1, crowds: 1, size: 0.1, spread: [0.5, 2], thinkScale: 0.1,
      thinkSecondsMost: 3, dynamic: "dynamic", seed: 7, documents: documents)
  }

  @Test("interleaves the schemes of a workload, and plays every arm once")
  func interleaves() {
    let arms = Self.plan().arms
    #expect(arms.prefix(6).map(\.scheme) == [.os, .partition, .dynamic, .os, .partition, .dynamic])
    #expect(arms.prefix(6).map(\.repetition) == [1, 1, 1, 2, 2, 2])
    #expect(
      arms.suffix(4).map(\.slug) == [
        "3-think-os-1", "3-think-dynamic+learned-1", "3-think-os-2", "3-think-dynamic+learned-2",
      ])
    #expect(Set(arms).count == arms.count && Set(arms.map(\.slug)).count == arms.count)
  }

  @Test("draws the same think times and arrivals for every scheme, and others for each repetition")
  func draws() {
    let plan = Self.plan()
    let load = Workload(notebooks: 3, thinks: true)
    let once = plan.thinks(load, repetition: 1, cells: [40, 40, 40])
    #expect(once == plan.thinks(load, repetition: 1, cells: [40, 40, 40]))
    #expect(once != plan.thinks(load, repetition: 2, cells: [40, 40, 40]))
    #expect(once[0] != once[1])
    #expect(once.flatMap { $0 }.allSatisfy { $0 > 0 && $0 <= 3 })
    #expect(plan.thinks(Workload(notebooks: 1, thinks: false), repetition: 1, cells: [2]) == [[0, 0]])
    let orders = (1...20).map { plan.order(Workload(notebooks: 8, thinks: false), repetition: $0) }
    #expect(orders.allSatisfy { $0.sorted() == Array(0..<8) } && Set(orders).count > 15)
  }

  @Test("draws think times with the medians of the model")
  func model() {
    var plan = Self.plan()
    (plan.thinkScale, plan.thinkSecondsMost) = (1, 1e9)
    let all = plan.thinks(Workload(notebooks: 1, thinks: true), repetition: 1, cells: [4000])[0].sorted()
    // Half of the draws come of a lognormal with median 2.5 s, the other half of one with 97 s: a quarter is below 2.5.
    let below = Double(all.count { $0 < 2.484 }) / 4000
    #expect(abs(below - 0.258) < 0.03, "\(below) below the quick median")
  }

  @Test("takes documents again where there are more notebooks, as files of their own")
  func copies() {
    let plan = Self.plan()
    #expect(plan.names(of: Workload(notebooks: 5, thinks: false)) == ["a", "b", "a-2", "b-2", "a-3"])
    #expect(plan.document(of: "b-2") == "b")
    #expect(Self.plan(documents: ["text-2", "b"]).document(of: "text-2") == "text-2")
    #expect(plan.size(of: "a") == 0.05 && plan.size(of: "b") == 0.2)
  }

  @Test("makes every bundled notebook smaller by rules that fit it")
  func sizes() throws {
    let folder = Self.root + "/Docs/Notebooks"
    let rules = try SizingRules(Data(contentsOf: URL(fileURLWithPath: folder + "/sizes.json")))
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".ipynb") }
    #expect(names.count >= 9)
    for name in names {
      let original = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
      let document = String(name.dropLast(6))
      let small = try rules.sized(original, document: document, size: 0.1)
      let before = SizingRules.cells(of: original)
      let after = SizingRules.cells(of: small)
      #expect(before.map(\.id) == after.map(\.id))
      #expect(before.map(\.source) != after.map(\.source), "\(name) has a rule")
      let whole = try rules.sized(original, document: document, size: 1)
      #expect(SizingRules.cells(of: whole).map(\.source) == before.map(\.source))
    }
  }

  @Test("scales the number behind the @, and says which rule does not fit")
  func rules() throws {
    let rules = try SizingRules(
      Data(#"{"rules": {"n": [["c", "range(@1_000)"], ["c", "k=@4", ">=2"], ["c", "m=@100", "^0.5"]]}}"#.utf8))
    let notebook = Data(
      ##"{"nbformat": 4, "cells": [{"cell_type": "code", "id": "c", "source": ["#celltop: cores=1-2\n", "f(range(1_000), k=4, m=100)"]}]}"##
        .utf8)
    let small = try rules.sized(notebook, document: "n", size: 0.01, reserving: 3)
    #expect(SizingRules.cells(of: small).map(\.source) == ["#celltop: cores=3\nf(range(10), k=2, m=10)"])
    let other = Data(#"{"nbformat": 4, "cells": [{"cell_type": "code", "id": "c", "source": "pass"}]}"#.utf8)
    #expect(throws: SizingError.self) { try rules.sized(other, document: "n", size: 0.5) }
    #expect(throws: SizingError.self) { try rules.sized(Data("no".utf8), document: "n", size: 0.5) }
    #expect(throws: SizingError.self) { try SizingRules(Data(#"{"rules": {"n": [["c", "no mark"]]}}"#.utf8)) }
  }

  static let root: String = {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    return path
  }()
}
