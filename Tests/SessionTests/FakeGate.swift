import CLinux
import Domain
import Foundation
import GateLink

/// A gate without a kernel: speaks the real protocol over the real socket.
final class FakeGate {
  private let descriptor: Int32
  private var buffer = LineBuffer()
  private(set) var inbox: [EngineMessage] = []
  let name: String

  init(_ path: String, name: String, document: String) throws {
    descriptor = celltop_connect_unix(path)
    self.name = name
    guard descriptor >= 0 else { throw POSIXError(.ECONNREFUSED) }
    send(
      .hello(
        Hello(
          pid: getpid(), kernelPid: 0, gate: name, path: document, language: "python", connection: "kernel.json")))
  }

  /// Says what it likes instead of a proper hello.
  init(raw path: String) throws {
    descriptor = celltop_connect_unix(path)
    name = "raw"
    guard descriptor >= 0 else { throw POSIXError(.ECONNREFUSED) }
  }

  deinit { close(descriptor) }

  func send(_ message: GateMessage) { send(bytes: LineCodec.line(message)) }

  func send(bytes: [UInt8]) { _ = bytes.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) } }

  func submit(_ key: UInt64, cores: Int32? = nil, gpus: Int32? = nil, hash: UInt64 = 1) {
    var comment: DemandComment?
    if let gpus {
      comment = DemandComment()
      comment?.gpus = gpus
    }
    if let cores {
      comment = comment ?? DemandComment()
      comment?.coresLeast = cores
      comment?.coresMost = cores
    }
    send(.submitted(Submission(key: key, cell: "cell-\(key)", codeHash: hash, demand: comment)))
  }

  /// Waits until a message satisfies `wanted`, reading what comes; nil after `seconds`, or when the engine hangs up.
  func await(seconds: Double = 5, _ wanted: (EngineMessage) -> Bool) -> EngineMessage? {
    let deadline = celltop_boottime_us() + Int64(seconds * 1e6)
    while true {
      if let index = inbox.firstIndex(where: wanted) { return inbox.remove(at: index) }
      let left = deadline - celltop_boottime_us()
      guard left > 0, receive(milliseconds: Int32(clamping: left / 1000 + 1)) else { return nil }
    }
  }

  /// Whether the engine has hung up.
  func isHungUp(seconds: Double = 5) -> Bool {
    let deadline = celltop_boottime_us() + Int64(seconds * 1e6)
    while celltop_boottime_us() < deadline { if !receive(milliseconds: 50, hangUpOnly: true) { return true } }
    return false
  }

  private func receive(milliseconds: Int32, hangUpOnly: Bool = false) -> Bool {
    var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&one, 1, milliseconds) > 0 else { return hangUpOnly || milliseconds > 0 }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    guard count > 0 else { return false }
    for line in (try? buffer.add(chunk[..<count])) ?? [] {
      if let message = try? LineCodec.read(EngineMessage.self, from: line) { inbox.append(message) }
    }
    return true
  }
}
