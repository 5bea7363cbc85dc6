import Domain
import Simulation
import Traces

/// One HTML page that needs nothing else: tables, the distribution of the waits, and a timeline for each policy.
struct ComparisonPage {
  private let comparisons: [Comparison]
  /// How many notebooks and cells a timeline shows at the most: a browser draws no more in comfort.
  static let rowsMost = 120
  static let cellsMost = 6000

  init(_ comparisons: [Comparison]) { self.comparisons = comparisons }

  var html: String {
    """
    <!DOCTYPE html>
    <html lang="en"><head><meta charset="utf-8"><title>celltop compare</title><style>
    body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em;color:#222;background:#fff}
    table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right}td:first-child,th:first-child{text-align:left}
    tr:nth-child(even){background:#f4f6f8}.best{font-weight:700;color:#06703a}svg{width:100%;background:#fafbfc}
    .wait{fill:#e0a030}.run{fill:#2f6fb0}b.wait{color:#b07818}b.run{color:#2f6fb0}text{font:11px system-ui,sans-serif;fill:#444}
    @media(prefers-color-scheme:dark){body{background:#16191d;color:#ddd}tr:nth-child(even){background:#20252b}
    svg{background:#1b1f24}text{fill:#bbb}.best{color:#5fd38d}}
    </style></head><body>
    \(comparisons.map(section).joined())
    </body></html>

    """
  }

  private func section(_ comparison: Comparison) -> String {
    """
    <h1>\(comparison.trace.name.markupEscaped)</h1>
    <p>\(comparison.trace.notebooks.count) notebooks, \(comparison.trace.cellCount) cells on \
    \(comparison.node.counts.joined(separator: " and ")). No schedule has an ANTT below \
    \(decimal(comparison.runs.first?.lowerBound ?? 1, digits: 5)).</p>
    \(table(comparison))
    <h2>Waits</h2><p>The share of cells (upwards) that stood still no longer than a time (to the right, logarithmic).</p>
    \(distribution(comparison))
    \(comparison.runs.map { "<h2>\($0.run.policy.markupEscaped)</h2>" + timeline($0, of: comparison.trace) }.joined())
    """
  }

  private func table(_ comparison: Comparison) -> String {
    let columns = comparison.columns
    let head = columns.map { "<th>\($0.title)</th>" }.joined()
    let rows = comparison.runs.indices.map { index in
      let cells = columns.map { column in
        let shown = column.show(column.values[index])
        let isBest = column.best.map { column.show($0) == shown } == true
        return "<td\(isBest ? " class=\"best\"" : "")>\(shown)</td>"
      }
      return "<tr><td>\(comparison.runs[index].run.policy.markupEscaped)</td>\(cells.joined())</tr>"
    }
    return "<table><tr><th>policy</th>\(head)</tr>\(rows.joined())</table>"
  }

  /// Cumulative distributions, one line a policy.
  private func distribution(_ comparison: Comparison) -> String {
    let colours = ["#2f6fb0", "#c0392b", "#27864a", "#8e44ad", "#d07c10", "#118a8a", "#7f6b52", "#555"]
    var marks = ""
    for (number, finished) in comparison.runs.enumerated() {
      let waits = finished.run.history.map { cell in
        let alone = comparison.trace.notebooks[Int(cell.notebook)].cells[Int(cell.cell)].run
        return max((cell.ended - cell.submitted - alone).seconds, 0)
      }.sorted()
      guard !waits.isEmpty else { continue }
      let points = (0...100).map { step in
        let wait = waits[min(step * waits.count / 100, waits.count - 1)]
        return "\(decimal(logarithmic(wait), digits: 5)),\(220 - step * 2)"
      }
      let colour = colours[number % colours.count]
      marks +=
        "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"\(colour)\" points=\"\(points.joined(separator: " "))\"/>"
      marks +=
        "<text x=\"\(20 + number * 130)\" y=\"14\" style=\"fill:\(colour)\">\(finished.run.policy.markupEscaped)</text>"
    }
    for (wait, name) in [(1.0, "1 s"), (10, "10 s"), (60, "1 min"), (3600, "1 h"), (86_400, "1 d")] {
      let x = decimal(logarithmic(wait), digits: 5)
      marks +=
        "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"20\" y2=\"220\" stroke=\"#8884\"/><text x=\"\(x)\" y=\"234\">\(name)</text>"
    }
    return "<svg viewBox=\"0 0 1100 240\">\(marks)</svg>"
  }

  /// 0.1 s at 20, each factor of two 50 further.
  private func logarithmic(_ seconds: Double) -> Double {
    var x = 20.0
    var left = max(seconds, 0.1) / 0.1
    while left >= 2 {
      left /= 2
      x += 45
    }
    return x + (left - 1) * 45
  }

  /// A row a notebook, a bar a cell: waiting, then running.
  private func timeline(_ finished: FinishedRun, of trace: Trace) -> String {
    let cells = finished.run.history.filter { Int($0.notebook) < Self.rowsMost }.prefix(Self.cellsMost)
    guard let first = cells.map(\.submitted).min(), let last = cells.map(\.ended).max(), last > first else { return "" }
    let scale = 1000 / (last - first).seconds
    let rows = min(trace.notebooks.count, Self.rowsMost)
    func x(_ instant: Instant) -> Double { 90 + (instant - first).seconds * scale }
    var marks = ""
    for cell in cells {
      let y = Int(cell.notebook) * 9
      func bar(_ kind: String, _ from: Instant, _ to: Instant) {
        let width = x(to) - x(from)
        guard width > 0.05 else { return }
        marks +=
          "<rect class=\"\(kind)\" x=\"\(decimal(x(from), digits: 6))\" y=\"\(y)\" height=\"7\" width=\"\(decimal(width, digits: 4))\"/>"
      }
      bar("wait", cell.submitted, cell.started)
      bar("run", cell.started, cell.ended)
    }
    for row in stride(from: 0, to: rows, by: max(rows / 20, 2)) {
      marks += "<text x=\"0\" y=\"\(row * 9 + 8)\">\(trace.notebooks[row].name.markupEscaped)</text>"
    }
    let height = rows * 9 + 18
    for quarter in 0...4 {
      let x = 90 + quarter * 250
      let time = duration((last - first).seconds * Double(quarter) / 4)
      let anchor = quarter == 4 ? "end" : "start"
      marks +=
        "<line x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"\(height - 12)\" stroke=\"#8884\"/><text x=\"\(x)\" y=\"\(height - 2)\" text-anchor=\"\(anchor)\">\(time)</text>"
    }
    let left = trace.notebooks.count - rows
    let more = left > 0 ? ", and \(left) more notebooks that are not drawn" : ""
    return
      "<p>A row a notebook: <b class=\"wait\">waiting</b>, <b class=\"run\">from start to end</b>\(more).</p><svg viewBox=\"0 0 1100 \(height)\">\(marks)</svg>"
  }
}
