import KernelGate

@main struct CelltopGate {
  static func main() {
    KernelGate.main(Array(CommandLine.arguments.dropFirst()))
  }
}
