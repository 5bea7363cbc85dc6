/// One thing that celltop needs or can use, and how it stands with it here.
struct DoctorCheck: Encodable, Equatable {
  enum State: String, Encodable {
    /// It works.
    case works
    /// celltop works without it, with less.
    case less
    /// celltop cannot do its work like this.
    case broken
  }

  var name: String
  var state: State
  /// What was found.
  var found: String
  /// What to do about it: a line to type or to write; nil where nothing need be done.
  var mend: String?

  init(_ name: String, _ state: State, _ found: String, mend: String? = nil) {
    self.name = name
    self.state = state
    self.found = found
    self.mend = mend
  }

  /// As people read it: a line, and one more that mends.
  var lines: [String] {
    let mark =
      switch state {
      case .works: "works "
      case .less: "less  "
      case .broken: "BROKEN"
      }
    let padded = name + String(repeating: " ", count: max(0, 14 - name.count))
    return ["\(mark)  \(padded)  \(found)"] + (mend.map { [String(repeating: " ", count: 24) + "mend: \($0)"] } ?? [])
  }
}
