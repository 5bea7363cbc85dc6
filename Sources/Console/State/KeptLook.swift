import Domain

/// How an operator has arranged the screen: what a later console begins with, and what stays on the way into the past.
///
/// A filter is no part of it: a console that opens with notebooks missing would be misread.
public struct KeptLook: Sendable, Hashable {
  public var sort = TableColumn.number
  public var isSortInverted = false
  public var isTree = false
  public var hiddenColumns: Set<TableColumn> = [.number]
  public var arrangement = Arrangement.overview
  /// Which of `ConsoleState.windows` the timeline shows.
  public var window = 2

  public init() {}

  /// Reads what `text` wrote. It may have been written by a later celltop, or by hand: what is not understood is passed over, and
  /// stands as it does in a console that nobody has arranged.
  public init(parsing text: String) {
    func column(_ title: Substring) -> TableColumn? { TableColumn.allCases.first { $0.title == title } }
    for line in text.split(separator: "\n").prefix(100) {
      let words = line.split(separator: " ")
      guard let name = words.first else { continue }
      let values = words.dropFirst()
      switch name {
      case "sort": sort = values.first.flatMap(column) ?? sort
      case "inverted": isSortInverted = values.first == "yes"
      case "grouped": isTree = values.first == "yes"
      case "hidden": hiddenColumns = Set(values.compactMap(column)).subtracting([.name])
      case "layout": arrangement = Arrangement.allCases.first { $0.title == values.first ?? "" } ?? arrangement
      case "timeline":
        let seconds = values.first.flatMap { Int64($0) }
        window = ConsoleState.windows.firstIndex { $0.microseconds / 1_000_000 == seconds } ?? window
      default: break
      }
    }
  }

  /// A line a choice.
  public var text: String {
    let hidden = TableColumn.allCases.filter(hiddenColumns.contains).map(\.title)
    return """
      sort \(sort.title)
      inverted \(isSortInverted ? "yes" : "no")
      grouped \(isTree ? "yes" : "no")
      hidden \(hidden.joined(separator: " "))
      layout \(arrangement.title)
      timeline \(ConsoleState.windows[window].microseconds / 1_000_000)

      """
  }
}

extension ConsoleState {
  /// How the screen is arranged.
  public var look: KeptLook {
    get {
      var look = KeptLook()
      (look.sort, look.isSortInverted, look.isTree) = (sort, isSortInverted, isTree)
      (look.hiddenColumns, look.arrangement, look.window) = (hiddenColumns, arrangement, window)
      return look
    }
    set {
      (sort, isSortInverted, isTree) = (newValue.sort, newValue.isSortInverted, newValue.isTree)
      (hiddenColumns, arrangement, window) = (newValue.hiddenColumns, newValue.arrangement, newValue.window)
    }
  }

  /// The moment at which the past of a live session is entered: the one under the timeline's cursor, where there is one.
  public var momentOfInterest: Instant? { timeline.cursor }
}
