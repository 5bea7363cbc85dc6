import Domain
import Foundation

/// What an engine's process used while it was measured, looked at once a second.
struct LoadGauge {
  private let gauge: ProcessGauge
  private let own = ProcessGauge(pid: getpid())
  private let began: (wall: Double, engine: ProcessGauge.Reading, own: ProcessGauge.Reading)
  private(set) var readings: [(at: Double, reading: ProcessGauge.Reading)] = []
  private(set) var ownSeconds = 0.0
  private(set) var wallSeconds = 0.0

  /// - Throws: `ToolError` where there is no such process.
  init(engine pid: pid_t) throws {
    gauge = ProcessGauge(pid: pid)
    guard let reading = gauge.read(), let ours = own.read() else { throw ToolError("the engine \(pid) is gone") }
    began = (monotonicSeconds(), reading, ours)
    readings = [(0, reading)]
  }

  /// - Throws: `ToolError` where the engine has ended.
  mutating func sample() throws {
    guard let reading = gauge.read(), let ours = own.read() else {
      throw ToolError("the engine ended while it was measured")
    }
    wallSeconds = monotonicSeconds() - began.wall
    readings.append((wallSeconds, reading))
    ownSeconds = ours.processorSeconds - began.own.processorSeconds
  }

  var last: ProcessGauge.Reading { readings.last?.reading ?? began.engine }
  var first: ProcessGauge.Reading { began.engine }
  var shareOfACore: Double { (last.processorSeconds - first.processorSeconds) / max(wallSeconds, 0.001) }
  var ownShareOfACore: Double { ownSeconds / max(wallSeconds, 0.001) }
  var residentMost: Int { readings.map(\.reading.residentBytes).max() ?? 0 }

  /// What was read at the middle of the time.
  var middle: ProcessGauge.Reading { (readings.first { $0.at >= wallSeconds / 2 } ?? readings[0]).reading }

  /// What was read about every twelfth of the time.
  var samples: [(at: Double, reading: ProcessGauge.Reading)] {
    let step = max(1, readings.count / 12)
    return stride(from: 0, to: readings.count, by: step).map { readings[$0] }
  }

  /// How fast the resident memory grew over the second half, by least squares: bytes an hour.
  var residentBytesPerHour: Double {
    let half = readings.filter { $0.at >= wallSeconds / 2 }
    guard half.count > 2 else { return .nan }
    let times = half.map(\.at)
    let sizes = half.map { Double($0.reading.residentBytes) }
    let (time, size) = (times.reduce(0, +) / Double(half.count), sizes.reduce(0, +) / Double(half.count))
    let spread = times.reduce(0) { $0 + ($1 - time) * ($1 - time) }
    let joint = zip(times, sizes).reduce(0) { $0 + ($1.0 - time) * ($1.1 - size) }
    return spread > 0 ? joint / spread * 3600 : .nan
  }
}

/// What `bench load` found, with the bounds that it is held against.
struct LoadReport {
  private let figures: CrowdFigures
  private let gauge: LoadGauge
  private let allowedMicroseconds: Int
  var gates = 0
  var consoles = 0
  /// Consoles that did not follow any more in the end.
  var consolesLost = 0
  /// Consoles that never read, and how often the server let go of one.
  var stuckConsoles = 0
  var stuckLetGo = 0
  var connectSeconds = 0.0
  /// The figures once nobody submitted any more and the cells in hand had ended.
  var counts = CrowdFigures()
  /// Cells that had not ended half a minute after the last submission.
  var cellsLeft = 0
  var coresGivenTwice = 0
  var refused = 0
  var lastRefusal = ""
  var gatesLost = 0

  init(_ figures: CrowdFigures, gauge: LoadGauge, allowedMicroseconds: Int) {
    (self.figures, self.gauge, self.allowedMicroseconds) = (figures, gauge, allowedMicroseconds)
  }

  private static let residentMost = 150 << 20
  private static let shareMost = 0.25
  /// Over ten minutes and more; a shorter run says nothing of growth.
  private static let growthSecondsLeast = 300.0
  private static let growthMost = 12.0 * Double(1 << 20)

  /// The bounds that do not hold, in words.
  var broken: [String] {
    var broken: [String] = []
    func hold(_ isMet: Bool, _ words: String) { if !isMet { broken.append(words) } }
    hold(figures.wait(share: 0.99) * 1000 <= Double(allowedMicroseconds), "grants take longer than allowed")
    hold(gauge.shareOfACore <= Self.shareMost, "the engine takes more than a quarter of a core")
    hold(gauge.residentMost <= Self.residentMost, "the engine takes more than 150 MB")
    if gauge.wallSeconds >= Self.growthSecondsLeast {
      hold(gauge.residentBytesPerHour <= Self.growthMost, "the engine's memory grows")
    }
    hold(gauge.last.descriptors <= gauge.first.descriptors + 2, "the engine's descriptors grow in number")
    hold(coresGivenTwice == 0, "cores were given twice")
    hold(cellsLeft == 0, "cells were lost")
    hold(counts.isWhole, "not every cell started and ended once")
    hold(refused == 0, "the engine gave orders that made no sense")
    hold(gatesLost == 0, "gates lost the engine")
    hold(consolesLost == 0, "consoles did not follow")
    return broken
  }

  /// Names, values and units, in the order of reading.
  private var rows: [(name: String, value: Double, unit: String)] {
    let megabyte = Double(1 << 20)
    return [
      ("gates", Double(gates), ""), ("consoles", Double(consoles), ""), ("consolesLost", Double(consolesLost), ""),
      ("consolesStuck", Double(stuckConsoles), ""), ("consolesStuckLetGo", Double(stuckLetGo), ""),
      ("connectSeconds", connectSeconds, "s"), ("seconds", gauge.wallSeconds, "s"),
      ("cellsSubmitted", Double(counts.submitted), ""), ("cellsWaitingBefore", Double(counts.waitingBefore), ""),
      ("cellsGranted", Double(counts.granted), ""), ("cellsGrantedTwice", Double(counts.grantedTwice), ""),
      ("cellsEnded", Double(counts.ended), ""), ("cellsInHandBefore", Double(counts.inHandBefore), ""),
      ("ranWithoutEngine", Double(counts.ranWithoutEngine), ""),
      ("cellsPerSecond", Double(figures.granted) / gauge.wallSeconds, "/s"),
      ("cellsWithRoom", Double(figures.waits.count), ""),
      ("grantP50Milliseconds", figures.wait(share: 0.5), "ms"),
      ("grantP99Milliseconds", figures.wait(share: 0.99), "ms"),
      ("grantP999Milliseconds", figures.wait(share: 0.999), "ms"),
      ("grantMaxMilliseconds", figures.wait(share: 1), "ms"),
      ("engineShareOfACore", gauge.shareOfACore, ""), ("gatesShareOfACore", gauge.ownShareOfACore, ""),
      ("residentStartMegabytes", Double(gauge.first.residentBytes) / megabyte, "MB"),
      ("residentMiddleMegabytes", Double(gauge.middle.residentBytes) / megabyte, "MB"),
      ("residentEndMegabytes", Double(gauge.last.residentBytes) / megabyte, "MB"),
      ("residentMostMegabytes", Double(gauge.residentMost) / megabyte, "MB"),
      ("residentGrowthMegabytesPerHour", gauge.residentBytesPerHour / megabyte, "MB/h"),
      ("descriptorsStart", Double(gauge.first.descriptors), ""),
      ("descriptorsMiddle", Double(gauge.middle.descriptors), ""),
      ("descriptorsEnd", Double(gauge.last.descriptors), ""),
      ("threadsEnd", Double(gauge.last.threads), ""), ("coresGivenTwice", Double(coresGivenTwice), ""),
      ("cellsLost", Double(cellsLeft), ""), ("ordersRefused", Double(refused), ""),
      ("gatesThatLostTheEngine", Double(gatesLost), ""),
    ]
  }

  var json: String {
    let facts = rows.map { "\"\($0.name)\": \(decimal($0.value, digits: 5))" }
    let words = broken.map { "\"\($0)\"" }.joined(separator: ", ")
    let samples = gauge.samples.map {
      "{\"seconds\": \(Int($0.at)), \"residentBytes\": \($0.reading.residentBytes), \"descriptors\": \($0.reading.descriptors), \"processorSeconds\": \(decimal($0.reading.processorSeconds, digits: 5))}"
    }.joined(separator: ", ")
    return "{\"bench\": \"load\", \(facts.joined(separator: ", ")), \"samples\": [\(samples)], \"broken\": [\(words)]}"
  }

  var text: String {
    var lines = rows.map { row in
      row.name + String(repeating: " ", count: max(34 - row.name.count, 1)) + decimal(row.value, digits: 4)
        + (row.unit.isEmpty ? "" : " " + row.unit)
    }
    if !lastRefusal.isEmpty { lines.append("last refusal: " + lastRefusal.printable(at: 200)) }
    lines.append(broken.isEmpty ? "every bound holds" : "BROKEN: " + broken.joined(separator: "; "))
    return lines.joined(separator: "\n")
  }
}
