import Canvas

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The themes that can be chosen: files in some directories, and the one built in.
public struct ThemeCatalog: Sendable {
  private let names: @Sendable () -> [String]
  private let text: @Sendable (String) throws -> String?

  /// The files `NAME.toml` in directories; of two with one name, the first directory's counts. Directories that do not
  /// exist are passed over.
  public init(directories: [String]) {
    names = {
      directories.flatMap { directory in
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
          .filter { $0.hasSuffix(".toml") && !$0.hasPrefix(".") }.map { String($0.dropLast(5)) }
      }
    }
    text = { name in
      for directory in directories {
        let path = directory + "/" + name + ".toml"
        guard FileManager.default.fileExists(atPath: path) else { continue }
        return try String(contentsOfFile: path, encoding: .utf8)
      }
      return nil
    }
  }

  /// Themes by name, as text: for tests, and for previews of what is being edited.
  public init(texts: [String: String]) {
    names = { Array(texts.keys) }
    text = { texts[$0] }
  }

  /// The themes' names in alphabetical order; the built-in one is always among them.
  public var themeNames: [String] {
    Set(names() + [Theme.builtIn.name]).sorted()
  }

  /// Reads a theme with all that it inherits. Where no file says otherwise, `base-dark` is the built-in one.
  ///
  /// - Throws: ``ThemeError``: no such theme, a file that cannot be read, an inheritance in a circle, or anything that
  ///   a file says wrongly. The caller keeps the theme that it has.
  public func theme(named name: String) throws(ThemeError) -> Theme {
    let theme = try theme(named: name, path: [])
    let problems = ThemeCatalog.missingColors(of: theme)
    guard problems.isEmpty else { throw ThemeError(theme: name, problems: problems) }
    return theme
  }

  private func theme(named name: String, path: [String]) throws(ThemeError) -> Theme {
    let asked = path.first ?? name
    if path.contains(name) {
      let circle = (path + [name]).joined(separator: " → ")
      throw ThemeError(
        theme: asked, problems: ["themes inherit in a circle: \(circle). Take inherits out of one of them."])
    }
    guard let text = try text(of: name, path: path) else {
      if name == Theme.builtIn.name { return .builtIn }
      let known = themeNames.joined(separator: ", ")
      let whence = path.last.map { "'\($0)' inherits '\(name)', and there" } ?? "there"
      throw ThemeError(theme: asked, problems: ["\(whence) is no theme of that name. There are \(known)."])
    }
    let file = try ThemeText(text, name: name)
    guard let parent = file.inherits else { return file.theme }
    // A file may complete the built-in theme of its own name.
    if parent == name, name == Theme.builtIn.name { return file.theme.inheriting(from: .builtIn) }
    return file.theme.inheriting(from: try theme(named: parent, path: path + [name]))
  }

  private func text(of name: String, path: [String]) throws(ThemeError) -> String? {
    guard !name.contains("/"), !name.hasPrefix(".") else {
      throw ThemeError(
        theme: path.first ?? name, problems: ["'\(name)' is a path. Name a theme, and put its file among the others."])
    }
    do {
      return try text(name)
    } catch {
      throw ThemeError(theme: name, problems: ["its file cannot be read as UTF-8 text: \(error). Check its rights."])
    }
  }

  private static func missingColors(of theme: Theme) -> [String] {
    theme.rules.keys.sorted().flatMap { name -> [String] in
      let rule = theme.rules[name]
      return [("fg", rule?.foreground), ("bg", rule?.background)].compactMap { key, color in
        guard let color, theme.color(named: color) == nil else { return nil }
        let known = (theme.palette.keys.sorted() + ["default"]).joined(separator: ", ")
        return "[style] \"\(name)\" \(key): the palette has no colour '\(color)'. It has \(known)."
      }
    }
  }
}
