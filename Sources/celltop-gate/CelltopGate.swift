import KernelGate

@main struct CelltopGate {
  static func main() {
    GateProgram.main(Array(CommandLine.arguments.dropFirst()))
  }
}
