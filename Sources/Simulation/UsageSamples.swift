import Domain
import Traces

// What a node's sampler would tell of simulated kernels, for sessions that are watched.
extension Simulator {
  /// What a kernel takes that has run nothing yet: ipykernel's resident memory as it was measured, in round figures.
  static let kernelMemory = Bytes(64 << 20)

  /// Tells the engine what each open notebook uses, once all that happens until then has happened.
  ///
  /// A cell on *k* cores keeps `speedup(k)` of them busy on the average, for a part of its work runs on one (Amdahl's law), and fewer where
  /// others slow it down. Its kernel keeps the memory of the largest cell so far. What has not changed is not told again.
  public mutating func sampleUsage(at instant: Instant) {
    run(until: instant)
    now = max(now, instant.microseconds)
    for number in playerOf.indices {
      let player = players[Int(playerOf[number])]
      guard player.cell < player.cells else { continue }
      let usage = usage(of: player)
      guard told[player.id] != usage else { continue }
      told[player.id] = usage
      give(.observation(.usageSampled(player.id, usage)))
    }
  }

  private func usage(of player: Player) -> Usage {
    let seen = cells[Int(player.first)..<Int(player.first + player.cell + (player.isRunning ? 1 : 0))]
    let largest = seen.reduce(Bytes.zero) { max($0, $1.memory) }
    var millicores = 0.0
    if player.isRunning, player.cores > 0 {
      let cell = cells[Int(player.first + player.cell)]
      let speedup = Speedup(parallelThousandths: cell.parallelThousandths)
        .over(cores: Double(min(player.cores, max(cell.cores, 1))))
      millicores = 1000 * speedup * (player.shares ? min(player.rate, 1) : 1)
    }
    return Usage(millicores: Int32(millicores.rounded()), memory: Self.kernelMemory + largest)
  }
}
