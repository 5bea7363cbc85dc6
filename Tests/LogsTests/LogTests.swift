import Domain
import Glibc
import Logging
import Testing

@testable import Logs

/// A pipe to log into.
private final class Reader {
  let writing: Int32
  private let reading: Int32

  init() {
    var ends: [Int32] = [-1, -1]
    pipe(&ends)
    (reading, writing) = (ends[0], ends[1])
  }

  deinit {
    close(reading)
    close(writing)
  }

  /// What has been written so far; call it when the output has finished.
  func text() -> String {
    _ = fcntl(reading, F_SETFL, O_NONBLOCK)
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = read(reading, &bytes, bytes.count)
    return String(decoding: bytes[..<max(count, 0)], as: UTF8.self)
  }
}

@Suite struct LogTests {
  private func logged(
    isJournal: Bool = false, level: Logger.Level = .info, _ body: (Logger) -> Void
  ) -> [String] {
    let reader = Reader()
    let output = LogOutput(reader.writing, isJournal: isJournal, clock: { 1_700_000_000 })
    body(Logger(label: "celltop") { OutputHandler(label: $0, level: level, output: output) })
    output.finish()
    return reader.text().split(separator: "\n").map(String.init)
  }

  @Test("writes the time, the level and the facts in the order of their names")
  func plain() {
    #expect(
      logged { $0.warning("a kernel died", metadata: ["notebook": "/home/ana/a b.ipynb", "cell": "7"]) }
        == ["2023-11-14T22:13:20Z warning celltop: a kernel died cell=7 notebook=\"/home/ana/a b.ipynb\""])
  }

  @Test("tells the journal the level by its number, and leaves the time to it")
  func journal() {
    #expect(
      logged(isJournal: true, level: .trace) { logger in
        for level in Logger.Level.allCases { logger.log(level: level, "\(level)") }
      } == [
        "<7>celltop: trace", "<7>celltop: debug", "<6>celltop: info", "<5>celltop: notice", "<4>celltop: warning",
        "<3>celltop: error", "<2>celltop: critical",
      ])
  }

  @Test("writes nothing below its level")
  func level() {
    #expect(
      logged(level: .warning) { logger in
        logger.info("no")
        logger.error("yes")
      }.count == 1)
  }

  @Test("keeps a hostile name on its line and in its quotes, and short")
  func hostile() {
    let name =
      "a\n<0>celltop: forged \u{1B}[2J\" level=x \u{9B}\u{202E}\u{2066}\u{200B}" + String(repeating: "x", count: 5000)
    let lines = logged { $0.info("opened", metadata: ["notebook": "\(name)"]) }
    #expect(lines.count == 1)
    let line = lines.first ?? ""
    #expect(line.count < 300)
    #expect(!line.unicodeScalars.contains(where: isHostile))
    #expect(line.contains(#"\" level"#))
  }

  @Test("holds back what repeats, and says how often it did")
  func repetition() {
    var repetition = Repetition()
    var passed = 0
    for turn in 0..<1000 where repetition.judge("trouble", at: Double(turn) * 0.01) != .hold { passed += 1 }
    #expect(passed == Repetition.timesMost)
    #expect(repetition.judge("another", at: 10) == .pass(heldBefore: 0))
    #expect(repetition.judge("trouble", at: 31) == .pass(heldBefore: 1000 - Repetition.timesMost))
    for turn in 0..<5000 { #expect(repetition.judge("line \(turn)", at: 40) == .pass(heldBefore: 0)) }
  }

  @Test("never waits for a reader that does not read, and says what was left out")
  func stuck() {
    let reader = Reader()
    let sink = LineSink(reader.writing, linesMost: 10)
    let long = String(repeating: "x", count: 60_000)
    // The pipe takes the first; ten more wait; the others are counted. If one waited, this would never end.
    for _ in 0..<200 { sink.write(long) }
    var tail = ""
    for _ in 0..<2000 where !tail.hasSuffix("because it was not read\n") {
      tail = String((tail + reader.text()).suffix(100))
      poll(nil, 0, 5)
    }
    #expect(tail.contains("lines of the log were left out"))
    sink.finish()
  }

  @Test("reads nothing as the journal but what systemd connected")
  func stream() {
    let reader = Reader()
    var facts = stat()
    fstat(reader.writing, &facts)
    let right = ["JOURNAL_STREAM": "\(facts.st_dev):\(facts.st_ino)"]
    #expect(LogOutput.isJournal(reader.writing, environment: right))
    #expect(!LogOutput.isJournal(reader.writing, environment: ["JOURNAL_STREAM": "1:2"]))
    #expect(!LogOutput.isJournal(reader.writing, environment: [:]))
  }

  @Test("tells operators' orders and their refusals with who gave them, and cells only on debug")
  func entries() {
    let notebook = Notebook(
      id: NotebookID(0), node: NodeID(0), user: "ana", path: "/home/ana/a.ipynb", kernel: "python", gate: "g")
    let command = Command(id: CommandID(1), author: "ben", why: "a demo", verb: .hold(NotebookID(0)))
    let events: [Event] = [
      .notebookOpened(notebook), .cellEnded(CellID(1), NotebookID(0), .ok), .commandAccepted(command),
      .commandRefused(command, Refusal(.wrongState, "it is held already")), .kernelDied(NotebookID(0)),
    ]
    let entries = events.enumerated().map { Entry(sequence: Int64($0.offset + 1), at: .zero, event: $0.element) }
    let lines = logged { logger in
      var log = EntryLog(logger)
      log.take(entries)
    }
    #expect(lines.count == 4 && lines.contains { $0.contains(" info celltop: a kernel ended") })
    #expect(lines.contains { $0.contains("ordered by=ben notebook=/home/ana/a.ipynb order=hold why=\"a demo\"") })
    #expect(lines.contains { $0.contains("an order was refused") && $0.contains("it is held already") })
    #expect(
      logged(level: .debug) { logger in
        var log = EntryLog(logger)
        log.take(entries)
      }.count == 5)
  }

  @Test("tells an end that is normal as info, and one that took a cell along or came without a word as a warning")
  func ends() {
    func notebook(_ number: Int32) -> Notebook {
      Notebook(
        id: NotebookID(number), node: NodeID(0), user: "ana", path: "/home/ana/\(number).ipynb", kernel: "python",
        gate: "g")
    }
    let (normal, died, killed) = (NotebookID(0), NotebookID(1), NotebookID(2))
    let events: [Event] = [
      .notebookOpened(notebook(0)), .notebookOpened(notebook(1)), .notebookOpened(notebook(2)),
      .cellEnded(CellID(1), normal, .ok), .kernelDied(normal), .notebookClosed(normal),
      // Whoever waited is granted the cores before the kernel's end is told.
      .cellEnded(CellID(2), died, .lost), .kernelReady(killed), .kernelDied(died), .kernelReady(died),
      .kernelDied(died),
      .notebookClosed(died),
      .cellEnded(CellID(3), killed, .lost), .notebookClosed(killed),
    ]
    let lines = logged { logger in
      var log = EntryLog(logger)
      log.take(events.enumerated().map { Entry(sequence: Int64($0.offset + 1), at: .zero, event: $0.element) })
    }
    let told = lines.map {
      $0.dropFirst(21).replacing("celltop: ", with: "").replacing("notebook=/home/ana/", with: "")
    }
    #expect(
      told.dropFirst(3) == [
        "info a kernel ended 0.ipynb", "info a notebook closed 0.ipynb",
        "warning a kernel died, and its cell is lost 1.ipynb", "info a kernel ended 1.ipynb",
        "info a notebook closed 1.ipynb", "warning a notebook closed, for its gate was killed or is lost 2.ipynb",
      ])
  }
}
