import CLinux
import Canvas
import Console
import Domain
import Foundation
import Glibc

/// The theme and the keys of a console: read at its start, read again when their files change.
///
/// A file that cannot be used leaves what is there, and is told. Used from one thread.
final class Looks {
  /// What the console was told at its start; nil leaves the choice to the environment and to what was chosen last.
  private let named: String?
  private(set) var theme: Theme
  private(set) var keys: KeyMap
  /// The theme's name in the catalogue.
  private(set) var name: String
  /// What was wrong with a file at the start, where another serves.
  private(set) var trouble: String?

  /// - Throws: `ThemeError` where a theme was named that cannot be used.
  init(theme named: String?) throws {
    self.named = named
    let asked = named ?? ProcessInfo.processInfo.environment["CELLTOP_THEME"] ?? ""
    if !asked.isEmpty {
      (name, theme) = (asked, try Self.catalog.theme(named: asked))
    } else if let kept = Self.kept {
      // What was chosen earlier may be gone; that is no reason not to start.
      do { (name, theme) = (kept, try Self.catalog.theme(named: kept)) } catch {
        (name, theme) = (Theme.builtIn.name, .builtIn)
        trouble = "\(error)"
      }
    } else {
      (name, theme) = (Theme.builtIn.name, .builtIn)
    }
    // A mistake among the keys is no reason not to start either.
    do { keys = try Self.readKeys() } catch {
      keys = .standard
      let keysTrouble = "the standard keys serve: \((error as? KeyFileError)?.first ?? "\(error)")"
      trouble = [trouble, keysTrouble].compactMap { $0 }.joined(separator: "; ")
    }
  }

  static var catalog: ThemeCatalog { ThemeCatalog(directories: Tool.themeFolders()) }
  var names: [String] { Self.catalog.themeNames }

  /// Takes another theme; what is wrong with it, where it cannot be used.
  func choose(_ name: String, keeps: Bool) -> String? {
    do { (self.name, theme) = (name, try Self.catalog.theme(named: name)) } catch { return "\(error)" }
    guard keeps else { return nil }
    do { try Data((name + "\n").utf8).write(to: URL(fileURLWithPath: Self.keptPath), options: .atomic) } catch {
      return "the theme is \(name), and cannot be kept for the next console: \(error.localizedDescription)"
    }
    return nil
  }

  /// Reads theme and keys again; what is wrong with them, where what is there has to stay.
  func reload() -> String? {
    var problems: [String] = []
    do { theme = try Self.catalog.theme(named: name) } catch { problems.append("\(error)") }
    do { keys = try Self.readKeys() } catch { problems.append((error as? KeyFileError)?.first ?? "\(error)") }
    return problems.first
  }

  // MARK: Files

  /// `keys.toml` beside the configuration.
  static var keysPath: String { Tool.configurationFolder() + "/keys.toml" }

  static func readKeys() throws -> KeyMap {
    guard let bytes = FileManager.default.contents(atPath: keysPath) else {
      guard FileManager.default.fileExists(atPath: keysPath) else { return .standard }
      throw ToolError("\(keysPath): it cannot be read. Make it readable, or remove it.")
    }
    return try KeyMap(parsing: String(decoding: bytes, as: UTF8.self), path: keysPath)
  }

  private static var keptPath: String { stateFile("theme") }

  private static var kept: String? {
    guard let bytes = FileManager.default.contents(atPath: keptPath) else { return nil }
    let name = String(decoding: bytes.prefix(200), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    return name.isEmpty ? nil : name
  }

  /// A file of the console's own in `XDG_STATE_HOME`, in the folder of its log.
  static func stateFile(_ name: String) -> String {
    let log = Tool.logPath()
    return String(log[..<(log.lastIndex(of: "/") ?? log.endIndex)]) + "/" + name
  }

  // MARK: The arrangement

  /// How the screen was arranged last; nil where nobody has.
  static var keptLook: KeptLook? {
    guard let file = FileHandle(forReadingAtPath: stateFile("layout")) else { return nil }
    return KeptLook(parsing: String(decoding: file.readData(ofLength: 1 << 16), as: UTF8.self))
  }

  /// Keeps how the screen is arranged; where that fails, the next console begins as it would have.
  static func keep(_ look: KeptLook) {
    try? Data(look.text.utf8).write(to: URL(fileURLWithPath: stateFile("layout")), options: .atomic)
  }

  // MARK: The palette's history

  static func paletteHistory() -> [String] {
    guard let bytes = FileManager.default.contents(atPath: stateFile("palette-history")) else { return [] }
    let lines = String(decoding: bytes.suffix(1 << 18), as: UTF8.self).split(separator: "\n")
    return lines.suffix(ConsoleState.paletteHistoryMost).map { String($0).printable }
  }

  /// Appends a line; a file that has grown to twice what is kept is cut.
  static func remember(_ line: String) {
    let path = stateFile("palette-history")
    let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { return }
    let bytes = Array((line.printable + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    let length = lseek(descriptor, 0, SEEK_END)
    close(descriptor)
    if length > 1 << 17 {
      let kept = paletteHistory().joined(separator: "\n") + "\n"
      try? Data(kept.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }
  }
}

extension String {
  /// Without what could move a cursor: a file may hold anything.
  fileprivate var printable: String {
    String(String.UnicodeScalarView(unicodeScalars.prefix(1000).map { isHostile($0) ? "?" : $0 }))
  }
}

/// Watches folders for files that come, go, or are written anew, and calls back from a thread of its own.
///
/// The folders are watched and not the files, for editors write beside and rename (inotify(7)). One that is not there yet is watched
/// for, in the folder next to it on its way that is.
final class FolderWatch: Sendable {
  private let ending: Int32

  /// Nil where nothing can be watched.
  init?(_ folders: [String], onChange: @escaping @Sendable () -> Void) {
    let descriptor = inotify_init1(Int32(IN_CLOEXEC))
    let ending = celltop_eventfd()
    guard descriptor >= 0, ending >= 0 else { return nil }
    self.ending = ending
    let first = Self.watch(folders, by: descriptor)
    let thread = Thread {
      var watched = first
      var buffer = [UInt8](repeating: 0, count: 4096)
      while true {
        var ready = [
          pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
          pollfd(fd: ending, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&ready, 2, -1) > 0 || errno == EINTR else { break }
        if ready[1].revents != 0 { break }
        guard ready[0].revents != 0 else { continue }
        let count = read(descriptor, &buffer, buffer.count)
        guard count > 0 else { continue }
        let isOurs = Self.watches(in: buffer[..<count]).contains { watched.contains($0) }
        // A folder may have come, with files already in it, or another in its place.
        let now = Self.watch(folders, by: descriptor)
        if isOurs || now != watched { onChange() }
        watched = now
      }
      close(descriptor)
      close(ending)
    }
    thread.name = "watch"
    thread.stackSize = 1 << 19
    thread.start()
  }

  deinit { celltop_eventfd_signal(ending) }

  /// Watches the folders that are there, and for those that are not; gives the watches of the former.
  private static func watch(_ folders: [String], by descriptor: Int32) -> Set<Int32> {
    let changes = UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) | UInt32(IN_MASK_ADD)
    let arrivals = UInt32(IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) | UInt32(IN_MASK_ADD)
    var watched: Set<Int32> = []
    for folder in folders {
      // What comes while it is being watched for is looked for again; what is there and may not be read is not.
      for _ in 0..<8 {
        let watch = inotify_add_watch(descriptor, folder, changes)
        if watch >= 0 {
          watched.insert(watch)
          break
        }
        var missing = folder
        while let slash = missing.lastIndex(of: "/"), slash > missing.startIndex {
          let above = String(missing[..<slash])
          if inotify_add_watch(descriptor, above, arrivals) >= 0 { break }
          missing = above
        }
        guard access(missing, F_OK) == 0 else { break }
      }
    }
    return watched
  }

  /// The watches that a read of inotify's tells of (inotify(7)): each event is the watch, three words, and a name whose length is the
  /// last of them.
  private static func watches(in bytes: ArraySlice<UInt8>) -> [Int32] {
    var found: [Int32] = []
    bytes.withUnsafeBytes { buffer in
      var at = 0
      while at + 16 <= buffer.count {
        found.append(buffer.loadUnaligned(fromByteOffset: at, as: Int32.self))
        at += 16 + Int(buffer.loadUnaligned(fromByteOffset: at + 12, as: UInt32.self))
      }
    }
    return found
  }
}
