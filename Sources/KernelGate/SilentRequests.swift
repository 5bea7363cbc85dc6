/// Whether a kernel can be asked something silently, just ahead of a cell.
///
/// Kernels built on xeus take up each request as it comes, before the one before it has ended. xeus-python 0.19 then answers
/// `input()` in the cell with an `EOFError`, and counts the cell wrong: the same happens without a gate to a cell behind any
/// other. So they are never asked: their threads follow the affinity mask alone, and their GPUs are those of their start.
enum SilentRequests {
  /// Whether a command starts a kernel that may be asked, as far as a command tells.
  static func suit(command: [String]) -> Bool {
    !command.contains { word in
      let name = word.split(separator: "/").last ?? ""
      return name == "xr" || name.hasPrefix("xpython") || name.hasPrefix("xeus")
    }
  }

  /// Whether a kernel may be asked that calls itself so (`implementation` of its `kernel_info_reply`).
  static func suit(implementation: String) -> Bool { implementation != "xr" && !implementation.hasPrefix("xeus") }
}
