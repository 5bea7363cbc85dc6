import FoundationEssentials
import Testing

@testable import KernelGate

/// A directory of its own for each test, with one kernelspec in it.
private final class Place {
  let root: String
  var environment: [String: String] {
    ["JUPYTER_PATH": root + "/share/jupyter", "PATH": "/usr/bin:/bin", "HOME": root]
  }
  var kernels: String { root + "/share/jupyter/kernels" }

  init() throws {
    root = FileManager.default.temporaryDirectory.path + "/celltop-specs-\(UInt64.random(in: 0 ... .max))"
    try add(
      "mine",
      #"""
      {"argv": ["sh", "-x", "{resource_dir}/run", "{connection_file}"], "display_name": "Mine", "language": "r",
       "interrupt_mode": "message", "env": {"A": "${B}"}, "metadata": {"debugger": true}, "kernel_protocol_version": "5.5"}
      """#)
    try write("logo", to: kernels + "/mine/logo-64x64.png")
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  func add(_ name: String, _ json: String) throws { try write(json, to: kernels + "/\(name)/kernel.json") }

  func write(_ text: String, to path: String) throws {
    let directory = path.split(separator: "/").dropLast().joined(separator: "/")
    try FileManager.default.createDirectory(atPath: "/" + directory, withIntermediateDirectories: true)
    try Data(text.utf8).write(to: URL(filePath: path))
  }

  func json(_ name: String) throws -> [String: JSONValue] {
    try JSONDecoder().decode(
      [String: JSONValue].self, from: Data(contentsOf: URL(filePath: kernels + "/\(name)/kernel.json")))
  }

  func own() -> [KernelSpec] { KernelSpecs.specs(in: kernels) }
}

@Suite("Wrapping kernelspecs")
struct KernelSpecsTests {
  @Test("keeps all of a spec, and puts the gate in front of its command")
  func wraps() throws {
    let place = try Place()
    let made = try KernelSpecs.install(["mine"], to: place.kernels, gate: "/opt/gate", environment: place.environment)
    #expect(made.map(\.name) == ["mine-celltop"] && made[0].wraps == place.kernels + "/mine")
    let json = try place.json("mine-celltop")
    #expect(
      made[0].command == [
        "/opt/gate", "-f", "{connection_file}", "--language", "r", "--interrupt-mode", "message", "--", "/usr/bin/sh",
        "-x",
        place.kernels + "/mine/run", "{connection_file}",
      ])
    #expect(json["display_name"]?.string == "Mine (celltop)")
    #expect(json["language"]?.string == "r" && json["interrupt_mode"]?.string == "message")
    #expect(json["env"] == .object(["A": .string("${B}")]) && json["kernel_protocol_version"]?.string == "5.5")
    #expect(json["metadata"]?.object?["debugger"] == .bool(true))
    #expect(FileManager.default.fileExists(atPath: place.kernels + "/mine-celltop/logo-64x64.png"))
  }

  @Test("gives the gate options that it reads back")
  func optionsRoundTrip() throws {
    let place = try Place()
    let made = try KernelSpecs.install(["mine"], to: place.kernels, gate: "/opt/gate", environment: place.environment)
    let options = try GateOptions(parsing: Array(made[0].command.dropFirst()))
    #expect(options.language == "r" && options.interruptsByMessage && options.command.first == "/usr/bin/sh")
    #expect(options.command(connectionFile: "/own").last == "/own")
  }

  @Test("is idempotent, and never wraps what it wrapped")
  func idempotent() throws {
    let place = try Place()
    for _ in 0..<3 {
      _ = try KernelSpecs.install(["mine"], to: place.kernels, gate: "/opt/gate", environment: place.environment)
    }
    #expect(place.own().map(\.name) == ["mine", "mine-celltop"])
    #expect(KernelSpecs.list(environment: place.environment).map(\.name).contains("mine-celltop"))
    #expect(throws: KernelSpecError.self) {
      try KernelSpecs.install(["mine-celltop"], to: place.kernels, gate: "/g", environment: place.environment)
    }
  }

  @Test("removes ours and nothing else")
  func removes() throws {
    let place = try Place()
    _ = try KernelSpecs.install(["mine"], to: place.kernels, gate: "/opt/gate", environment: place.environment)
    func removed(_ names: [String]) throws -> KernelSpecs.Removal { try KernelSpecs.remove(names, from: place.kernels) }
    #expect(try removed(["other"]) == .init(removed: [], absent: ["other"]))
    #expect(try removed(["mine", "mine-celltop", "other"]) == .init(removed: ["mine-celltop"], absent: ["other"]))
    #expect(try removed(["mine"]) == .init(removed: [], absent: ["mine"]), "once more changes nothing")
    #expect(try removed([]) == .init(removed: [], absent: []))
    #expect(place.own().map(\.name) == ["mine"])
  }

  @Test("says what is wrong: an unknown name, a foreign directory, a provisioner, an unreadable spec")
  func refuses() throws {
    let place = try Place()
    try place.add(
      "far", #"{"argv": ["x"], "language": "x", "metadata": {"kernel_provisioner": {"provisioner_name": "y"}}}"#)
    try place.add("broken", "{")
    try place.add("noargv", #"{"argv": [1]}"#)
    func message(_ names: [String]) -> String {
      do throws(KernelSpecError) {
        _ = try KernelSpecs.install(names, to: place.kernels, gate: "/g", environment: place.environment)
        return ""
      } catch { return error.description }
    }
    #expect(message(["nobody"]).hasPrefix("there is no kernelspec 'nobody'; there are "))
    #expect(message(["far"]).contains("a provisioner of its own"))
    #expect(message(["broken"]).hasPrefix("there is no kernelspec 'broken'"))
    try place.add("mine-celltop", #"{"argv": ["somebody's"]}"#)
    #expect(message(["mine"]).hasSuffix("remove it first, or choose another place"))
  }

  @Test("says in the system's words which folder cannot be made, and where else to write")
  func unwritable() throws {
    let place = try Place()
    let file = place.kernels + "/mine/kernel.json"
    do throws(KernelSpecError) {
      _ = try KernelSpecs.install(["mine"], to: file + "/kernels", gate: "/g", environment: place.environment)
      Issue.record("a file was taken for a folder")
    } catch {
      #expect(
        error.description
          == "cannot write '\(file)/kernels': Not a directory. Mend its permissions, or name another place with --user, --sys-prefix or --prefix"
      )
    }
  }

  @Test("takes a bare python for the one of the prefix in which the spec lies")
  func python() throws {
    let place = try Place()
    try place.add("py", #"{"argv": ["python", "-m", "k"], "language": "python"}"#)
    try place.write("#!", to: place.root + "/bin/python")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.root + "/bin/python")
    let made = try KernelSpecs.install(["py"], to: place.kernels, gate: "/g", environment: place.environment)
    #expect(made[0].command.contains(place.root + "/bin/python"))
  }

  /// The order by the places' names: E the environment, U the user's data, B the user's packages, L and S the system's.
  private func order(_ place: Place, _ more: [String: String] = [:]) -> String {
    let names = [
      place.root + "/env/share/jupyter": "E", place.root + "/data": "U", place.root + "/.local/share/jupyter": "B",
      place.root + "/base/share/jupyter": "B", "/usr/local/share/jupyter": "L", "/usr/share/jupyter": "S", "/a": "A",
    ]
    let environment = ["HOME": place.root, "JUPYTER_DATA_DIR": place.root + "/data", "PATH": place.root + "/env/bin"]
    return KernelSpecs.searchPath(environment: environment.merging(more) { _, new in new })
      .map { names[String($0.dropLast("/kernels".count))] ?? "?" }.joined()
  }

  @Test("searches in Jupyter's order: the user before the python3 on PATH, unless that is a virtualenv or conda's")
  func order() throws {
    let place = try Place()
    try place.write("#!", to: place.root + "/env/bin/python3")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.root + "/env/bin/python3")
    #expect(order(place) == "UBELS")
    #expect(order(place, ["JUPYTER_PATH": "/a/"]) == "AUBELS")
    #expect(order(place, ["JUPYTER_PREFER_ENV_PATH": "1"]) == "EUBLS")
    #expect(order(place, ["PYTHONNOUSERSITE": "1"]) == "UELS")
    #expect(order(place, ["PYTHONUSERBASE": place.root + "/base"]) == "UBELS")
    let conda = ["CONDA_PREFIX": place.root + "/env"]
    #expect(
      order(place, conda) == "UBELS" && order(place, conda.merging(["CONDA_DEFAULT_ENV": "base"]) { $1 }) == "UBELS")
    #expect(order(place, conda.merging(["CONDA_DEFAULT_ENV": "mine"]) { $1 }) == "EUBLS")
    try place.write("include-system-site-packages = false\n", to: place.root + "/env/pyvenv.cfg")
    #expect(order(place) == "EULS")
    #expect(order(place, ["VIRTUAL_ENV": place.root + "/env"]) == "EULS")
    #expect(order(place, ["JUPYTER_PREFER_ENV_PATH": "0"]) == "UELS")
    try place.write("include-system-site-packages = true\n", to: place.root + "/env/pyvenv.cfg")
    #expect(order(place) == "EUBLS")
    // The system's own Python is no environment of anybody's.
    #expect(order(place, ["PATH": "/usr/bin", "JUPYTER_PREFER_ENV_PATH": "1"]) == "UBLS")
    #expect(KernelSpecs.userDirectory(environment: ["JUPYTER_DATA_DIR": "/d"]) == "/d/kernels")
  }
}

@Suite("The gate's command line and connection file")
struct GateOptionsTests {
  @Test(
    "says what is wrong",
    arguments: [
      ([], "the connection file is missing: -f CONNECTION_FILE"), (["-f"], "-f needs a value"),
      (["-f", "x"], "the kernel's command is missing: -- KERNEL ARGUMENT…"),
      (["-f", "x", "--"], "the kernel's command is missing: -- KERNEL ARGUMENT…"),
      (["python"], "there is no option 'python'; the kernel's command stands behind --"),
      (
        ["--fail-open-after", "soon"],
        "cannot read --fail-open-after 'soon': it is not a number of seconds from 0 to 86400"
      ),
      (["--interrupt-mode", "x"], "cannot read --interrupt-mode 'x': it is neither signal nor message"),
    ] as [([String], String)])
  func wrong(arguments: [String], why: String) {
    #expect(throws: GateUsageError.wrong(why)) { try GateOptions(parsing: arguments) }
  }

  @Test("replaces the client's file wherever it stands, and the literal that VS Code leaves")
  func replaces() throws {
    let options = try GateOptions(parsing: [
      "-f", "/r/k.json", "--", "k", "-f", "/r/k.json", "--f=/r/k.json", "{connection_file}",
    ])
    #expect(options.command(connectionFile: "/p/k.json") == ["k", "-f", "/p/k.json", "--f=/p/k.json", "/p/k.json"])
  }

  @Test("takes a path that is not UTF-8 as it is, and replaces it in the kernel's command")
  func bytes() throws {
    let path = Array("/r/andr".utf8) + [0xe9] + Array("/k.json".utf8)
    let options = try GateOptions(
      parsing: [Array("-f".utf8), path, Array("--".utf8), [0xe9], Array("--f=".utf8) + path, path + path])
    #expect(options.connectionPath == path && options.connectionFile == "/r/andr\u{FFFD}/k.json")
    let own = Array("/p/k.json".utf8)
    #expect(options.command(connectionFile: own) == [[0xe9], Array("--f=".utf8) + own, own + own])
  }

  @Test("replaces a file that is named without its directory once")
  func replacesRelative() throws {
    let options = try GateOptions(parsing: [
      "-f", "k.json", "--", "k", "-f", "{connection_file}", "--f=k.json", "k.json{",
    ])
    #expect(options.command(connectionFile: "/p/k.json") == ["k", "-f", "/p/k.json", "--f=/p/k.json", "/p/k.json{"])
  }

  static let file =
    #"{"transport":"tcp","ip":"127.0.0.1","shell_port":1,"iopub_port":2,"stdin_port":3,"control_port":4,"hb_port":5,"key":"k","signature_scheme":"hmac-sha256","kernel_name":"x","jupyter_session":"/n.ipynb"}"#

  @Test("moves a kernel to other ports and keeps what it does not know")
  func moves() throws {
    let file = try ConnectionFile(parsing: Array(Self.file.utf8), name: "f")
    #expect(file.endpoint(.control) == "tcp://127.0.0.1:4" && file.notebook == "/n.ipynb")
    #expect(file.ports == [1, 2, 3, 4, 5])
    let ports = try #require(HeldPorts(avoiding: file.ports))
    #expect(Set(ports.numbers.values).count == 5 && !ports.isTaken)
    let moved = try ConnectionFile(parsing: file.moved(to: ports.numbers).text(), name: "f")
    #expect(moved.endpoint(.shell) == "tcp://127.0.0.1:\(ports.numbers[.shell]!)" && moved.key == "k")
    #expect(String(decoding: moved.text(), as: UTF8.self).contains(#""kernel_name": "x""#))
  }

  @Test("hands members on as they stand, whatever is in them")
  func handsOn() throws {
    let strange =
      #","a \"b\"":{"c":[1,{"d":"\u00e9}"}],"e":1e400},"curve_publickey":"p","curve_secretkey":"s","ip":"\u002fs"}"#
    let file = try ConnectionFile(parsing: Array((Self.file.dropLast() + strange).utf8), name: "f")
    #expect(file.ip == "/s" && file.curve == ConnectionFile.CurveKeys(publicKey: "p", secretKey: "s"))
    let moved = String(decoding: file.moved(into: "/p").text(), as: UTF8.self)
    #expect(moved.contains(#""a \"b\"": {"c":[1,{"d":"\u00e9}"}],"e":1e400}"#) && moved.contains(#""ip": "/p/k""#))
    #expect(try ConnectionFile(parsing: Array(moved.utf8), name: "f").endpoint(.shell) == "tcp:///p/k:1")
  }

  @Test(
    "names the member that is wrong",
    arguments: [
      ("x", "it is not a JSON object"), (file + "]", "it is not a JSON object"),
      ("{}", "'shell_port' is not a port from 1 to 65535"),
      (file.replacing("\"hb_port\":5", with: "\"hb_port\":70000"), "'hb_port' is not a port from 1 to 65535"),
      (file.replacing("\"tcp\"", with: "\"udp\""), "the transport 'udp' is neither tcp nor ipc"),
      (file.replacing("sha256", with: "md5"), "the signature scheme 'hmac-md5' is not hmac-sha256"),
    ])
  func wrongFile(text: String, why: String) {
    do {
      _ = try ConnectionFile(parsing: Array(text.utf8), name: "f")
      Issue.record("it was read")
    } catch { #expect(error.description.contains(why)) }
  }

  @Test("remembers the latest signatures and forgets the oldest")
  func signatures() {
    var history = SignatureHistory()
    let answers = [[1], [1], [], []].map { history.isNew($0) }
    #expect(answers == [true, false, true, true])
    for number in 0..<SignatureHistory.kept { _ = history.isNew([2, UInt8(number & 255), UInt8(number >> 8)]) }
    let again = history.isNew([1])
    #expect(again, "it has been forgotten")
  }
}

extension GateOptions {
  /// The kernel's command as text.
  fileprivate func command(connectionFile own: String) -> [String] {
    command(connectionFile: Array(own.utf8)).map { String(decoding: $0, as: UTF8.self) }
  }
}
