extension String {
  /// The text within HTML or XML, in an element or a quoted attribute: its markup escaped, and what could turn a line around or
  /// hide (`isHostile`) shown as `�`.
  public var markupEscaped: String {
    var result = ""
    for scalar in unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(isHostile(scalar) ? "\u{FFFD}" : scalar)
      }
    }
    return result
  }
}
