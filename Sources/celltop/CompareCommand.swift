import ArgumentParser
import Domain
import Engine
import Metrics
import Policies
import Simulation
import Traces

/// `celltop compare`: plays traces under several policies, side by side.
struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare", abstract: "Play traces under several policies and show which does best.",
    discussion: """
      The best of each column is marked. The bound is an ANTT that no schedule can be below. Policies are separated by \
      commas, or by semicolons where one has options: 'fcfs;dynamic:no-preemption,ageing=24'.
      """)

  @Argument(help: "Native traces (.jsonl) or the AdobeTrace's CSV.")
  var traces: [String]

  @Option(help: "The policies to compare, separated by commas or semicolons.")
  var policies = "dynamic,os,partition,reservation,fcfs,sjf,backfill,fairshare"

  @OptionGroup var options: SimulationOptions

  @Flag(help: "Print a JSON object for each trace instead of tables.")
  var json = false

  @Option(help: "Write one self-contained page with timelines and distributions.")
  var html: String?

  func validate() throws {
    if names.isEmpty { throw ValidationError("--policies names none. Write them like fcfs,dynamic.") }
  }

  /// The policies' names, with their options.
  private var names: [String] {
    policies.split(separator: policies.contains(";") || policies.contains(":") ? ";" : ",").map(String.init)
  }

  func run() throws {
    for name in names {
      do throws(Refusal) { _ = try PolicyCatalogue.standard.make(name) } catch { refuseUse(error) }
    }
    var comparisons: [Comparison] = []
    for path in traces {
      let trace: Trace
      do throws(TraceError) { trace = try options.trace(at: path) } catch { refuseUse(error) }
      comparisons.append(compared(trace))
    }
    if let html {
      let page = ComparisonPage(comparisons).html
      do throws(TraceError) { try TraceFile.write(Array(page.utf8), to: html) } catch { refuseUse(error) }
    }
    print(
      comparisons.map { json ? $0.json(seed: options.seed) : $0.table(isColoured: colourWanted) }.joined(
        separator: "\n"))
  }

  private func compared(_ trace: Trace) -> Comparison {
    let node = options.node(for: trace)
    var runs = names.map { simulated(trace, on: node, policy: $0, options: options, keepsHistory: html != nil) }
    if let base = runs.first(where: { $0.run.policy == "reservation" })?.run.measures.gpuHoursHeld {
      for index in runs.indices { runs[index].gpuHoursSaved = base - runs[index].run.measures.gpuHoursHeld }
    }
    return Comparison(trace: trace, node: node, runs: runs)
  }
}

/// One trace under several policies.
struct Comparison {
  var trace: Trace
  var node: Node
  var runs: [FinishedRun]

  /// The JSON object of the design's section 9.
  func json(seed: UInt64) -> String {
    let policies = runs.map { "\($0.run.policy.jsonQuoted): \($0.json(withPolicy: false))" }
    return """
      {"trace": \(trace.name.jsonQuoted), "notebooks": \(trace.notebooks.count), "cells": \(trace.cellCount), \
      "capacity": {"cores": \(node.cores.count), "gpus": \(node.gpus.count)}, "seed": \(seed), \
      "policies": {\(policies.joined(separator: ", "))}}
      """
  }

  /// A column of the table: its title, a value for each run, how it is shown, and whether less is better.
  struct Column {
    var title: String
    var values: [Double]
    var show: (Double) -> String
    var isLessBetter = true

    var best: Double? { isLessBetter ? values.min() : values.max() }
  }

  var columns: [Column] {
    let m = runs.map(\.run.measures)
    var columns = [
      Column(title: "ANTT", values: m.map(\.antt), show: { decimal($0, digits: 4) }),
      Column(
        title: "× bound", values: runs.map { $0.run.measures.antt / $0.lowerBound }, show: { decimal($0, digits: 4) }),
      Column(title: "STP", values: m.map(\.stp), show: { decimal($0, digits: 4) }, isLessBetter: false),
      Column(title: "wait p50", values: m.map(\.wait.p50), show: duration),
      Column(title: "p95", values: m.map(\.wait.p95), show: duration),
      Column(title: "p99", values: m.map(\.wait.p99), show: duration),
      Column(title: "longest", values: m.map(\.wait.max), show: duration),
      Column(title: "worst NTT", values: m.map(\.worstNTT), show: { decimal($0, digits: 3) }),
      Column(title: "Jain", values: m.map(\.jain), show: { decimal($0, digits: 2) }, isLessBetter: false),
      Column(title: "makespan", values: m.map(\.makespan), show: duration),
      Column(title: "preempted", values: m.map { Double($0.preemptions) }, show: { "\(Int($0))" }),
    ]
    if m.contains(where: { $0.cellsFailed > 0 }) {
      columns.append(Column(title: "failed", values: m.map { Double($0.cellsFailed) }, show: { "\(Int($0))" }))
    }
    return columns
  }

  /// The table for people: the best of each column is starred, and green where colours are wanted.
  func table(isColoured: Bool) -> String {
    var cells: [[(text: String, isBest: Bool)]] = runs.map { [($0.run.policy, false)] }
    for column in columns {
      let distinct = Set(column.values.map(column.show)).count > 1
      for index in runs.indices {
        let shown = column.show(column.values[index])
        let isBest = distinct && column.best.map { column.show($0) == shown } == true
        cells[index].append((isBest ? shown + "*" : shown + " ", isBest))
      }
    }
    let titles = ["policy"] + columns.map { $0.title + " " }
    let widths = titles.indices.map { place in max(titles[place].count, cells.map { $0[place].text.count }.max() ?? 0) }
    func line(_ texts: [(text: String, isBest: Bool)]) -> String {
      texts.enumerated().map { place, cell in
        let gap = String(repeating: " ", count: widths[place] - cell.text.count)
        let text = cell.isBest && isColoured ? "\u{1B}[1;32m\(cell.text)\u{1B}[0m" : cell.text
        return place == 0 ? text + gap : gap + text
      }.joined(separator: "  ")
    }
    let head =
      "\(trace.name): \(trace.notebooks.count) notebooks, \(trace.cellCount) cells on \(node.counts.joined(separator: " and "))"
    let bound =
      "no schedule has an ANTT below \(decimal(runs.first?.lowerBound ?? 1, digits: 5)), or an STP above \(trace.notebooks.count)"
    return ([head, bound, "", line(titles.map { ($0, false) })] + cells.map(line)).joined(separator: "\n") + "\n"
  }
}
