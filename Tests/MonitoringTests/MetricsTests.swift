import CLinux
import Domain
import Glibc
import Projections
import Testing

@testable import Monitoring

/// A board and its meters, told by a few entries.
struct Measured {
  var board = Board()
  var meters = MeterBook()
  private var sequence: Int64 = 0

  mutating func tell(_ seconds: Double, _ event: Event) {
    sequence += 1
    let entry = Entry(sequence: sequence, at: Instant(microseconds: Int64(seconds * 1e6)), event: event)
    board.apply(entry)
    meters.apply(entry)
  }

  /// Two notebooks on a node with a hostile name: one cell ran 2 s after waiting 0.2 s, one runs, one waits.
  init() {
    let node = Node(id: NodeID(0), name: "n\"1\\\n", cores: CoreSet(0..<8), gpus: [GPU(uuid: "g0"), GPU(uuid: "g1")])
    tell(0, .policyChanged("fcfs"))
    tell(0, .nodeAdded(node))
    for number in 0..<2 {
      let id = NotebookID(Int32(number))
      tell(
        0,
        .notebookOpened(
          Notebook(
            id: id, node: NodeID(0), user: "ana", path: "/home/ana/\(number).ipynb", kernel: "p", gate: "g\(number)")))
      tell(0, .kernelReady(id))
    }
    queue(1, CellID(1), NotebookID(0))
    tell(
      1.2, .cellStarted(CellID(1), NotebookID(0), Allotment(node: NodeID(0), cores: CoreSet(0..<2)), Reason(.firstCome))
    )
    tell(2, .cellSuspended(CellID(1), NotebookID(0), Reason(.preempted)))
    tell(
      5, .cellResumed(CellID(1), NotebookID(0), Allotment(node: NodeID(0), cores: CoreSet(0..<2)), Reason(.firstCome)))
    tell(6.2, .cellEnded(CellID(1), NotebookID(0), .ok))
    queue(7, CellID(2), NotebookID(0))
    tell(
      7,
      .cellStarted(
        CellID(2), NotebookID(0), Allotment(node: NodeID(0), cores: CoreSet(0..<3), gpus: GPUSet([1])),
        Reason(.firstCome)))
    tell(8, .usageSampled(NotebookID(0), Usage(millicores: 1500, memory: Bytes(1 << 20))))
    queue(8, CellID(3), NotebookID(1))
    tell(9, .drainChanged(NodeID(0), CoreSet([7]), GPUSet()))
    tell(20, .commandAccepted(Command(id: CommandID(1), author: "ana", verb: .hold(NotebookID(1)))))
  }

  private mutating func queue(_ seconds: Double, _ cell: CellID, _ id: NotebookID) {
    let cell = Cell(
      id: cell, notebook: id, submitted: Instant(microseconds: Int64(seconds * 1e6)), demand: .oneCore)
    tell(seconds, .cellQueued(cell))
  }

  var text: String {
    SessionMetrics(
      board: board, meters: meters, version: "9.9", gates: 2, consoles: 1, trouble: "a \"full\" disk",
      process: ProcessUse(processorSeconds: 1.5, residentBytes: 1 << 20, descriptors: 12, descriptorsMost: 1024)
    ).text
  }
}

@Suite struct MetricsTests {
  @Test("tells states, waits, utilisation and trouble")
  func values() {
    let lines = Measured().text.split(separator: "\n").map(String.init)
    for line in [
      #"celltop_notebooks{state="running"} 1"#, #"celltop_notebooks{state="queued"} 1"#,
      #"celltop_cells_ended_total{outcome="ok"} 1"#, "celltop_cells_submitted_total 3",
      #"celltop_cell_wait_seconds_bucket{le="0.1"} 1"#, #"celltop_cell_wait_seconds_bucket{le="0.5"} 2"#,
      #"celltop_cell_wait_seconds_bucket{le="+Inf"} 2"#, "celltop_cell_wait_seconds_sum 0.2",
      #"celltop_cell_run_seconds_bucket{le="1"} 0"#, #"celltop_cell_run_seconds_bucket{le="2"} 1"#,
      "celltop_preemptions_total 1", #"celltop_cores{node="n\"1\\\n",kind="held"} 3"#,
      #"celltop_cores{node="n\"1\\\n",kind="busy"} 1.5"#, #"celltop_cores{node="n\"1\\\n",kind="drained"} 1"#,
      #"celltop_gpus{node="n\"1\\\n",kind="held"} 1"#, "celltop_longest_wait_seconds 12", "celltop_gates 2",
      "celltop_consoles 1", "celltop_history_trouble 1", #"celltop_commands_total{result="accepted"} 1"#,
      #"celltop_policy_info{policy="fcfs"} 1"#, #"celltop_build_info{version="9.9"} 1"#, "process_open_fds 12",
    ] { #expect(lines.contains(line), "\(line)") }
    #expect(!Measured().text.contains("ana"), "names of people are nobody's business")
  }

  @Test("counts spans below their bound, and the bound itself with it")
  func histogram() {
    var histogram = Histogram(bounds: [Span(seconds: 1), Span(seconds: 2)])
    for seconds in [0.5, 1, 1.5, 2, 3] { histogram.add(Span(seconds: seconds)) }
    #expect(histogram.counts == [2, 2, 1] && histogram.count == 5 && histogram.sum == Span(seconds: 8))
  }

  @Test(
    "reads addresses",
    arguments: [
      ("127.0.0.1:9464", "127.0.0.1:9464"), ("9464", "127.0.0.1:9464"), ("localhost:0", "127.0.0.1:0"),
      ("[::1]:80", "[::1]:80"), ("127.9.9.9:1", "127.9.9.9:1"),
    ])
  func addresses(text: String, read: String) throws { #expect(try MetricsAddress(parsing: text).description == read) }

  @Test(
    "refuses what is no address, and what others could read",
    arguments: [
      ("", "it does not end in a port"), ("127.0.0.1", "it does not end in a port"),
      ("127.0.0.1:", "it does not end in a port"),
      ("127.0.0.1:70000", "it does not end in a port"), ("127.0.0.1:+5", "it does not end in a port"),
      ("::1:80", "an IPv6 address stands in brackets"), ("[127.0.0.1]:80", "only an IPv6 address stands in brackets"),
      (":9464", "it names no address"), ("node7:80", "it is neither an address in numbers"),
      ("0.0.0.0:80", "other machines could read it"), ("[::]:80", "other machines could read it"),
      ("10.0.0.1:80", "other machines could read it"), ("[::ffff:127.0.0.1]:80", "other machines could read it"),
    ])
  func refused(text: String, why: String) {
    #expect { try MetricsAddress(parsing: text) } throws: {
      "\($0)".contains(why) && "\($0)".contains("127.0.0.1:9464")
    }
  }

  @Test("lets others read where that is wanted")
  func anywhere() throws { #expect(try MetricsAddress(parsing: "0.0.0.0:80", anywhere: true).host == "0.0.0.0") }
}

/// A client that says what it is told to, and nothing else.
private final class Caller {
  let descriptor: Int32

  init(_ port: UInt16) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  deinit { close(descriptor) }

  func say(_ text: String) {
    _ = Array(text.utf8).withUnsafeBytes { celltop_send(descriptor, $0.baseAddress, $0.count) }
  }

  /// All that is answered until the server hangs up, or ten seconds have passed.
  func answer() -> String {
    var all: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      var one = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&one, 1, 10_000) > 0 else { return "silence after " + String(decoding: all, as: UTF8.self) }
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { return String(decoding: all, as: UTF8.self) }
      all += chunk[..<count]
    }
  }
}

@Suite struct MetricsServerTests {
  private func serving(
    milliseconds: Int64 = 5000, page: String = "celltop_gates 1\n", _ body: (UInt16) throws -> Void
  ) throws {
    let server = try MetricsServer(try MetricsAddress(parsing: "127.0.0.1:0"), millisecondsMost: milliseconds) { page }
    server.start()
    defer { server.stop() }
    try body(server.address.port)
  }

  private func ask(_ port: UInt16, _ text: String) -> String {
    let caller = Caller(port)
    caller.say(text)
    return caller.answer()
  }

  @Test("answers after a quiet time that was longer than a connection may take")
  func quiet() throws {
    try serving(milliseconds: 2000) { port in
      let quietUntil = celltop_boottime_us() + 2_500_000
      while celltop_boottime_us() < quietUntil { poll(nil, 0, 50) }
      #expect(ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").hasPrefix("HTTP/1.1 200 OK"))
    }
  }

  @Test("answers a scrape, and says what it is")
  func scrape() throws {
    try serving { port in
      let answer = ask(port, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"))
      #expect(
        answer.hasSuffix(
          "Content-Length: 16\r\nConnection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\ncelltop_gates 1\n"
        ))
      #expect(ask(port, "HEAD /metrics HTTP/1.0\r\n\r\n").hasSuffix("\r\n\r\n"))
      #expect(ask(port, "GET /metrics?x=1 HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 200"))
    }
  }

  @Test(
    "refuses what is no scrape",
    arguments: [
      ("GET /etc/passwd HTTP/1.1\r\n\r\n", "404"), ("POST /metrics HTTP/1.1\r\n\r\n", "405"), ("hello\r\n\r\n", "400"),
      ("GET http://x/ HTTP/1.1\r\n\r\n", "400"), ("\r\n\r\n", "400"), ("GET /metrics SMTP\r\n\r\n", "400"),
    ])
  func refusals(text: String, code: String) throws {
    try serving { port in #expect(ask(port, text).hasPrefix("HTTP/1.1 \(code)")) }
  }

  @Test("answers others while some say nothing, read nothing, or never come to an end")
  func stuck() throws {
    let page = String(repeating: "x", count: 8 << 20)
    try serving(milliseconds: 2000, page: page) { port in
      let silent = (0..<5).map { _ in Caller(port) }
      let deaf = (0..<5).map { _ in Caller(port) }
      for caller in deaf { caller.say("GET /metrics HTTP/1.1\r\n\r\n") }
      let endless = Caller(port)
      endless.say("GET /metrics HTTP/1.1\r\n" + String(repeating: "x", count: 9000))
      #expect(endless.answer().hasPrefix("HTTP/1.1 431"))
      let began = celltop_boottime_us()
      #expect(ask(port, "GET / HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 200"))
      #expect(celltop_boottime_us() - began < 1_500_000)
      // They are let go in the end.
      for caller in silent { #expect(caller.answer() == "") }
      withExtendedLifetime(deaf) {}
    }
  }

  @Test("serves the next when more than it takes at a time have come")
  func many() throws {
    try serving(milliseconds: 300) { port in
      let silent = (0..<MetricsServer.connectionsMost).map { _ in Caller(port) }
      #expect(ask(port, "GET /metrics HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 200"))
      withExtendedLifetime(silent) {}
    }
  }

  @Test("says which address is taken")
  func taken() throws {
    try serving { port in
      #expect { try MetricsServer(MetricsAddress(parsing: "127.0.0.1:\(port)")) { "" } } throws: {
        "\($0)".contains("127.0.0.1:\(port)") && "\($0)".contains("--metrics")
      }
    }
  }
}
