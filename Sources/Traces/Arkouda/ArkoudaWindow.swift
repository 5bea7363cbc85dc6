/// One request to the server: whose, and between which instants it started and ended (microseconds on the log's clock).
struct ArkoudaRequest {
  var user: Int
  var command: String
  var startLeast: Int64
  var startMost: Int64
  var endLeast: Int64
  var endMost: Int64
  /// How long it took by the server's own clock; nil where the log does not say.
  var took: Int64?
  var failed = false
  /// Never answered: the server was killed, or the log ends.
  var lost = false

  var start: Int64 { startLeast + (startMost - startLeast) / 2 }
  var end: Int64 { endLeast + (endMost - endLeast) / 2 }
}

/// Narrows the instants of requests by what must be true: a request lasts as long as it took, and a server works on one
/// request after the other.
///
/// Stamps have a resolution, mostly of 1 s, so that each instant is an interval. A request that took 0.7 s and whose
/// stamps are a second apart started in the last 0.7 s of the first one; what started after it ended later. Lower bounds go
/// forward and upper bounds go backward, through a window that ends wherever the stamps stand so far apart that nothing
/// can be learned over the gap. Its length is bounded.
struct ArkoudaWindow {
  /// What the server may spend between its two stamps besides the time that it measured.
  static let slackMicroseconds: Int64 = 5_000
  static let countMost = 4096

  private var requests: [ArkoudaRequest] = []
  /// Groups of stamps that contradict each other: a clock that was set, or a slow disk.
  private(set) var contradictions = 0

  /// Takes the next request; gives those back, in order, that nothing can narrow any more.
  mutating func add(_ request: ArkoudaRequest) -> [ArkoudaRequest] {
    let isApart = requests.last.map { request.startLeast >= $0.endMost } ?? false
    let done = isApart || requests.count >= Self.countMost ? flush() : []
    requests.append(request)
    return done
  }

  /// The rest, narrowed.
  mutating func flush() -> [ArkoudaRequest] {
    defer { requests.removeAll(keepingCapacity: true) }
    var narrowed = requests
    var floor = Int64.min
    for index in narrowed.indices {
      narrowed[index].startLeast = max(narrowed[index].startLeast, floor)
      if let took = narrowed[index].took {
        narrowed[index].startLeast = max(
          narrowed[index].startLeast, narrowed[index].endLeast - took - Self.slackMicroseconds)
        narrowed[index].endLeast = max(narrowed[index].endLeast, narrowed[index].startLeast + took)
      }
      narrowed[index].endLeast = max(narrowed[index].endLeast, narrowed[index].startLeast)
      floor = narrowed[index].endLeast
    }
    var ceiling = Int64.max
    for index in narrowed.indices.reversed() {
      narrowed[index].endMost = min(narrowed[index].endMost, ceiling)
      if let took = narrowed[index].took {
        narrowed[index].endMost = min(
          narrowed[index].endMost, narrowed[index].startMost + took + Self.slackMicroseconds)
        narrowed[index].startMost = min(narrowed[index].startMost, narrowed[index].endMost - took)
      }
      narrowed[index].startMost = min(narrowed[index].startMost, narrowed[index].endMost)
      ceiling = narrowed[index].startMost
    }
    if narrowed.contains(where: { $0.startLeast > $0.startMost || $0.endLeast > $0.endMost }) {
      contradictions += 1
      return requests
    }
    return narrowed
  }
}
