/// Why a theme cannot be used: everything that is wrong with it, each with its place and how to mend it.
public struct ThemeError: Error, Hashable, CustomStringConvertible {
  /// The theme's name.
  public let theme: String
  /// What is wrong, one sentence or two each.
  public let problems: [String]

  /// Makes an error.
  public init(theme: String, problems: [String]) {
    self.theme = theme
    self.problems = problems
  }

  /// One line a problem.
  public var description: String {
    problems.map { "cannot use the theme '\(theme)': \($0)" }.joined(separator: "\n")
  }
}
