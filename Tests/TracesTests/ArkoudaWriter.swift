import Chance
import Foundation

@testable import Traces

/// A made-up schedule of requests, and the log that a server of each era would write of it.
struct ArkoudaWriter {
  enum Era: String, CaseIterable, Sendable {
    case october2019, december2019, summer2020, december2020, march2023, june2024, may2025, iso

    var namesUsers: Bool { self != .october2019 && self != .december2019 && self != .summer2020 }
    var resolutionSeconds: Double {
      switch self {
      case .october2019: 0.1
      case .december2019, .iso: 0.001
      default: 1
      }
    }
  }

  struct Request {
    var user: String
    var command: String
    /// Seconds since the first midnight.
    var start: Double
    var took: Double
    var fails = false
    var isAnswered = true
  }

  var requests: [Request] = []
  /// True cells: user, start, end.
  var cells: [(user: String, start: Double, end: Double)] = []

  /// A drawn schedule: sessions one after the other or beside each other, cells of one to four requests, thoughts of 2 to
  /// 600 seconds. Nobody's request comes within a millisecond of another's, because a server takes one after the other.
  init(seed: UInt64, users: [String] = ["ann", "ben"], cellsEach: Int = 12, from begin: Double = 80_000) {
    var random = SplitMix(seed: seed)
    var plans: [(at: Double, user: String)] = users.enumerated().map { (begin + Double($0.offset) * 40, $0.element) }
    var counts: [String: Int] = [:]
    var free = 0.0
    while let index = plans.indices.min(by: { plans[$0].at < plans[$1].at }) {
      let user = plans[index].user
      let number = counts[user, default: 0]
      counts[user] = number + 1
      // The server takes nobody while it works.
      var clock = max(plans[index].at, free + 0.7)
      let first = clock
      let commands = number == 0 ? ["connect", "getconfig"] : (0..<(1 + random.index(below: 4))).map { _ in "binopvs" }
      for command in commands {
        let took = number == 0 ? 0.0004 : random.exponential(mean: 0.8) + 0.00005
        requests.append(
          Request(user: user, command: command, start: clock, took: took, fails: number > 0 && random.uniform() < 0.1))
        clock += took + 0.003
      }
      clock -= 0.003
      free = clock
      cells.append((user, first, clock))
      plans[index].at = clock + 2 + random.uniform() * (random.uniform() < 0.2 ? 600 : 20)
      if counts[user] == cellsEach { plans.remove(at: index) }
    }
  }

  func log(_ era: Era) -> String {
    var text = banner(era)
    for request in requests { text += lines(of: request, era) }
    return text
  }

  private func banner(_ era: Era) -> String {
    switch era {
    case .october2019, .december2019:
      "arkouda server version = v2019\nmemory tracking = false\nserver listening on node01:5555\n"
    default: "\n\n*****\n*          server listening on tcp://node01:5555         *\n*****\n\n\n"
    }
  }

  private func lines(of request: Request, _ era: Era) -> String {
    let command = request.command
    let end = request.start + request.took
    let ended = "\(command) took \(request.took) sec"
    switch era {
    case .october2019:
      let clock = String(format: "%.1f", request.start.truncatingRemainder(dividingBy: 86_400))
      return
        "reqMsg: \(command) x\n>>> \(command) started at \(clock)sec\nrepMsg:\(request.fails ? "Error: no" : "done")\n<<< \(command) took \(String(format: "%.4f", request.took))sec\n"
    case .december2019:
      return
        "reqMsg: \(command) x\n>>> \(command) started at \(request.start) sec\nrepMsg:\(request.fails ? "Error: no" : "done")\n<<< \(ended)\n"
    case .summer2020:
      return
        "[arkouda_server] main Line 1 INFO [Chapel] >>> \(command) x\n[arkouda_server] main Line 2 INFO [Chapel] <<< \(ended)\n"
    case .december2020, .march2023, .june2024, .may2025, .iso:
      let tag = era == .may2025 || era == .iso ? "[Chapel ]" : "[Chapel]"
      func line(_ at: Double, _ level: String, _ message: String) -> String {
        "\(stamp(at, era)) [ServerDaemon] run Line 1 \(level) \(tag) \(message)\n"
      }
      let shown = era == .december2020 || era == .march2023 ? "\"\(command)\" \"\\\"x\\\"\"" : "\(command) [\"x\"]"
      var text = era == .december2020 ? "" : line(request.start, "INFO", "MessageArgs: {param_list = []}")
      text += line(request.start, "INFO", ">>> \(shown)")
      guard request.isAnswered else { return text }
      text += line(
        end, "INFO", #"repMsg: {"msg":"it said \"user\":\"mallory\"", "msgType":"NORMAL", "user":"\#(request.user)"}"#)
      if request.fails {
        text += line(end, "ERROR", "<<< \(command) resulted in error Error: no in  \(request.took) sec")
      } else {
        text += line(end, "INFO", "<<< \(ended)")
      }
      return text + line(end, "INFO", "bytes of memory used after command 1")
    }
  }

  /// 12 January 2026 and the days after it.
  private func stamp(_ seconds: Double, _ era: Era) -> String {
    let time = Timestamp.text(Int64(Timestamp.days(2026, 1, 12)) * 86_400_000_000 + Int64(seconds * 1e6))
    switch era {
    case .december2020, .march2023: return time.replacingOccurrences(of: " ", with: ":")
    case .iso:
      let fraction = Int((seconds * 1e6).truncatingRemainder(dividingBy: 1e6))
      return time.replacingOccurrences(of: " ", with: "T") + String(format: ".%06d", fraction)
    default: return time
    }
  }
}
