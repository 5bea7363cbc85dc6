@main struct CelltopGate { static func main() {} }
