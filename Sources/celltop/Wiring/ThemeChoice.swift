import Canvas
import Console
import Foundation
import NodeInventory

extension Tool {
  /// The theme of that name, from the user's folder or the bundled ones; the built-in one where none is named.
  ///
  /// - Throws: `ThemeError` that names the theme, its problems and how to mend them.
  static func theme(_ name: String?) throws -> Theme {
    guard let name = name ?? ProcessInfo.processInfo.environment["CELLTOP_THEME"], !name.isEmpty else {
      return .builtIn
    }
    return try ThemeCatalog(directories: themeFolders()).theme(named: name)
  }

  /// Where themes are looked for, first the user's own.
  static func themeFolders() -> [String] {
    [configurationFolder() + "/themes", Installation().themes()].compactMap { $0 }
  }

  /// The folder of what people write for celltop: themes, keys.
  static func configurationFolder() -> String {
    NodeSettings.folder(environment: ProcessInfo.processInfo.environment)
  }
}
