import Domain
import Testing
import Traces

@testable import ThinkTimes

@Suite("Generated interactive workloads")
struct InteractiveWorkloadTests {
  private func trace(
    _ kind: InteractiveWorkload.Kind = .notebooks, shape: WorkloadShape = .notebooks, seed: UInt64 = 1,
    notebooks: Int = 600,
    load: Double = 1
  ) -> Trace {
    InteractiveWorkload(
      kind: kind, shape: shape, notebooks: notebooks, cores: 64, gpus: 8, load: load, seed: seed
    ).trace()
  }

  @Test("is the same for the same seed, and another for another")
  func seeds() {
    #expect(trace(.ml, seed: 3, notebooks: 50) == trace(.ml, seed: 3, notebooks: 50))
    #expect(trace(.ml, seed: 3, notebooks: 50) != trace(.ml, seed: 4, notebooks: 50))
  }

  @Test("has the think times of its model, and lets them hang together as it should", arguments: UInt64(1)...3)
  func measured(seed: UInt64) throws {
    let shape = WorkloadShape.notebooks
    let sample = ThinkSample(of: trace(seed: seed))
    try #require(sample.thinks.count > 3000)
    // The model within its range, against the sample: the distance of two distributions.
    let least = shape.think.cumulative(shape.range.leastSeconds)
    let most = shape.think.cumulative(shape.range.mostSeconds)
    let sorted = sample.thinks.sorted()
    var distance = 0.0
    for (index, value) in sorted.enumerated() {
      let share: Double = (shape.think.cumulative(value) - least) / (most - least)
      let place: Double = (Double(index) + 0.5) / Double(sorted.count)
      distance = max(distance, abs(share - place))
    }
    #expect(distance < 0.045, "seed \(seed): \(distance)")
    let withRun = try #require(sample.correlationWithRun)
    let withLast = try #require(sample.correlationWithLast)
    #expect(abs(withRun - 0.20) < 0.06, "seed \(seed): \(withRun)")
    #expect(abs(withLast - 0.31) < 0.07, "seed \(seed): \(withLast)")
    // Thoughts grow with the run before.
    let medians = sample.medianByRun.compactMap { $0.count > 20 ? $0.medianSeconds : nil }
    #expect(medians.count >= 4 && (medians.last ?? 0) > 1.5 * (medians.first ?? 1), "seed \(seed): \(medians)")
    let bursts = sample.bursts.sorted()
    #expect(QuantileTable.quantile(0.5, of: bursts) == 1)
    #expect((5...14).contains(QuantileTable.quantile(0.9, of: bursts) ?? 0), "seed \(seed)")
    #expect(sample.gapsBelow > sample.thinks.count, "most gaps are Run All")
  }

  @Test("offers the load that was asked for", arguments: [0.5, 1, 2])
  func load(load: Double) {
    let made = trace(.ml, notebooks: 3000, load: load)
    var coreWork = 0.0
    var gpuWork = 0.0
    for cell in made.notebooks.flatMap(\.cells) {
      let speedup = Speedup(parallelThousandths: cell.parallelThousandths).over(cores: Double(cell.cores))
      coreWork += cell.run.seconds * speedup
      gpuWork += cell.run.seconds * Double(cell.gpus)
    }
    let first = made.notebooks.map(\.arrival).min() ?? .zero
    let last = made.notebooks.map(\.arrival).max() ?? .zero
    let offered = max(coreWork / 64, gpuWork / 8) / (last - first).seconds
    // Poisson arrivals of 3,000 notebooks: five standard errors.
    #expect(abs(offered / load - 1) < 5 / 3000.0.squareRoot(), "\(offered)")
  }

  @Test("asks for what machine learning asks for, and never for more than the node has")
  func demands() {
    let cells = trace(.ml, notebooks: 400).notebooks.flatMap(\.cells)
    #expect(cells.allSatisfy { $0.cores <= 64 && $0.gpus <= 8 && (0...1000).contains($0.parallelThousandths) })
    #expect(Set(cells.map(\.gpus)) == [0, 1, 4, 8])
    #expect(cells.contains { $0.cores == 32 } && cells.allSatisfy { $0.memory > .zero })
    #expect(cells.allSatisfy { $0.gpus == 0 || $0.gpuMemory > .zero })
    let small = InteractiveWorkload(
      kind: .ml, shape: .notebooks, notebooks: 100, cores: 2, gpus: 1, load: 1, seed: 1
    ).trace().notebooks.flatMap(\.cells)
    #expect(small.allSatisfy { $0.cores <= 2 && $0.gpus <= 1 })
    #expect(trace(.training, shape: .training, notebooks: 20).notebooks.flatMap(\.cells).allSatisfy { $0.gpus > 0 })
  }

  @Test("works like a trace that it is shown", arguments: UInt64(1)...2)
  func likeAnother(seed: UInt64) throws {
    let model = ThinkModel.lognormal(mu: 3, sigma: 0.8)
    let source = InteractiveWorkload(
      kind: .notebooks, shape: try #require(Self.shape(model)), notebooks: 500, cores: 8, gpus: 0, load: 1, seed: seed
    ).trace()
    let measured = try #require(WorkloadShape(of: ThinkSample(of: source), name: "source"))
    let again = ThinkSample(of: trace(shape: measured, seed: seed + 10))
    let fit = try #require(ThinkFit.model(.lognormal, sorted: again.thinks.sorted(), seed: 1))
    #expect(abs(fit.numbers[0] - 3) < 0.1 && abs(fit.numbers[1] - 0.8) < 0.1, "\(fit)")
  }

  private static func shape(_ model: ThinkModel) -> WorkloadShape? {
    var shape = WorkloadShape.notebooks
    shape.think = model
    return shape
  }

  @Test("keeps a plain workload as it was: its digest is pinned", arguments: MixedWorkload.Kind.allCases)
  func pinned(kind: MixedWorkload.Kind) {
    let trace = MixedWorkload(
      kind: kind, notebooks: 20, cores: 64, gpus: kind == .cpu ? 0 : 8, load: 1, seed: 1
    ).trace()
    // FNV-1a over the native text.
    let digest = NativeTrace.write(trace).reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x100_0000_01B3
    }
    #expect(digest == (kind == .cpu ? 0xCBD1_E8B1_0AC2_48D4 : 0xAAD8_2548_C60E_9116), "\(kind): \(digest)")
  }
}
