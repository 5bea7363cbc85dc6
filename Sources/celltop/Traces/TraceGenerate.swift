import ArgumentParser
import Domain
import ThinkTimes
import Traces

/// `celltop trace generate`: made-up workloads.
struct TraceGenerate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Make up an interactive workload at a chosen load.",
    discussion: """
      'cpu' and 'mixed' are the plain workloads of the policies' tables. 'notebooks' works as people were measured: bursts \
      (Run All), think times that go with the run before and the think before. 'ml' adds what machine learning asks for: \
      cores, parallel shares, GPUs, memory. 'training' is cells on GPUs, as long as the AdobeTrace's. These take their think times from --think, or all of it from the trace --like.
      """)
  @Option(help: "cpu, mixed, notebooks, ml or training.") var kind: WorkloadKind = .mixed
  @Option(help: "How many notebooks.") var notebooks = 200
  @Option(help: "Cores of the node for which the load is meant.") var cores = 64
  @Option(help: "GPUs of the node for which the load is meant.") var gpus = 8
  @Option(help: "Offered load: 1 is all that the node can do.") var load = 1.0
  @Option(help: "Seed: the same seed makes the same trace.") var seed: UInt64 = 1
  @Option(help: "A think-time model, like two-lognormals:0.5,0.9,0.9,4.6,1.8, as 'trace fit' prints it.")
  var think: String?
  @Option(
    help: "A trace or a table of timings to work like: its bursts, run times, think times and how they go together.")
  var like: String?
  @OptionGroup var range: ThinkRange
  @Option(name: [.short, .long], help: "The native trace to write.") var output: String
  @Flag(help: "Replace what is there.") var force = false

  enum WorkloadKind: String, ExpressibleByArgument, CaseIterable { case cpu, mixed, notebooks, ml, training }

  func validate() throws {
    guard (1...1_000_000).contains(notebooks) else { throw ValidationError("--notebooks is from 1 to 1000000.") }
    guard (1...4095).contains(cores), (0...4095).contains(gpus) else {
      throw ValidationError("--cores is from 1 to 4095 and --gpus from 0 to 4095.")
    }
    guard load > 0, load <= 100 else { throw ValidationError("--load is above 0 and up to 100.") }
    if kind == .mixed || kind == .training, gpus == 0 {
      throw ValidationError("A \(kind.rawValue) workload needs --gpus of at least 1.")
    }
    if kind == .cpu || kind == .mixed, think != nil || like != nil {
      throw ValidationError("--think and --like are for --kind notebooks, ml and training.")
    }
    if let think { _ = try Self.model(think) }
  }

  func run() throws {
    TraceCommand.demandNothing(at: output, unless: force)
    do throws(TraceError) {
      let trace = try made()
      try TraceFile.write(NativeTrace.write(trace), to: output)
      print(TraceCommand.summary(of: trace))
    } catch { refuseUse(error) }
  }

  private func made() throws(TraceError) -> Trace {
    switch kind {
    case .cpu:
      MixedWorkload(kind: .cpu, notebooks: notebooks, cores: cores, gpus: 0, load: load, seed: seed).trace()
    case .mixed:
      MixedWorkload(kind: .mixed, notebooks: notebooks, cores: cores, gpus: gpus, load: load, seed: seed).trace()
    case .notebooks: try interactive(.notebooks)
    case .ml: try interactive(.ml)
    case .training: try interactive(.training)
    }
  }

  private func interactive(_ kind: InteractiveWorkload.Kind) throws(TraceError) -> Trace {
    let model = think.flatMap { try? Self.model($0) }
    var shape = kind == .training ? WorkloadShape.training : .notebooks
    if let like {
      let trace = try TraceFile.read(like)
      let sample = ThinkSample(of: trace, range: range.range(over: shape.range))
      guard let measured = WorkloadShape(of: sample, name: trace.name, think: model, seed: seed) else {
        throw TraceError(
          file: like, because: "has \(sample.thinks.count) think times in the range, which is no sample to work like",
          mend: "Widen it with --least and --most.")
      }
      shape = measured
    } else {
      shape.range = range.range(over: shape.range)
      if let model { shape.think = model }
    }
    return InteractiveWorkload(
      kind: kind, shape: shape, notebooks: notebooks, cores: cores, gpus: kind == .notebooks ? 0 : gpus, load: load,
      seed: seed
    ).trace()
  }

  /// Reads `lognormal:2.72,2.3`.
  static func model(_ text: String) throws -> ThinkModel {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard let family = parts.first.flatMap(ThinkModel.Family.init(rawValue:)) else {
      let names = ThinkModel.Family.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--think: there is no model '\(text.printable(at: 40))'. There are \(names).")
    }
    let words = parts.count > 1 ? parts[1].split(separator: ",", omittingEmptySubsequences: false) : []
    let numbers = words.compactMap { Double($0) }
    guard numbers.count == words.count, let model = ThinkModel(family: family, numbers: numbers) else {
      throw ValidationError(
        "--think: \(family.rawValue) takes \(family.parameters) numbers in their ranges, as 'celltop trace fit' prints them: "
          + "weights from 0 to 1, spreads and scales above 0.")
    }
    return model
  }
}
