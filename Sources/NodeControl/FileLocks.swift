/// The locks on files that processes hold (`/proc/locks`, proc_locks(5)).
enum FileLocks {
  /// The locks that any of these processes holds, each by its kind, file and range. A lock of an open file description
  /// (`F_OFD_SETLK`) has no process there, and is not found.
  static func held(by processes: some Sequence<Int32>, in text: String? = ProcFiles.text("/proc/locks")) -> Set<String>
  {
    guard let text, !text.isEmpty else { return [] }
    let processes = Set(processes)
    var held: Set<String> = []
    for line in text.split(separator: "\n") {
      // `1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF`; who waits for one has `->` in the second place.
      let words = line.split(separator: " ")
      guard words.count >= 8, words[1] != "->", let process = Int32(words[4]), processes.contains(process) else {
        continue
      }
      held.insert(([words[1], words[3]] + words[5...7]).joined(separator: " "))
    }
    return held
  }
}
