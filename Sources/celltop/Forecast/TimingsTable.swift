import Domain
import Forecast
import Traces

/// Reads a table of timed notebooks: CSV with the columns `notebook`, `cell_index`, `start`, `end` and `duration_s`.
///
/// A cell is known by its index in its notebook. A sitting ends where the next cell of the notebook began more than an hour after the
/// end of the one before it.
struct TimingsTable {
  /// The longest pause within a sitting.
  static let pauseMost = Span(seconds: 3600)

  private(set) var notebooks: [Notebook] = []
  private(set) var cells: [Trial.Cell] = []

  /// Whether a file's first line is such a table's.
  static func isHeader(_ line: some StringProtocol) -> Bool {
    let columns = line.split { $0 == "," || $0.isNewline }.map { String($0) }
    return Set(columns).isSuperset(of: ["notebook", "cell_index", "start", "end"])
  }

  /// - Throws: `TraceError` for the first line that is not as the format wants it.
  init(_ bytes: [UInt8], file: String) throws(TraceError) {
    let lines = String(decoding: bytes, as: UTF8.self).split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let names = lines[0].split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
    func column(_ name: String) throws(TraceError) -> Int {
      guard let place = names.firstIndex(of: name) else {
        throw TraceError(
          file: file, line: 1, because: "names no column '\(name)'",
          mend: "The first line names at least notebook, cell_index, start and end.")
      }
      return place
    }
    let (path, index) = (try column("notebook"), try column("cell_index"))
    let (start, end) = (try column("start"), try column("end"))
    var rows: [Row] = []
    for (number, line) in lines.enumerated().dropFirst() where !line.isEmpty {
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count == names.count else {
        throw TraceError(
          file: file, line: number + 1, because: "has \(fields.count) columns", mend: "There are \(names.count).")
      }
      rows.append(
        Row(
          path: String(fields[path]), index: String(fields[index]),
          start: try Self.instant(fields[start], "start", file, number + 1),
          end: try Self.instant(fields[end], "end", file, number + 1)))
    }
    add(rows)
  }

  private struct Row {
    var path: String
    var index: String
    var start: Instant
    var end: Instant
  }

  private mutating func add(_ rows: [Row]) {
    let sorted = rows.sorted { ($0.path, $0.start, $0.end) < ($1.path, $1.start, $1.end) }
    var last: Row?
    for row in sorted {
      if last?.path != row.path || row.start - (last?.end ?? row.start) > Self.pauseMost {
        notebooks.append(Notebook(id: NotebookID(0), node: NodeID(0), user: "author", path: row.path))
      }
      last = row
      cells.append(
        Trial.Cell(
          sitting: Int32(notebooks.count - 1), submitted: row.start, ran: max(row.end - row.start, .zero),
          source: CellSource(jupyterCell: row.index)))
    }
  }

  /// Reads `2026-06-14T19:26:15.495Z`, as microseconds since 1970.
  private static func instant(_ text: Substring, _ name: String, _ file: String, _ line: Int) throws(TraceError)
    -> Instant
  {
    let digits = text.utf8.map { $0 }
    func number(_ from: Int, _ to: Int) -> Int64? {
      guard to <= digits.count else { return nil }
      var value: Int64 = 0
      for byte in digits[from..<to] {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - 0x30)
      }
      return value
    }
    guard let year = number(0, 4), let month = number(5, 7), let day = number(8, 10), let hour = number(11, 13),
      let minute = number(14, 16), let second = number(17, 19), (1...12).contains(month), (1...31).contains(day)
    else {
      throw TraceError(
        file: file, line: line, field: name, because: "is '\(String(text).printable(at: 40))'",
        mend: "Write an instant like 2026-06-14T19:26:15.495Z.")
    }
    var micros: Int64 = 0
    var weight: Int64 = 100_000
    for byte in digits.dropFirst(20) {
      guard (0x30...0x39).contains(byte) else { break }
      micros += Int64(byte - 0x30) * weight
      weight /= 10
    }
    // Days since 1970 of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = month <= 2 ? year - 1 : year
    let era = shifted / 400
    let ofEra = shifted - era * 400
    let ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let days = era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468
    return Instant(microseconds: (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros)
  }
}

extension Trial {
  /// A trace as it would have happened on a node where nobody waits.
  init(of trace: Trace, taught: Double) {
    var notebooks: [Notebook] = []
    var cells: [Cell] = []
    for (number, notebook) in trace.notebooks.enumerated() {
      notebooks.append(
        Notebook(
          id: NotebookID(0), node: NodeID(0), user: notebook.user, path: notebook.name, kernel: "trace"))
      var clock = notebook.arrival
      for cell in notebook.cells {
        clock = clock + cell.think
        cells.append(Cell(sitting: Int32(number), submitted: clock, ran: cell.run, demand: cell.demand))
        clock = clock + cell.run
      }
    }
    self.init(notebooks: notebooks, cells: cells, taught: taught)
  }
}
