import Domain
import Foundation
import Testing

@testable import Exports

@Suite("Tables of a session") struct TableTests {
  /// Reads CSV by its rules (RFC 4180), without the code under test.
  static func parsed(_ text: String) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var field = ""
    var isQuoted = false
    var scalars = Array(text.unicodeScalars)[...]
    while let scalar = scalars.popFirst() {
      if isQuoted {
        guard scalar == "\"" else {
          field.unicodeScalars.append(scalar)
          continue
        }
        if scalars.first == "\"" {
          field += "\""
          scalars.removeFirst()
        } else {
          isQuoted = false
        }
      } else if scalar == "\"" {
        isQuoted = true
      } else if scalar == "," {
        row.append(field)
        field = ""
      } else if scalar == "\n" {
        row.append(field)
        rows.append(row)
        (row, field) = ([], "")
      } else if scalar != "\r" {
        field.unicodeScalars.append(scalar)
      }
    }
    return rows
  }

  private static func csv(_ table: ExportTable, _ entries: [Entry]) -> [[String]] {
    var export = CSVExport(table, of: DrawnSession.facts)
    var text = ""
    for entry in entries { text += export.take(entry) }
    return parsed(text + export.finish())
  }

  @Test("are the same in CSV and in JSON, row by row", arguments: UInt64(1)...6)
  func agree(seed: UInt64) throws {
    let entries = try DrawnSession.entries(seed: seed)
    var text = ""
    try JSONExport(DrawnSession.facts).write(entries: { body in for entry in entries { try body(entry) } }) {
      text += $0
    }
    let root = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect((root["session"] as? [String: Any])?["host"] as? String == "node<7>")
    for table in ExportTable.allCases {
      let objects = try #require(root[table.rawValue] as? [[String: Any]])
      let rows = Self.csv(table, entries)
      let head = try #require(rows.first)
      #expect(rows.count == objects.count + 1, "\(table)")
      for (row, object) in zip(rows.dropFirst(), objects) {
        #expect(row.count == head.count && Set(head) == Set(object.keys), "\(table)")
        for (name, value) in zip(head, row) {
          if let number = object[name] as? Int { #expect(Int(value) == number || Double(value) == Double(number)) }
          if let word = object[name] as? String { #expect(value == word || value == "'" + word, "\(table) \(name)") }
          if object[name] is NSNull { #expect(value == "") }
        }
      }
    }
    #expect((root["entries"] as? [Any])?.count == entries.count)
  }

  @Test("tell every cell once, with its waiting and its running")
  func cells() throws {
    let id = NotebookID(0)
    var entries: [Entry] = []
    func add(_ seconds: Double, _ event: Event) {
      entries.append(Entry(sequence: Int64(entries.count + 1), at: Instant(seconds: seconds), event: event))
    }
    add(0, .nodeAdded(Node(id: NodeID(0), name: "n", cores: CoreSet(0..<4), gpus: [GPU(uuid: "g")])))
    add(0, .notebookOpened(Notebook(id: id, node: NodeID(0), user: "ana", path: "a.ipynb")))
    add(
      1,
      .cellQueued(
        Cell(
          id: CellID(1), notebook: id, submitted: Instant(seconds: 1),
          demand: Demand(coresLeast: 1, coresMost: 2, gpus: 1))))
    let allotment = Allotment(node: NodeID(0), cores: CoreSet(0..<2), gpus: GPUSet([0]))
    add(4, .cellStarted(CellID(1), id, allotment, Reason(.firstCome)))
    add(6, .cellSuspended(CellID(1), id, Reason(.preempted)))
    add(9, .cellResumed(CellID(1), id, allotment, Reason(.firstCome)))
    add(10, .cellEnded(CellID(1), id, .ok))
    add(11, .cellQueued(Cell(id: CellID(2), notebook: id, submitted: Instant(seconds: 11), demand: .oneCore)))
    let rows = Self.csv(.cells, entries)
    let head = try #require(rows.first)
    func value(_ row: Int, _ name: String) -> String { head.firstIndex(of: name).map { rows[row][$0] } ?? "?" }
    #expect(rows.count == 3)
    #expect(value(1, "waited") == "3000000" && value(1, "ran") == "3000000" && value(1, "suspensions") == "1")
    #expect(value(1, "coreSeconds") == "6.0" && value(1, "gpuSeconds") == "3.0" && value(1, "outcome") == "ok")
    #expect(value(1, "submittedTime") == "2026-03-13T13:00:01.000000Z")
    #expect(value(2, "ended") == "" && value(2, "started") == "" && value(2, "outcome") == "")
    let notebooks = Self.csv(.notebooks, entries)
    #expect(notebooks.count == 2 && notebooks[1].contains("ana"))
  }

  @Test("have a header though they are empty", arguments: ExportTable.allCases)
  func empty(table: ExportTable) { #expect(Self.csv(table, []).count == 1) }

  @Test("keep every text a spreadsheet would run from running")
  func formulas() throws {
    let rows =
      Self.csv(.entries, try DrawnSession.entries(seed: 2)) + Self.csv(.actions, try DrawnSession.entries(seed: 2))
    let fields = rows.flatMap { $0 }
    #expect(fields.contains { $0.hasPrefix("'=") })
    for field in fields where Double(field) == nil {
      #expect(!["=", "+", "-", "@"].contains { field.hasPrefix($0) }, "\(field)")
    }
  }
}
