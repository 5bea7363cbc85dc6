import Domain

/// A timeline of timed cells, one form for every scheme: a row a notebook, waiting, running by how many cores, suspended.
public struct TimelinePicture: Sendable {
  /// One picture's rows, and what stands above it.
  public let svg: String

  static let left = 130.0
  static let width = 1000.0
  static let rowHeight = 18

  /// - Parameters:
  ///   - cells: of one arm.
  ///   - names: the rows, in this order.
  ///   - seconds: how long the picture is, so that several can be compared.
  public init(_ cells: [TimedCell], names: [String], title: String, seconds: Double) {
    let scale = Self.width / max(seconds, 1e-6)
    func x(_ second: Double) -> Double { Self.left + max(second, 0) * scale }
    var marks = "<text x=\"0\" y=\"12\" class=\"t\">\(title.markupEscaped)</text>"
    func bar(_ kind: String, _ from: Double, _ to: Double, _ row: Int, _ note: String) {
      let wide = (to - from) * scale
      guard wide > 0.05 else { return }
      marks +=
        "<rect class=\"\(kind)\" x=\"\(Self.short(x(from)))\" y=\"\(20 + row * Self.rowHeight)\" "
        + "width=\"\(Self.short(wide))\" height=\"\(Self.rowHeight - 5)\"><title>\(note.markupEscaped)</title></rect>"
    }
    for (row, name) in names.enumerated() {
      marks += "<text x=\"0\" y=\"\(31 + row * Self.rowHeight)\">\(name.markupEscaped)</text>"
      for cell in cells where cell.notebook == name {
        let note = "\(name) \(cell.id): \(figure(cell.turnaround)) s"
        bar("w", cell.submitted, cell.started, row, note + ", waits")
        let stretches = cell.ran.isEmpty ? [TimedCell.Stretch(from: cell.started, to: cell.ended, cores: 0)] : cell.ran
        var last: Double?
        for stretch in stretches {
          if let last { bar("s", last, stretch.from, row, note + ", suspended") }
          bar(
            Self.kind(stretch.cores), stretch.from, stretch.to, row,
            note + (stretch.cores > 0 ? ", \(stretch.cores) cores" : ""))
          last = stretch.to
        }
      }
    }
    let height = 20 + names.count * Self.rowHeight
    for quarter in 0...4 {
      let second = seconds * Double(quarter) / 4
      marks +=
        "<line x1=\"\(Self.short(x(second)))\" x2=\"\(Self.short(x(second)))\" y1=\"18\" y2=\"\(height)\"/>"
        + "<text x=\"\(Self.short(x(second)))\" y=\"\(height + 12)\"\(quarter == 4 ? " text-anchor=\"end\"" : "")>\(figure(second)) s</text>"
    }
    svg =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.left + Self.width) + 5) \(height + 18)\">"
      + "<style>\(Self.style)</style>\(marks)</svg>"
  }

  /// The classes of bars: waiting, suspended, running on an unknown number of cores, on one, on more.
  static let style =
    "text{font:11px system-ui,sans-serif;fill:#666}.t{font-weight:600}.w{fill:#e0a030}.s{fill:#c0392b}.r{fill:#7a93ad}"
    + ".r1{fill:#5b9bd5}.r2{fill:#1f5f9f}line{stroke:#8886}"

  private static func kind(_ cores: Int) -> String { cores == 0 ? "r" : cores == 1 ? "r1" : "r2" }

  private static func short(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
}
