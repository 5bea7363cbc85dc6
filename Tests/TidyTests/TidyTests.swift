import Foundation
import Testing

/// The house rules that a machine can check.
@Suite struct TidyTests {
  static let root: String = {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    return path
  }()

  struct File: Sendable {
    var path: String
    var text: String
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
    var module: String { path.split(separator: "/").dropFirst().first.map(String.init) ?? "" }
    var isSource: Bool { path.hasPrefix("Sources/") }

    /// The modules that it imports.
    var imports: Set<String> {
      Set(
        lines.compactMap { line in
          let words = line.split(separator: " ")
          guard let place = words.firstIndex(of: "import"), place <= 1, words.count > place + 1 else { return nil }
          return String(words[place + 1].split(separator: ".")[0])
        })
    }
  }

  static let swiftFiles: [File] = files(["Sources", "Tests"], endings: [".swift"])

  static func files(_ folders: [String], endings: [String]) -> [File] {
    folders.flatMap { folder in
      ((try? FileManager.default.subpathsOfDirectory(atPath: root + "/" + folder)) ?? []).sorted().compactMap { path in
        guard endings.contains(where: path.hasSuffix),
          let text = try? String(contentsOfFile: "\(root)/\(folder)/\(path)", encoding: .utf8)
        else { return nil }
        return File(path: folder + "/" + path, text: text)
      }
    }
  }

  @Test("finds the sources")
  func finds() { #expect(Self.swiftFiles.count > 100) }

  @Test("keeps files under 600 lines")
  func short() {
    let long = (Self.swiftFiles + Self.files(["Sources", "Tests"], endings: [".c", ".h", ".py"]))
      .filter { $0.lines.count > 600 }.map { "\($0.path): \($0.lines.count) lines" }
    #expect(long.isEmpty)
  }

  @Test("keeps clocks, chance, input and output out of the core")
  func pureCore() {
    let core: Set = ["Chance", "Domain", "Engine", "Policies", "Forecast", "Metrics"]
    let banned: Set = [
      "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization", "CLinux", "System",
    ]
    for file in Self.swiftFiles where file.isSource && core.contains(file.module) {
      #expect(file.imports.isDisjoint(with: banned), "\(file.path)")
      for word in [
        "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock", "Date()", ".random(in", "shuffled()",
      ] {
        #expect(!file.text.contains(word), "\(file.path) uses \(word)")
      }
    }
  }

  @Test(
    "lets only one module at each library of C",
    arguments: [
      ("CNcurses", ["Terminal"]), ("GRDB", ["History"]), ("CZeroMQ", ["KernelGate"]), ("CZlib", ["Traces"]),
      ("CHwloc", ["NodeInventory"]), ("CNvml", ["NodeInventory"]),
    ])
  func oneDoor(library: String, modules: [String]) {
    let users = Set(Self.swiftFiles.filter { $0.isSource && $0.imports.contains(library) }.map(\.module))
    #expect(users == Set(modules))
  }

  @Test("keeps Foundation out of the gate, which is started once a kernel")
  func lightGate() {
    for file in Self.swiftFiles
    where file.isSource
      && ["Domain", "GateLink", "JupyterWire", "NodeControl", "KernelGate", "celltop-gate"].contains(file.module)
    {
      #expect(!file.imports.contains("Foundation"), "\(file.path)")
    }
  }

  @Test("lets views name roles, never colours")
  func roles() {
    for file in Self.swiftFiles where file.path.hasPrefix("Sources/Console/Views/") {
      #expect(!file.text.contains("RGB(") && !file.text.contains("Color."), "\(file.path)")
    }
  }

  @Test("names no type Manager, Helper, Util, Data or Info")
  func names() throws {
    let declaration = try Regex(
      #"(?:class|struct|enum|actor|protocol)\s+(\w*(?:Manager|Helper|Utils?|Info)|\w+Data)\b"#)
    for file in Self.swiftFiles where file.isSource {
      let found = file.text.matches(of: declaration).map { String(file.text[$0.range]) }
      #expect(found.isEmpty, "\(file.path)")
    }
  }

  @Test("names no type like its module")
  func typeNames() throws {
    for module in Set(Self.swiftFiles.filter(\.isSource).map(\.module)) {
      let declaration = try Regex(#"(?m)^\s*(?:public )?(?:final )?(?:class|struct|enum|actor|protocol) \#(module)\b"#)
      for file in Self.swiftFiles where file.isSource && file.module == module && module.first?.isUppercase == true {
        #expect(file.text.firstMatch(of: declaration) == nil, "\(file.path)")
      }
    }
  }

  @Test("leaves nothing for later and crashes on nothing from outside")
  func finished() {
    let words = ["TO" + "DO", "FIX" + "ME", "try" + "!", "as" + "!", "fatal" + "Error("]
    for file in Self.swiftFiles where file.isSource {
      for word in words { #expect(!file.text.contains(word), "\(file.path) has \(word)") }
    }
  }

  @Test("never sleeps in a test")
  func noSleep() {
    let words = ["Task.sl" + "eep", "usl" + "eep(", "Thread.sl" + "eep", " sl" + "eep("]
    for file in Self.swiftFiles where !file.isSource {
      for word in words { #expect(!file.text.contains(word), "\(file.path) has \(word)") }
    }
  }

  @Test("says why wherever the compiler is told to trust us")
  func unchecked() {
    for file in Self.swiftFiles where file.isSource {
      for (index, line) in file.lines.enumerated() where line.contains("@unchecked Sendable") && line.contains("class")
      {
        let before = file.lines[max(0, index - 12)..<index].joined(separator: "\n")
        #expect(before.contains("@unchecked Sendable"), "\(file.path):\(index + 1) does not say why")
      }
    }
  }

  @Test("has only what belongs at the top of the checkout")
  func topLevel() throws {
    let allowed: Set = [
      "Package.swift", "Sources", "Tests", "Themes", "Docs", "README.md", "Makefile", "LICENSE", ".ci", ".gitignore",
      ".swift-format", ".git", ".build", ".swiftpm", "Package.resolved",
    ]
    let found = Set(try FileManager.default.contentsOfDirectory(atPath: Self.root))
    #expect(found.subtracting(allowed).isEmpty)
    #expect(["README.md", "LICENSE", "Makefile", "Docs"].allSatisfy(found.contains))
  }

  @Test("links its documents to files that exist")
  func links() throws {
    let link = try Regex(#"\]\(([^)#:]+)(?:#[^)]*)?\)"#)
    let documents =
      Self.files(["Docs"], endings: [".md"])
      + [File(path: "README.md", text: try String(contentsOfFile: Self.root + "/README.md", encoding: .utf8))]
    for document in documents {
      let folder = (Self.root + "/" + document.path as NSString).deletingLastPathComponent
      for match in document.text.matches(of: link) {
        guard let target = match.output[1].substring else { continue }
        #expect(FileManager.default.fileExists(atPath: folder + "/" + target), "\(document.path) links to \(target)")
      }
    }
  }

  @Test("names in OPERATIONS only tests that there are")
  func namedTests() throws {
    let page = try String(contentsOfFile: Self.root + "/Docs/OPERATIONS.md", encoding: .utf8)
    let python = Self.files(["Tests/EndToEndTests/Python"], endings: [".py"]).map(\.text).joined()
    let rows = page.split(separator: "\n").filter {
      $0.hasPrefix("| ") && ($0.contains("Tests") || $0.contains("`test_"))
    }
    #expect(rows.count > 15)
    for row in rows {
      var suite = ""
      let words = (row.split(separator: "|").last ?? "").split(separator: "`")
      for name in words.enumerated().filter({ $0.offset % 2 == 1 }).map(\.element) {
        if name.hasPrefix("test_") {
          #expect(python.contains("def \(name)("), "\(row)")
          continue
        }
        // `SomeTests`, `SomeTests.one`, or `.another` of the suite before.
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts[0].isEmpty || parts[0].hasSuffix("Tests") else { continue }
        if !parts[0].isEmpty { suite = String(parts[0]) }
        let file = Self.swiftFiles.first { $0.text.contains("struct \(suite) {") }
        #expect(file != nil, "\(name) of \(row)")
        if parts.count > 1 { #expect(file?.text.contains("func \(parts[1])(") == true, "\(name) of \(row)") }
      }
    }
  }
}
