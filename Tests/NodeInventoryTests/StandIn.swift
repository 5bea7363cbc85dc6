import Foundation

/// Libraries in NVML's place, compiled once each.
enum StandIn {
  /// Compiles the stand-in with these definitions; nil where there is no C compiler.
  static func library(_ definitions: String...) throws -> String? {
    let name = definitions.joined(separator: "-").replacingOccurrences(of: "=", with: "")
    let folder = NSTemporaryDirectory() + "celltop-nvml-\(getpid())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let path = "\(folder)/libstandin-\(name).so"
    if FileManager.default.fileExists(atPath: path) { return path }
    var source = (#filePath as NSString).deletingLastPathComponent
    source += "/StandIn/nvml.c"
    let fresh = path + "-\(UUID().uuidString)"
    for compiler in ["clang", "cc", "gcc"] {
      let arguments =
        [compiler, "-shared", "-fPIC", "-o", fresh] + definitions.map { "-D\($0)" } + [source]
      var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
      words.append(nil)
      defer { for word in words { free(word) } }
      var pid: pid_t = 0
      guard posix_spawnp(&pid, compiler, nil, nil, words, environ) == 0 else { continue }
      var status: Int32 = 0
      guard waitpid(pid, &status, 0) == pid, status == 0 else { continue }
      rename(fresh, path)
      return path
    }
    return nil
  }
}
