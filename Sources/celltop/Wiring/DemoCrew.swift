import CLinux
import Foundation
import Session

/// The people of the demonstration: a player a notebook, each with a real kernel behind a gate.
final class DemoCrew {
  private var players: [(name: String, pid: pid_t)] = []
  /// What belongs to this demonstration alone: kernelspec, logs, socket.
  let folder: String

  /// - Parameter folder: made anew, for this demonstration alone.
  init(folder: String) throws {
    self.folder = folder
    Self.sweep((folder as NSString).deletingLastPathComponent)
    try PrivateFolder.make(folder)
  }

  /// Removes what demonstrations left that were killed more than a day ago.
  private static func sweep(_ place: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? [] where name.hasPrefix("demo-") {
      let path = place + "/" + name
      guard let pid = pid_t(name.dropFirst(5)), kill(pid, 0) != 0, errno == ESRCH,
        let changed = (try? FileManager.default.attributesOfItem(atPath: path))?[.modificationDate] as? Date,
        changed.timeIntervalSinceNow < -86_400
      else { continue }
      try? FileManager.default.removeItem(atPath: path)
    }
  }

  /// Starts a player for each notebook.
  func start(
    _ notebooks: [String], player: String, python: String, socket: String, seed: UInt64, thinkScale: Double,
    thinkMax: Double, rounds: Int?
  ) throws {
    var environment = ProcessInfo.processInfo.environment
    environment["CELLTOP_SOCKET"] = socket
    environment["JUPYTER_PATH"] = folder + "/jupyter"
    environment["JUPYTER_RUNTIME_DIR"] = folder + "/runtime"
    environment["PYTHONUNBUFFERED"] = "1"
    // The demonstration's cells do not belong into anybody's IPython history.
    environment["IPYTHONDIR"] = folder + "/ipython"
    for (index, notebook) in notebooks.enumerated() {
      let name = ((notebook as NSString).lastPathComponent as NSString).deletingPathExtension
      var arguments = [
        python, player, notebook, "--kernel-name", "python3-celltop", "--seed", "\(seed + UInt64(index))",
        "--think-scale", "\(thinkScale)", "--think-max", "\(thinkMax)", "--parent", "\(getpid())",
      ]
      arguments += rounds.map { ["--rounds", "\($0)"] } ?? ["--loop"]
      let pid = try ChildProcess.spawn(arguments, environment: environment, log: "\(folder)/\(name).log")
      players.append((name, pid))
    }
  }

  /// Asks every player to end its kernel and itself, and waits until they have; kills those that do not within
  /// `graceSeconds`.
  func end(graceSeconds: Double = 8) {
    for player in players { kill(player.pid, SIGTERM) }
    let deadline = celltop_boottime_us() + Int64(graceSeconds * 1e6)
    var left = players.map(\.pid)
    while !left.isEmpty, celltop_boottime_us() < deadline {
      left.removeAll { waitpid($0, nil, WNOHANG) != 0 }
      if !left.isEmpty { poll(nil, 0, 20) }
    }
    for pid in left {
      kill(-pid, SIGKILL)
      waitpid(pid, nil, 0)
    }
    players = []
  }
}
