import CLinux
import Glibc
import Synchronization

/// Answers `GET /metrics` over HTTP/1.1, one answer a connection (RFC 9112, with `Connection: close`).
///
/// It has a thread of its own, takes a text from `page` and knows nothing else: a scraper that is slow, stuck or hostile
/// delays nobody but itself. Why not a library: Docs/Decisions/0061.
public final class MetricsServer: Sendable {
  /// Connections at the same time; further ones wait in the socket's queue.
  static let connectionsMost = 16
  static let requestBytesMost = 8192
  /// How long a connection may take from its beginning to its end.
  static let millisecondsMost: Int64 = 5000

  /// Where it listens, with the port that the system chose.
  public let address: MetricsAddress
  private let listener: Int32
  private let wake: Int32
  private let millisecondsMost: Int64
  private let page: @Sendable () -> String
  private let thread = Mutex<pthread_t?>(nil)

  /// Listens from now on; `start` begins to answer.
  ///
  /// - Parameter page: makes the text, on the server's thread.
  /// - Throws: `MetricsError` that names the address and what is wrong with it.
  public convenience init(_ address: MetricsAddress, page: @escaping @Sendable () -> String) throws(MetricsError) {
    try self.init(address, millisecondsMost: Self.millisecondsMost, page: page)
  }

  init(
    _ address: MetricsAddress, millisecondsMost: Int64, page: @escaping @Sendable () -> String
  ) throws(MetricsError) {
    let made = try address.listen()
    listener = made.descriptor
    self.address = {
      var chosen = address
      chosen.port = made.port
      return chosen
    }()
    wake = celltop_eventfd()
    self.millisecondsMost = millisecondsMost
    self.page = page
  }

  deinit {
    close(listener)
    close(wake)
  }

  public func start() {
    thread.withLock { thread in
      guard thread == nil else { return }
      var made = pthread_t()
      let own = Unmanaged.passRetained(self)
      let failed = pthread_create(
        &made, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<MetricsServer>.fromOpaque(argument).takeRetainedValue().run()
          return nil
        }, own.toOpaque())
      if failed == 0 { thread = made } else { own.release() }
    }
  }

  /// Answers nobody any more; returns when its thread has ended.
  public func stop() {
    celltop_eventfd_signal(wake)
    thread.withLock { thread in
      if let thread { pthread_join(thread, nil) }
      thread = nil
    }
  }

  private func run() {
    var scrapes: [Scrape] = []
    while true {
      let now = Self.now()
      scrapes.removeAll { $0.isOver || $0.deadline <= now }
      let isFull = scrapes.count >= Self.connectionsMost
      var descriptors = [
        pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
        pollfd(fd: isFull ? -1 : listener, events: Int16(POLLIN), revents: 0),
      ]
      for scrape in scrapes {
        descriptors.append(
          pollfd(fd: scrape.descriptor, events: Int16(scrape.isAnswering ? POLLOUT : POLLIN), revents: 0))
      }
      let next = scrapes.map(\.deadline).min()
      let wait = next.map { Int32(clamping: max($0 - now, 0) + 1) } ?? Int32(-1)
      guard poll(&descriptors, nfds_t(descriptors.count), wait) >= 0 || errno == EINTR else { return }
      if descriptors[0].revents != 0 { return }
      for (scrape, ready) in zip(scrapes, descriptors.dropFirst(2)) where ready.revents != 0 { scrape.go(on: page) }
      guard descriptors[1].revents != 0 else { continue }
      let made = celltop_accept(listener)
      // Without a descriptor left the connection waits, and so does this thread, a little.
      if made < 0, errno == EMFILE || errno == ENFILE { poll(nil, 0, 100) }
      if made >= 0 { scrapes.append(Scrape(made, deadline: Self.now() + millisecondsMost)) }
    }
  }

  private static func now() -> Int64 { celltop_boottime_us() / 1000 }
}

/// One connection: a request, an answer.
private final class Scrape {
  let descriptor: Int32
  let deadline: Int64
  private(set) var isOver = false
  private var request: [UInt8] = []
  private var answer: ArraySlice<UInt8> = []
  var isAnswering: Bool { !answer.isEmpty }

  init(_ descriptor: Int32, deadline: Int64) {
    self.descriptor = descriptor
    self.deadline = deadline
  }

  deinit { close(descriptor) }

  /// Reads or writes what can be read or written now.
  func go(on page: () -> String) {
    if answer.isEmpty { read(page) }
    write()
  }

  private func read(_ page: () -> String) {
    var chunk = [UInt8](repeating: 0, count: 4096)
    let count = recv(descriptor, &chunk, chunk.count, 0)
    guard count > 0 else {
      if count == 0 || (errno != EAGAIN && errno != EINTR) { isOver = true }
      return
    }
    request += chunk[..<count]
    let text = String(decoding: request, as: UTF8.self)
    guard text.contains("\r\n\r\n") || text.contains("\n\n") else {
      if request.count > MetricsServer.requestBytesMost {
        answer = Self.answer("431 Request Header Fields Too Large", "the request is too long\n")[...]
      }
      return
    }
    answer = Self.answer(to: text, page)[...]
  }

  private func write() {
    while !answer.isEmpty {
      let count = answer.withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
      if count > 0 {
        answer = answer.dropFirst(count)
        if answer.isEmpty {
          shutdown(descriptor, Int32(SHUT_RDWR))
          isOver = true
        }
      } else if count < 0, errno == EAGAIN || errno == EINTR {
        return
      } else {
        isOver = true
        return
      }
    }
  }

  private static func answer(to request: String, _ page: () -> String) -> [UInt8] {
    let words = request.split(whereSeparator: \.isNewline).first?.split(separator: " ") ?? []
    guard words.count == 3, words[2].hasPrefix("HTTP/1."), words[1].hasPrefix("/") else {
      return answer("400 Bad Request", "this is no HTTP request\n")
    }
    guard words[0] == "GET" || words[0] == "HEAD" else {
      return answer("405 Method Not Allowed", "metrics are only read\n", more: "Allow: GET, HEAD\r\n")
    }
    let hasBody = words[0] == "GET"
    switch words[1].split(separator: "?", omittingEmptySubsequences: false).first {
    case "/metrics": return answer("200 OK", page(), type: Exposition.contentType, hasBody: hasBody)
    case "/": return answer("200 OK", "celltop: the metrics are at /metrics\n", hasBody: hasBody)
    case _: return answer("404 Not Found", "the metrics are at /metrics\n", hasBody: hasBody)
    }
  }

  private static func answer(
    _ status: String, _ body: String, type: String = "text/plain; charset=utf-8", more: String = "",
    hasBody: Bool = true
  ) -> [UInt8] {
    let head =
      "HTTP/1.1 \(status)\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n"
      + "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\(more)\r\n"
    return Array((head + (hasBody ? body : "")).utf8)
  }
}
