import ArgumentParser

/// By what the engine of a bench with simulated gates decides.
struct CrowdPolicy: ParsableArguments {
  @Option(
    help:
      "The policy that decides. One that takes cores from running cells gives them to others before the gate has said that it did so, which counts as given twice."
  )
  var policy = "fcfs"
}
