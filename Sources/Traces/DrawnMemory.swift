import Chance
import Domain

extension Trace {
  /// The trace with GPU memory drawn for the cells that use GPUs and say nothing about it: for each notebook an eighth, a
  /// quarter, a half or three quarters of `most` on each of its GPUs, all equally likely.
  public func drawingGPUMemory(upTo most: Bytes, seed: UInt64) -> Trace {
    var random = SplitMix(seed: seed)
    var result = self
    for index in result.notebooks.indices {
      let eighths = [1, 2, 4, 6][Int(random.next() % 4)] as Int64
      for cell in result.notebooks[index].cells.indices
      where result.notebooks[index].cells[cell].gpus > 0 && result.notebooks[index].cells[cell].gpuMemory == .zero {
        result.notebooks[index].cells[cell].gpuMemory = Bytes(most.count / 8 * eighths)
      }
    }
    return result
  }
}
