/// What drawing has cost so far: the console's debug line, and the budget tests.
public struct FrameStatistics: Hashable, Sendable {
  /// Frames that changed something.
  public internal(set) var drawn = 0
  /// Frames that were equal to what was shown, and cost a comparison only.
  public internal(set) var skipped = 0
  /// Cells handed to ncurses.
  public internal(set) var cellsChanged = 0
  /// CPU time of this thread in `present`, comparison and output included.
  public internal(set) var cpu: Duration = .zero
  /// Bytes written to the terminal for frames, or nil where they are not known (without memfd_create(2)).
  public internal(set) var bytes: Int? = 0
  /// The same for the last frame drawn.
  public internal(set) var bytesOfLastFrame: Int?
}
