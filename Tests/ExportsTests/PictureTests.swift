import Canvas
import Console
import Domain
import Foundation
import Projections
import Testing

@testable import Exports

@Suite("Recordings and pages") struct PictureTests {
  private static let size = Size(columns: 100, rows: 30)

  private static func states(seed: UInt64) throws -> [(ConsoleState, Double)] {
    let entries = try DrawnSession.entries(seed: seed, steps: 120)
    let session = SessionFacts(
      mode: .replay, number: 7, user: "ana", beganWallMicroseconds: 1_773_406_800_000_000, utcOffsetSeconds: 0)
    var state = ConsoleState(session: session)
    var board = Board()
    return entries.map { entry in
      board.apply(entry)
      state.show(board, at: entry.at)
      return (state, entry.at.seconds)
    }
  }

  /// A terminal that knows what a recording uses: CUP, EL, ED, SGR and DECTCEM.
  private struct Terminal {
    var rows: [[Character]]
    var place = (row: 0, column: 0)

    init(_ size: Size) { rows = Array(repeating: Array(repeating: " ", count: size.columns), count: size.rows) }

    mutating func take(_ text: String) {
      var scalars = Array(text.unicodeScalars)[...]
      while let scalar = scalars.popFirst() {
        guard scalar == "\u{1B}" else {
          put(scalar)
          continue
        }
        scalars.removeFirst()
        var parameters = ""
        while let next = scalars.popFirst() {
          if next.properties.isAlphabetic {
            act(next, parameters)
            break
          }
          parameters.unicodeScalars.append(next)
        }
      }
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
      guard rows.indices.contains(place.row), rows[place.row].indices.contains(place.column) else { return }
      if scalar.properties.generalCategory == .nonspacingMark {
        rows[place.row][max(place.column - 1, 0)].unicodeScalarsAppend(scalar)
        return
      }
      rows[place.row][place.column] = Character(scalar)
      let width = cellWidth(of: String(Character(scalar)))
      if width == 2, place.column + 1 < rows[place.row].count { rows[place.row][place.column + 1] = "\u{0}" }
      place.column += width
    }

    private mutating func act(_ final: Unicode.Scalar, _ parameters: String) {
      switch final {
      case "H":
        let numbers = parameters.split(separator: ";").compactMap { Int($0) }
        place = (numbers[0] - 1, numbers[1] - 1)
      case "K": for column in place.column..<max(rows[place.row].count, place.column) { rows[place.row][column] = " " }
      case "J": for row in rows.indices { rows[row] = rows[row].map { _ in " " } }
      case "m", "h", "l": break
      default: Issue.record("the sequence \(final) is not known")
      }
    }

    var text: String {
      rows.map { row in
        var line = String(row.filter { $0 != "\u{0}" })
        while line.last == " " { line.removeLast() }
        return line
      }.joined(separator: "\n")
    }
  }

  @Test("play in a terminal to the very screens that were shown", arguments: UInt64(1)...4)
  func cast(seed: UInt64) throws {
    var cast = TerminalCast(size: Self.size, theme: Theme.builtIn.resolved(for: .trueColor), glyphs: GlyphSet(.utf8))
    let head = try #require(
      try JSONSerialization.jsonObject(with: Data(cast.header(title: "a\"b", beganSeconds: 5).utf8)) as? [String: Any])
    #expect(head["version"] as? Int == 2 && head["width"] as? Int == 100 && head["height"] as? Int == 30)
    #expect(head["title"] as? String == "a\"b" && head["timestamp"] as? Int == 5)
    var terminal = Terminal(Self.size)
    var last = 0.0
    var frames = 0
    for (state, seconds) in try Self.states(seed: seed) {
      if let line = cast.frame(state, atSeconds: seconds) {
        let event = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [Any])
        let at = try #require(event[0] as? Double)
        #expect(event.count == 3 && event[1] as? String == "o" && at >= last)
        last = at
        terminal.take(try #require(event[2] as? String))
        frames += 1
      }
      #expect(terminal.text == state.screen(size: Self.size).text, "seed \(seed) at \(seconds)")
    }
    #expect(frames > 20)
    let state = try #require(try Self.states(seed: seed).last)
    #expect(cast.frame(state.0, atSeconds: last + 1) == nil, "a picture that stands still is not written again")
    #expect(cast.finish(atSeconds: last + 2).contains("[?25h"))
  }

  private static func page(seed: UInt64) throws -> String {
    var page = SessionPage(DrawnSession.facts)
    for entry in try DrawnSession.entries(seed: seed) { page.take(entry) }
    let state = try #require(try states(seed: seed).last)
    let svg = renderSVG(
      state.0.screen(size: size), theme: Theme.builtIn.resolved(for: .trueColor), title: DrawnSession.hostile[0])
    return page.finish(screens: [.init(at: Instant(seconds: 1), svg: svg), .init(at: Instant(seconds: 2), svg: svg)])
  }

  @Test("need nothing from elsewhere")
  func selfContained() throws {
    let page = try Self.page(seed: 5)
    let outside = try Regex(
      #"(?i)(src|href|data|action|poster)\s*=|url\(|@import|<(link|iframe|object|embed|img|base)\b"#)
    // What hostile names say is text, not markup.
    let markup = page.replacing(try Regex("(?s)>[^<]*<"), with: "><")
    #expect(
      markup.firstMatch(of: outside) == nil, "\(markup.firstMatch(of: outside).map { String(markup[$0.range]) } ?? "")")
    let addresses = Set(page.matches(of: try Regex("https?://[^\"\\s<&)]*")).map { String(page[$0.range]) })
    #expect(
      addresses.subtracting(["http://www.w3.org/2000/svg", "http:∕∕evil", "http://evil"]).isEmpty, "\(addresses)")
    #expect(page.contains("default-src 'none'"))
  }

  @Test("tell the waits that never ended beside those that did")
  func neverStarted() {
    var page = SessionPage(DrawnSession.facts)
    var sequence: Int64 = 0
    func tell(_ event: Event, at seconds: Double) {
      sequence += 1
      page.take(Entry(sequence: sequence, at: Instant(seconds: seconds), event: event))
    }
    func open(_ number: Int32, _ name: String, cell: Int64, at seconds: Double) {
      let id = NotebookID(number)
      tell(.notebookOpened(Notebook(id: id, node: NodeID(0), user: "ana", path: "/x/\(name).ipynb")), at: seconds)
      tell(.kernelReady(id), at: seconds)
      tell(
        .cellQueued(
          Domain.Cell(id: CellID(cell), notebook: id, submitted: Instant(seconds: seconds), demand: .oneCore)),
        at: seconds)
    }
    tell(.nodeAdded(Node(id: NodeID(0), name: "n", cores: CoreSet(0..<1))), at: 0)
    open(0, "first", cell: 1, at: 1)
    open(1, "left", cell: 2, at: 1)
    open(2, "late", cell: 3, at: 20)
    let place = Allotment(node: NodeID(0), cores: CoreSet([0]), gpus: GPUSet())
    tell(.cellStarted(CellID(1), NotebookID(0), place, Reason(.firstCome)), at: 6)
    tell(.notebookClosed(NotebookID(1)), at: 121)
    tell(.cellEnded(CellID(1), NotebookID(0), .ok), at: 200)
    let rows = page.finish(screens: []).components(separatedBy: "<tr>").filter { $0.contains("ana</td>") }
    func row(_ name: String) -> String { rows.first { $0.contains("<td>\(name) [") } ?? "" }
    #expect(row("late").contains(">3 min 0 s<") && row("late").contains("never started"))
    #expect(row("left").contains(">2 min 0 s<") && row("left").contains("never started"))
    #expect(row("first").contains(">5.0 s<") && !row("first").contains("never started"))
  }

  @Test("escape every name from outside")
  func escaped() throws {
    let page = try Self.page(seed: 6)
    #expect(page.components(separatedBy: "<script").count == 2, "the one script is the page's own")
    #expect(!page.contains("<b>bold") && !page.contains("<i>why") && !page.contains("<img") && !page.contains("u<1>"))
    #expect(page.contains("&lt;b&gt;bold&lt;∕b&gt;") && page.contains("&lt;i&gt;why&lt;/i&gt;"))
    #expect(!page.unicodeScalars.contains { $0 == "\u{202E}" || $0 == "\u{1B}" })
  }
}

extension Character {
  fileprivate mutating func unicodeScalarsAppend(_ scalar: Unicode.Scalar) {
    var text = String(self)
    text.unicodeScalars.append(scalar)
    if let first = text.first { self = first }
  }
}
