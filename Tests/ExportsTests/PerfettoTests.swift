import Domain
import Foundation
import Projections
import Testing

@testable import Exports

@Suite("The trace for Perfetto") struct PerfettoTests {
  private struct Slice {
    var at: Int
    var end: Int
  }

  private struct Track: Hashable {
    var pid: Int
    var tid: Int
  }

  private static func events(_ entries: [Entry]) throws -> [[String: Any]] {
    var trace = PerfettoTrace(DrawnSession.facts)
    for entry in entries { trace.take(entry) }
    let root = try #require(
      try JSONSerialization.jsonObject(with: Data(trace.finish().utf8)) as? [String: Any], "it is one JSON object")
    #expect(root["displayTimeUnit"] as? String == "ms")
    return try #require(root["traceEvents"] as? [[String: Any]])
  }

  @Test("keeps the rules of the Trace Event Format", arguments: UInt64(1)...16)
  func structure(seed: UInt64) throws {
    let policy = ["dynamic", "fcfs", "os", "partition"][Int(seed % 4)]
    let entries = try DrawnSession.entries(seed: seed, policy: policy)
    var slices: [Track: [Slice]] = [:]
    var last: [Track: Int] = [:]
    var starts: [Int: (Track, Int)] = [:]
    var ends: [Int: (Track, Int)] = [:]
    var named: Set<Track> = []
    for event in try Self.events(entries) {
      let phase = try #require(event["ph"] as? String)
      let track = Track(pid: try #require(event["pid"] as? Int), tid: try #require(event["tid"] as? Int))
      let at = try #require(event["ts"] as? Int)
      #expect(event["name"] is String)
      if phase == "M" {
        if event["name"] as? String == "thread_name" { named.insert(track) }
        continue
      }
      #expect(at >= last[track] ?? 0, "seed \(seed): the times of a track never fall")
      last[track] = at
      switch phase {
      case "X":
        let duration = try #require(event["dur"] as? Int)
        #expect(duration >= 0)
        slices[track, default: []].append(Slice(at: at, end: at + duration))
      case "s":
        let id = try #require(event["id"] as? Int)
        #expect(starts.updateValue((track, at), forKey: id) == nil, "a flow begins once")
      case "f":
        let id = try #require(event["id"] as? Int)
        #expect(event["bp"] as? String == "e")
        #expect(ends.updateValue((track, at), forKey: id) == nil, "a flow ends once")
      case "i": #expect(event["s"] as? String == "g")
      default: Issue.record("seed \(seed): phase \(phase)")
      }
    }
    #expect(Set(starts.keys) == Set(ends.keys), "seed \(seed): every flow that begins ends")
    #expect(policy == "os" || !starts.isEmpty)
    func isWithin(_ place: (Track, Int)) -> Bool {
      slices[place.0]?.contains { $0.at <= place.1 && place.1 <= $0.end } == true
    }
    for (id, start) in starts {
      #expect(isWithin(start), "seed \(seed): flow \(id) leaves from a slice")
      if let end = ends[id] {
        #expect(isWithin(end) && start.1 <= end.1, "seed \(seed): flow \(id) reaches a later slice")
      }
    }
    for (track, list) in slices {
      #expect(named.contains(track), "seed \(seed): track \(track) has a name")
      for (one, next) in zip(list, list.dropFirst()) {
        #expect(one.end <= next.at, "seed \(seed): slices of track \(track) do not overlap")
      }
    }
  }

  @Test("has as much time on cores and GPUs as was allotted")
  func totals() throws {
    let entries = try DrawnSession.entries(seed: 3, policy: "fcfs")
    let events = try Self.events(entries)
    func sum(_ pid: Int) -> Int {
      events.filter { $0["ph"] as? String == "X" && $0["pid"] as? Int == pid }.reduce(0) {
        $0 + ($1["dur"] as? Int ?? 0)
      }
    }
    var expected = (cores: 0, gpus: 0)
    var held: [NotebookID: (Allotment, Instant)] = [:]
    let end = entries.last?.at ?? .zero
    func close(_ id: NotebookID, _ now: Instant) {
      guard let (allotment, since) = held.removeValue(forKey: id) else { return }
      expected.cores += allotment.cores.count * Int((now - since).microseconds)
      expected.gpus += allotment.gpus.count * Int((now - since).microseconds)
    }
    for entry in entries {
      switch entry.event {
      case .cellStarted(_, let id, let allotment, _), .cellResumed(_, let id, let allotment, _),
        .cellResized(_, let id, let allotment, _):
        close(id, entry.at)
        held[id] = (allotment, entry.at)
      case .cellSuspended(_, let id, _), .cellEnded(_, let id, _): close(id, entry.at)
      default: break
      }
    }
    for id in held.keys.sorted() { close(id, end) }
    #expect(sum(1) == expected.cores && sum(2) == expected.gpus)
    #expect(expected.cores > 0 && expected.gpus > 0)
  }

  @Test("is a trace even of nothing")
  func empty() throws {
    #expect(try Self.events([]).allSatisfy { $0["ph"] as? String == "M" })
  }
}
