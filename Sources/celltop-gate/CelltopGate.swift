import KernelGate

@main struct CelltopGate {
  static func main() {
    GateProgram.main(GateProgram.arguments())
  }
}
