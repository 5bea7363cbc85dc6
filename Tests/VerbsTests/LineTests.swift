import Domain
import Projections
import Testing

@testable import Verbs

@Suite("Lines of orders") struct LineTests {
  private static func demand(_ words: String...) -> DemandComment {
    var demand = DemandComment()
    for word in words { try? demand.read(word: word) }
    return demand
  }

  private static let right: [(String, Line)] = [
    ("suspend", Line(.suspend)), ("suspend now", Line(.suspend)), ("preempt", Line(.suspend)),
    ("susp after 20s", Line(.suspendAfter(Span(seconds: 20)))),
    ("suspend after 90", Line(.suspendAfter(Span(seconds: 90)))),
    ("suspend after 2m on churn", Line(.suspendAfter(Span(seconds: 120)), on: .these(["churn"]))),
    ("suspend at-end", Line(.suspendAtEnd)), ("suspend at cell end", Line(.suspendAtEnd)),
    ("call-off", Line(.callOff)), ("calloff on tagged", Line(.callOff, on: .tagged)),
    ("resume on all", Line(.resume, on: .all)), ("kill", Line(.interrupt)),
    ("interrupt because it swaps", Line(.interrupt, because: "it swaps")),
    ("priority -5 on filtered", Line(.priority(-5), on: .filtered)), ("prio 100", Line(.priority(100))),
    ("pin", Line(.pin(CoreSet(), GPUSet(), alone: false))),
    ("pin 0-1,3", Line(.pin(CoreSet([0, 1, 3]), GPUSet(), alone: false))),
    ("pin cores 0 gpus 1 alone", Line(.pin(CoreSet([0]), GPUSet([1]), alone: true))),
    ("pin alone", Line(.pin(CoreSet(), GPUSet(), alone: true))),
    ("unpin", Line(.unpin)), ("hold on churn, digits", Line(.hold, on: .these(["churn", "digits"]))),
    ("release on \"my book\" because \"all is well\"", Line(.release, on: .these(["my book"]), because: "all is well")),
    ("hold on \"say \\\"hi\\\"\"", Line(.hold, on: .these(["say \"hi\""]))),
    ("hold on \"a,b\",c\\d,\"e\\\\f g\"", Line(.hold, on: .these(["a,b", "c\\d", "e\\f g"]))),
    ("hold on \"all\",on", Line(.hold, on: .these(["all", "on"]))),
    ("hold on \"all\"", Line(.hold, on: .these(["all"]))),
    ("hold on \"on\" because \"because\"", Line(.hold, on: .these(["on"]), because: "because")),
    ("hold on my book,\"a \\b\"", Line(.hold, on: .these(["my book", "a \\b"]))),
    ("demand cores=1-4 memory=8G", Line(.demand(demand("cores=1-4", "memory=8G")))),
    ("demand gpus=1 gpu-memory=2G", Line(.demand(demand("gpus=1", "gpuMemory=2G")))),
    ("demand own", Line(.demand(nil))), ("drain 0-1", Line(.drain(CoreSet([0, 1]), GPUSet()))),
    ("drain gpus 0", Line(.drain(CoreSet(), GPUSet([0])))),
    ("undrain cores 1 gpus 0", Line(.undrain(CoreSet([1]), GPUSet([0])))),
    ("  POLICY   dynamic:no-preemption ", Line(.policy("dynamic:no-preemption"))),
  ]

  @Test("are read as they are meant")
  func reading() throws {
    for (text, line) in Self.right { #expect(try Line(parsing: text) == line, "\(text)") }
  }

  @Test("read the same again from what they write of themselves")
  func roundTrip() throws {
    for (_, line) in Self.right { #expect(try Line(parsing: line.text) == line, "\(line.text)") }
  }

  private static let names =
    "suspend, call-off, resume, interrupt, priority, pin, unpin, hold, release, demand, drain, undrain, policy"
  private static let wrong: [(String, String)] = [
    ("", "cannot read the command '': it is empty. Write it like hold"),
    ("fly", "cannot read the command 'fly': there is none of that name. Write it like \(names)"),
    (
      "p",
      "cannot read the command 'p': it could be suspend or priority or pin or policy. Write it like suspend after 20s"
    ),
    ("re", "cannot read the command 're': it could be resume or release. Write it like resume"),
    (
      "suspend soon",
      "cannot read the command 'suspend soon': after it comes nothing, 'now', 'after' with a time, or 'at-end'. Write it like suspend after 20s"
    ),
    ("suspend after never", "cannot read the time 'never': it is no number of s, m, h or d. Write it like 20s"),
    ("suspend after 2w", "cannot read the time '2w': it is no number of s, m, h or d. Write it like 20s"),
    ("suspend after 2d", "cannot read the grace '2d': it is not from 1 s to 24 h. Write it like suspend after 20s"),
    ("suspend after 0s", "cannot read the grace '0s': it is not from 1 s to 24 h. Write it like suspend after 20s"),
    ("suspend after 25h", "cannot read the grace '25h': it is not from 1 s to 24 h. Write it like suspend after 20s"),
    ("priority", "cannot read the command 'priority': it needs a number. Write it like priority 5"),
    ("priority high", "cannot read the command 'priority': it needs a number. Write it like priority 5"),
    ("priority 101", "cannot read the priority '101': it is not from -100 to 100. Write it like priority 5"),
    ("pin 0,x", "cannot read the core list '0,x': 'x' is neither a number nor a range. Write it like 0-3,8"),
    ("pin gpus", "cannot read the command 'pin': 'gpus' needs a list. Write it like pin 0-3 gpus 1"),
    ("drain", "cannot read the command 'drain': it needs cores or GPUs. Write it like drain 0-3"),
    ("drain alone", "cannot read the core list 'alone': 'alone' is neither a number nor a range. Write it like 0-3,8"),
    ("policy", "cannot read the command 'policy': it needs a name. Write it like policy dynamic"),
    ("demand", "cannot read the command 'demand': it needs a demand. Write it like demand cores=1-4 memory=8G"),
    (
      "demand cores=0",
      "cannot read the demand 'cores=0': '0' is not a number of cores from 1 to 4096, or a range of them. Write it like cores=4 gpus=1 memory=8G"
    ),
    (
      "demand cores=1 cores=2",
      "cannot read the demand 'cores=2': 'cores' is asked for twice. Write it like cores=4 gpus=1 memory=8G"
    ),
    (
      "hold churn",
      "cannot read the command 'hold': nothing follows it but 'on' and 'because', and not 'churn'. Write it like hold on churn because demo"
    ),
    ("hold on", "cannot read the command '': 'on' names nobody. Write it like hold on churn,digits"),
    (
      "hold because",
      "cannot read the command 'hold because': 'because' tells no reason. Write it like hold because demo"
    ),
    (
      "drain 0 on churn",
      "cannot read the command 'drain': it is about no notebook, and takes no 'on'. Write it like drain 0-3"
    ),
    (
      "hold on \"churn",
      "cannot read the line 'hold on \"churn': a quote is not closed. Write it like hold on \"my book\""
    ),
  ]

  @Test("say what is wrong with them and how to mend it")
  func errors() {
    for (text, message) in Self.wrong {
      do {
        let line = try Line(parsing: text)
        Issue.record("'\(text)' was read as \(line)")
      } catch { #expect(error.description == message, "\(text)") }
    }
  }

  @Test("have an example for each word, which is right and of that word")
  func examples() throws {
    for word in Grammar.words {
      #expect(try Line(parsing: word.example).act.word == word.name)
      #expect(try Grammar.word(word.name) == word)
      for other in word.others { #expect(try Grammar.word(other) == word, "\(other)") }
    }
  }
}
