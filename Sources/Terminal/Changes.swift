import Canvas

/// A stretch of a row that must be drawn again.
struct ChangedRun: Equatable {
  var row: Int
  var columns: Range<Int>
}

/// The stretches in which a grid differs from the one shown, which has the same size; all rows when there is none.
///
/// Stretches closer than a cursor movement is long (about five bytes) are joined. None begins or ends within a wide
/// character of the new grid.
func changedRuns(from shown: Grid?, to grid: Grid) -> [ChangedRun] {
  let columns = grid.size.columns
  guard columns > 0 else { return [] }
  guard let shown, shown.size == grid.size else {
    return (0..<grid.size.rows).map { ChangedRun(row: $0, columns: 0..<columns) }
  }
  let joinGapMax = 4
  var runs: [ChangedRun] = []
  shown.cells.withUnsafeBufferPointer { old in
    grid.cells.withUnsafeBufferPointer { new in
      for row in 0..<grid.size.rows {
        let first = row * columns
        var open: Range<Int>?
        for column in 0..<columns where old[first + column] != new[first + column] {
          let start = new[first + column].part == .tail ? column - 1 : column
          let end = new[first + column].part == .lead ? column + 2 : column + 1
          if let current = open, start - current.upperBound <= joinGapMax {
            open = current.lowerBound..<max(end, current.upperBound)
          } else {
            if let current = open { runs.append(ChangedRun(row: row, columns: current)) }
            open = start..<end
          }
        }
        if let current = open { runs.append(ChangedRun(row: row, columns: current)) }
      }
    }
  }
  return runs
}
