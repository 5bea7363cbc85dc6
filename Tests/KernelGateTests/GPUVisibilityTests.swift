import Domain
import GateLink
import Testing

@testable import KernelGate

@Suite("Which GPUs a kernel sees")
struct GPUVisibilityTests {
  private typealias Change = GPUVisibility.Change
  private let cuda = "CUDA_VISIBLE_DEVICES"

  @Test("none before its first grant, then those of it")
  func sticky() {
    var gpus = GPUVisibility(client: [:])
    gpus.govern([.nvidia])
    #expect(gpus.changes(isGoverned: true) == [Change(variable: cuda, value: "")])
    gpus.note(gpus.changes(isGoverned: true))
    #expect(gpus.changes(isGoverned: true).isEmpty, "what was told is not told again")
    #expect(gpus.grant([VisibleGPU(id: "GPU-b"), VisibleGPU(id: "GPU-a")]) == nil)
    #expect(gpus.changes(isGoverned: true) == [Change(variable: cuda, value: "GPU-b,GPU-a")])
    gpus.note(gpus.changes(isGoverned: true))
    #expect(gpus.grant([]) == nil && gpus.grant([VisibleGPU(id: "GPU-a")]) == nil)
    #expect(gpus.grant([VisibleGPU(id: "GPU-c")])?.contains("restart it to use GPU-c") == true)
    #expect(gpus.changes(isGoverned: true).isEmpty && gpus.changes(isGoverned: false).isEmpty)
  }

  @Test("what its client gave it, where nobody governs, before and after")
  func ungoverned() {
    var gpus = GPUVisibility(client: [cuda: "3"])
    #expect(gpus.changes(isGoverned: true).isEmpty && gpus.changes(isGoverned: false).isEmpty)
    gpus.govern([.nvidia])
    #expect(gpus.changes(isGoverned: false).isEmpty)
    gpus.note(gpus.changes(isGoverned: true))
    #expect(gpus.changes(isGoverned: false) == [Change(variable: cuda, value: "3")])
    var bare = GPUVisibility(client: [:])
    bare.govern([.nvidia])
    bare.note(bare.changes(isGoverned: true))
    #expect(bare.changes(isGoverned: false) == [Change(variable: cuda, value: nil)])
    bare.note(bare.changes(isGoverned: false))
    #expect(bare.changes(isGoverned: true) == [Change(variable: cuda, value: "")])
  }

  @Test("each maker's by its own variable, and only those that are given out")
  func makers() {
    var gpus = GPUVisibility(client: [:])
    gpus.govern([.amd])
    #expect(gpus.changes(isGoverned: true) == [Change(variable: "ROCR_VISIBLE_DEVICES", value: "")])
    gpus.govern([.nvidia, .amd])
    _ = gpus.grant([VisibleGPU(id: "0", maker: .amd), VisibleGPU(id: "GPU-a")])
    #expect(
      gpus.changes(isGoverned: true) == [
        Change(variable: cuda, value: "GPU-a"), Change(variable: "ROCR_VISIBLE_DEVICES", value: "0"),
      ])
  }

  @Test("choosing among them by the client's numbers ends with the first grant, where the maker's programs do that")
  func choosing() {
    let hip = "HIP_VISIBLE_DEVICES"
    var gpus = GPUVisibility(client: [hip: "3", "GPU_DEVICE_ORDINAL": "3"])
    gpus.govern([.nvidia, .amd])
    gpus.note(gpus.changes(isGoverned: true))
    _ = gpus.grant([VisibleGPU(id: "GPU-a", maker: .amd)])
    let changes = gpus.changes(isGoverned: true)
    #expect(
      changes == [
        Change(variable: "ROCR_VISIBLE_DEVICES", value: "GPU-a"), Change(variable: "GPU_DEVICE_ORDINAL", value: nil),
        Change(variable: hip, value: nil),
      ])
    gpus.note(changes)
    #expect(gpus.changes(isGoverned: true).isEmpty)
    var cuda = GPUVisibility(client: [hip: "3"])
    _ = cuda.grant([VisibleGPU(id: "GPU-a")])
    #expect(cuda.changes(isGoverned: true) == [Change(variable: self.cuda, value: "GPU-a")])
  }

  @Test("none from the start, where this machine has some, somebody schedules and the kernel can be told later")
  func hiddenAtStart() {
    func hidden(
      _ language: String? = "python", scheduled: Bool = true, _ environment: [String: String] = [:],
      _ files: Set<String> = ["/dev/nvidiactl", "/dev/kfd"]
    ) -> [GPUMaker] {
      GPUVisibility.hiddenAtStart(language: language, isScheduled: scheduled, environment: environment) {
        files.contains($0)
      }
    }
    #expect(hidden() == [.nvidia, .amd] && hidden("R") == [.nvidia, .amd])
    #expect(hidden("c++").isEmpty && hidden(nil).isEmpty && hidden(scheduled: false).isEmpty)
    #expect(hidden("python", [:], []).isEmpty && hidden("python", [:], ["/dev/kfd"]) == [.amd])
    #expect(hidden("python", ["CELLTOP_NVML": "/lib/standin.so"], []) == [.nvidia])
    let made = Environment.forKernel([cuda: "3"], threads: nil, hidden: [.nvidia])
    #expect(made.contains("\(cuda)=") && !made.contains { $0.hasPrefix("ROCR") })
    // Nobody gives any out: the first cell finds what its client gave it.
    var gpus = GPUVisibility(client: [cuda: "3"], hidden: [.nvidia, .amd])
    #expect(
      gpus.changes(isGoverned: true) == [
        Change(variable: cuda, value: "3"), Change(variable: "ROCR_VISIBLE_DEVICES", value: nil),
      ])
    gpus.govern([.nvidia])
    #expect(gpus.changes(isGoverned: true) == [Change(variable: "ROCR_VISIBLE_DEVICES", value: nil)])
  }

  @Test("by a running cell: its grant's, or as many as it asked for of what its kernel sees")
  func running() {
    var gpus = GPUVisibility(client: [:])
    #expect(gpus.running(isGoverned: false, asked: 2).isEmpty)
    let (a, b) = (VisibleGPU(id: "GPU-a"), VisibleGPU(id: "GPU-b"))
    _ = gpus.grant([a, b])
    #expect(gpus.running(isGoverned: true, asked: 2) == [a, b])
    _ = gpus.grant([])
    #expect(gpus.running(isGoverned: true, asked: nil).isEmpty)
    #expect(gpus.running(isGoverned: false, asked: 1) == [a] && gpus.running(isGoverned: false, asked: nil).isEmpty)
  }

  @Test(
    "is said in the kernel's language",
    arguments: [
      ("python", "__import__('os').environ['A'] = 'x'\n__import__('os').environ.pop('B', None)"),
      ("R", "invisible(Sys.setenv(A = 'x'))\ninvisible(Sys.unsetenv('B'))"),
      ("Julia", "ENV[\"A\"] = \"x\"; nothing\ndelete!(ENV, \"B\"); nothing"), ("bash", "export A='x'\nunset B"),
    ])
  func code(language: String, code: String) {
    let changes = [Change(variable: "A", value: "x"), Change(variable: "B", value: nil)]
    #expect(EnvironmentCode.setting(changes, language: language) == code)
    #expect(EnvironmentCode.setting(changes, language: "c++") == nil)
    #expect(EnvironmentCode.setting(changes, language: nil) == nil)
  }
}

@Suite("Threads of a kernel")
struct ThreadPoolsTests {
  @Test("begin with one where somebody schedules a kernel that cannot look at its mask")
  func start() {
    #expect(ThreadPools.startThreads(language: "R", isScheduled: true) == 1)
    #expect(ThreadPools.startThreads(language: "R", isScheduled: false) == nil)
    #expect(ThreadPools.startThreads(language: "Python", isScheduled: true) == nil)
    #expect(ThreadPools.startThreads(language: nil, isScheduled: true) == nil)
    let names = Set(ThreadPools.environment(threads: 1, own: [:]).map(\.0))
    #expect(
      names == [
        "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
        "JULIA_NUM_THREADS", "MC_CORES", "RCPP_PARALLEL_NUM_THREADS", "R_DATATABLE_NUM_THREADS",
      ])
  }

  @Test("look for work as long as it takes to wake a sleeper, unless the author chose how they wait")
  func waiting() {
    #expect(
      Environment.forKernel([:], threads: nil) == ["GOMP_SPINCOUNT=1000", "KMP_BLOCKTIME=0", "OMP_WAIT_POLICY=active"])
    for own in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"] {
      #expect(Environment.forKernel([own: "passive"], threads: nil) == ["\(own)=passive"])
    }
  }

  @Test(
    "are not told to kernels that take a cell up before the one ahead of it has ended",
    arguments: [
      (["/usr/bin/python3", "-m", "xpython_launcher", "-f", "x"], "xeus-python"),
      (["/opt/bin/xpython", "-f", "x"], "xeus-python"),
      (["xr", "-f", "x"], "xr"),
    ])
  func unsuitable(command: [String], implementation: String) throws {
    #expect(!SilentRequests.suit(command: command) && !SilentRequests.suit(implementation: implementation))
    let options = try GateOptions(parsing: ["-f", "x", "--language", "python", "--"] + command)
    #expect(options.language == "python" && options.spokenLanguage == nil)
    let ipykernel = ["python3", "-m", "ipykernel_launcher", "-f", "/home/xpython/x"]
    #expect(SilentRequests.suit(command: ipykernel) && SilentRequests.suit(implementation: "ipython"))
  }

  @Test("leave what is not UTF-8 as it is")
  func bytes() {
    let home = Array("HOME=/home/andr".utf8) + [0xe9]
    let made = Environment.forKernel([home, Array("OMP_WAIT_POLICY=passive".utf8)], threads: nil)
    #expect(made == [home, Array("OMP_WAIT_POLICY=passive".utf8)])
    #expect(Environment.values([home])["HOME"] == "/home/andr\u{fffd}")
  }

  @Test("are what the author chose, where he did")
  func chosen() {
    let made = Environment.forKernel(["OMP_NUM_THREADS": "3", "JPY_PARENT_PID": "1"], threads: 1)
    #expect(made.contains("OMP_NUM_THREADS=3") && made.contains("CELLTOP_OWN_THREADS=3"))
    #expect(made.contains("MC_CORES=1") && !made.contains { $0.hasPrefix("JPY_PARENT_PID") })
    let free = Environment.forKernel(["OMP_NUM_THREADS": "3"], threads: nil)
    #expect(free.contains("OMP_NUM_THREADS=3") && !free.contains { $0.hasPrefix("CELLTOP_OWN_THREADS") })
  }

  @Test("are told in Python, R and Julia, each with the number", arguments: ["python", "R", "julia"])
  func told(language: String) {
    #expect(ThreadPools.code(threads: 7, language: language)?.contains("7") == true)
    #expect(ThreadPools.code(threads: 7, language: "fortran") == nil)
  }
}

extension Environment {
  /// The same for an environment that is all text.
  static func forKernel(_ client: [String: String], threads: Int?, hidden: [GPUMaker] = []) -> [String] {
    forKernel(client.map { Array("\($0.key)=\($0.value)".utf8) }, threads: threads, hidden: hidden)
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
