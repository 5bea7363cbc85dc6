/// A file that is not the trace it should be: which file, where in it, what is wrong, and how to mend it.
public struct TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  public var file: String
  /// Counted from 1; 0 where the file as a whole is meant.
  public var line: Int
  /// The key or column; empty where the line as a whole is meant.
  public var field: String
  /// What is wrong, as a clause.
  public var because: String
  /// What to do about it, as a sentence.
  public var mend: String

  public init(file: String, line: Int = 0, field: String = "", because: String, mend: String) {
    self.file = file
    self.line = line
    self.field = field
    self.because = because
    self.mend = mend
  }

  public var description: String {
    let place = line > 0 ? "\(file):\(line)" : file
    return field.isEmpty ? "\(place): \(because). \(mend)" : "\(place): '\(field)' \(because). \(mend)"
  }
}
