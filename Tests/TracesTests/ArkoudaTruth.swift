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
  /// - Parameter zero: the trace's time 0 in seconds since 1970.
  func score(_ trace: Trace, zero: Double, resolution: Double, namesUsers: Bool = true) -> Score {
    struct Found {
      var user: String
      var start: Double
      var end: Double
      var think: Double
      var isUsed = false
    }
    var found: [Found] = []
    for notebook in trace.notebooks {
      var clock = zero + notebook.arrival.seconds
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
