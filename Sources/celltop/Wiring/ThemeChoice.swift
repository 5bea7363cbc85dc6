import Canvas

extension Tool {
  /// The theme of that name; the built-in one where none is named.
  static func theme(_ name: String?) throws -> Theme {
    guard let name else { return .builtIn }
    throw ToolError("there is no theme '\(name.printable(at: 40))'")
  }
}
