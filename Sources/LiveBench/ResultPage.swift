import Domain

/// One HTML page that needs nothing else: the tables, and a timeline for each scheme of each workload.
public struct ResultPage: Sendable {
  public let html: String

  /// - Parameters:
  ///   - tables: the Markdown of `ResultTables`.
  ///   - record: where the timelines come from; the first repetition of each arm is drawn.
  public init(_ tables: String, _ record: BenchRecord) {
    let legend =
      "<p>A row a notebook: <b style=\"color:#b07818\">waiting</b>, <b style=\"color:#5b9bd5\">running on one core</b>, "
      + "<b style=\"color:#1f5f9f\">on more</b>, <b style=\"color:#7a93ad\">running, nobody counted on what</b>, "
      + "<b style=\"color:#c0392b\">suspended</b>; between them its author thinks, or it is done.</p>"
    let pictures = record.plan.blocks.map { block in
      let arms = block.schemes.compactMap { record.arms(block.workload, $0).first }
      let seconds = arms.flatMap(\.cells).map(\.ended).max() ?? 0
      return arms.isEmpty
        ? ""
        : "<h2>\(block.workload.title)</h2>" + legend
          + arms.map { Self.picture($0, record, seconds: seconds).svg }.joined(separator: "\n")
    }
    html = """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><title>celltop bench live</title><style>
      body{font:14px/1.5 system-ui,sans-serif;margin:2em auto;max-width:1250px;padding:0 1em;color:#222;background:#fff}
      table{border-collapse:collapse;font-size:13px}td,th{padding:.2em .7em;text-align:right}
      td:first-child,th:first-child{text-align:left}tr:nth-child(even){background:#f4f6f8}svg{width:100%}
      @media(prefers-color-scheme:dark){body{background:#16191d;color:#ddd}tr:nth-child(even){background:#20252b}}
      </style></head><body><h1>The same notebooks on real kernels</h1>
      \(Self.body(tables))
      <h1>Timelines</h1>
      \(pictures.joined(separator: "\n"))
      </body></html>

      """
  }

  /// The timeline of one arm.
  public static func picture(_ arm: ArmRecord, _ record: BenchRecord, seconds: Double? = nil) -> TimelinePicture {
    TimelinePicture(
      arm.cells, names: record.plan.names(of: arm.key.workload),
      title: "\(arm.key.workload.title): \(arm.key.scheme.rawValue), repetition \(arm.key.repetition)",
      seconds: seconds ?? arm.cells.map(\.ended).max() ?? 0)
  }

  /// The little Markdown that the tables are made of, as HTML: headings, tables, paragraphs, bold and code.
  static func body(_ markdown: String) -> String {
    var html = ""
    var rows: [String] = []
    func cells(_ line: String) -> [String] {
      line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map {
        inline($0.split(separator: " ").joined(separator: " "))
      }
    }
    func flush() {
      guard let head = rows.first else { return }
      html += "<table><tr>" + cells(head).map { "<th>\($0)</th>" }.joined() + "</tr>\n"
      for row in rows.dropFirst(2) { html += "<tr>" + cells(row).map { "<td>\($0)</td>" }.joined() + "</tr>\n" }
      html += "</table>\n"
      rows = []
    }
    for line in markdown.split(separator: "\n").map(String.init) {
      if line.hasPrefix("|") {
        rows.append(line)
        continue
      }
      flush()
      html += line.hasPrefix("### ") ? "<h2>\(inline(String(line.dropFirst(4))))</h2>\n" : "<p>\(inline(line))</p>\n"
    }
    flush()
    return html
  }

  private static func inline(_ text: String) -> String {
    var result = text.markupEscaped
    for (mark, tag) in [("**", "b"), ("`", "code")] {
      var parts: [String] = []
      var rest = result[...]
      while let at = rest.firstIndex(of: mark.first ?? "*"), rest[at...].hasPrefix(mark) {
        parts.append(String(rest[..<at]))
        rest = rest[at...].dropFirst(mark.count)
      }
      guard parts.count.isMultiple(of: 2) else { continue }
      var joined = ""
      for (place, part) in parts.enumerated() { joined += part + (place.isMultiple(of: 2) ? "<\(tag)>" : "</\(tag)>") }
      result = joined + rest
    }
    return result
  }
}
