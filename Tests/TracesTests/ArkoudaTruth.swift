import Domain
import Foundation

@testable import Traces

/// The schedule behind the sample logs, and how much of it an import recovers.
struct ArkoudaTruth {
  struct Cell {
    var user: String
    var session: Int
    /// Seconds since 1970.
    var start: Double
    var end: Double
    var requests: Int
  }

  var cells: [Cell] = []

  /// Reads `server,user,session,cell,start,end,requests,planned_think_s,commands`.
  init(_ text: String) throws {
    for line in text.split(whereSeparator: \.isNewline).dropFirst() {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      let times = try [fields[4], fields[5]].map { field in
        guard let (time, _) = Timestamp.reading(Array(field.utf8)[...]) else {
          throw ParseError(reading: "the truth", text: String(field), because: "it is no time", mend: "an ISO stamp")
        }
        return Double(time.microseconds) / 1e6
      }
      cells.append(
        Cell(
          user: String(fields[1]), session: Int(fields[2]) ?? 0, start: times[0], end: times[1],
          requests: Int(fields[6]) ?? 0))
    }
    cells.sort { $0.start < $1.start }
  }

  struct Score {
    var cells = 0
    var recovered = 0
    var thinks = 0
    var thinksWithin = 0
    var thinkErrorMost = 0.0
    var thinkErrorMean = 0.0
  }

  /// A true cell is recovered where a cell of the same user starts and ends when it did, to the clock's resolution; each
  /// cell of the import is counted once. Think times are compared where a cell and the one before it were recovered.
  ///
  func score(_ trace: Trace, resolution: Double) -> Score {
    score(trace.notebooks.map { ($0, cells[0].start + $0.arrival.seconds) }, resolution: resolution, namesUsers: true)
  }

  /// The same for a log that names no user and knows no date: its clients stand in the order of the true sessions, each with
  /// a 'connect', and a session's time begins with it.
  func scoreWithoutUsers(_ trace: Trace, resolution: Double) -> Score {
    let clients = Dictionary(grouping: trace.notebooks.filter { $0.cells.count > 1 }, by: \.user).values.map { $0 }
      .sorted { $0[0].arrival < $1[0].arrival }
    var starts: [Double] = []
    var seen: Set<Int> = []
    for cell in cells where seen.insert(cell.session).inserted { starts.append(cell.start) }
    let placed = zip(clients, starts).flatMap { notebooks, start in
      notebooks.map { ($0, start + ($0.arrival - notebooks[0].arrival).seconds) }
    }
    return score(placed, resolution: resolution, namesUsers: false)
  }

  /// - Parameter notebooks: each with its arrival in seconds since 1970.
  private func score(_ notebooks: [(TraceNotebook, Double)], resolution: Double, namesUsers: Bool) -> Score {
    struct Found {
      var user: String
      var start: Double
      var end: Double
      var think: Double
      var isUsed = false
    }
    var found: [Found] = []
    for (notebook, arrival) in notebooks {
      var clock = arrival
      for cell in notebook.cells {
        clock += cell.think.seconds
        found.append(
          Found(user: notebook.user, start: clock, end: clock + cell.run.seconds, think: cell.think.seconds))
        clock += cell.run.seconds
      }
    }
    var score = Score(cells: cells.count)
    var before: [String: (end: Double, isRecovered: Bool)] = [:]
    for cell in cells {
      let key = "\(cell.user) \(cell.session)"
      let match = found.indices.first { index in
        let other = found[index]
        return !other.isUsed && (!namesUsers || other.user == cell.user) && abs(other.start - cell.start) <= resolution
          && abs(other.end - cell.end) <= resolution
      }
      if let match {
        found[match].isUsed = true
        score.recovered += 1
        if let previous = before[key], previous.isRecovered {
          let error = abs(found[match].think - (cell.start - previous.end))
          score.thinks += 1
          if error <= resolution { score.thinksWithin += 1 }
          score.thinkErrorMost = max(score.thinkErrorMost, error)
          score.thinkErrorMean += error
        }
      }
      before[key] = (cell.end, match != nil)
    }
    score.thinkErrorMean /= Double(max(score.thinks, 1))
    return score
  }
}
