import Foundation

/// What the crew of players (`Sources/Player/crew.py`) wrote down of one run.
public struct Chronicle: Sendable {
  private struct Line: Decodable {
    var event: String
    var at: Double
    var notebook: String?
    var cell: String?
    var number: Int?
    var submitted: Double?
    var started: Double?
    var ended: Double?
    var status: String?
    var processor: Double?
    var seconds: Double?
    var pid: Int32?
  }

  /// When all kernels were ready, in seconds since 1970; the first arrival where the notebooks came one by one.
  public private(set) var began = 0.0
  public private(set) var cells: [TimedCell] = []
  /// When each notebook arrived, in seconds since `began`.
  public private(set) var arrivals: [String: Double] = [:]
  /// How long kernels took from their start to their first answer, in seconds.
  public private(set) var kernelStarts: [Double] = []
  /// Whether everything was played to its end, well.
  public private(set) var isComplete = false

  /// Reads the lines; one that was cut off by a crash is passed over.
  public init(_ text: String) {
    var lines: [Line] = []
    let decoder = JSONDecoder()
    for line in text.split(separator: "\n") {
      if let one = try? decoder.decode(Line.self, from: Data(line.utf8)) { lines.append(one) }
    }
    let first = lines.first { $0.event == "begin" } ?? lines.first { $0.event == "arrived" }
    began = first?.at ?? 0
    for line in lines {
      switch line.event {
      case "cell": take(line)
      case "arrived": if let name = line.notebook { arrivals[name] = line.at - began }
      case "kernel_ready": if let seconds = line.seconds { kernelStarts.append(seconds) }
      case "done": isComplete = line.status == "ok" && cells.allSatisfy(\.isWell)
      default: break
      }
    }
  }

  private mutating func take(_ line: Line) {
    guard let notebook = line.notebook, let number = line.number, let submitted = line.submitted,
      let started = line.started, let ended = line.ended
    else { return }
    cells.append(
      TimedCell(
        notebook: notebook, number: number, id: line.cell ?? "", submitted: submitted - began, started: started - began,
        ended: ended - began, isWell: line.status == "ok", processorSeconds: line.processor))
  }
}
