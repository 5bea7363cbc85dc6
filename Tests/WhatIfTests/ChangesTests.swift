import Domain
import Testing

@testable import WhatIf

@Suite("What is asked to be different") struct ChangesTests {
  @Test(
    "reads what it writes",
    arguments: [
      "policy=dynamic", "policy=dynamic,gpus=4,without=action:3", "cores=12", "without=actions",
      "policy=dynamic:no-preemption,ageing=24;cores=8", "with=hold:churn", "with=priority:a:b:5", "with=pin:churn:0-3",
      "same",
    ])
  func roundTrip(text: String) throws { #expect(try Changes(parsing: text).text == text) }

  @Test("takes spaces and an empty text")
  func lenient() throws {
    #expect(try Changes(parsing: "").isEmpty)
    #expect(try Changes(parsing: " policy=sjf , gpus=2 ").text == "policy=sjf,gpus=2")
  }

  @Test(
    "says what is wrong, where, and what there is",
    arguments: [
      ("gpus=many", "cannot read the change 'gpus=many': it is no number from 0 to"),
      ("cores=0", "it is no number from 1 to"), ("policy=", "it has no value"), ("policy", "it has no value"),
      ("colour=red", "there is no change of that name"),
      ("policy=dynamic:ageing=24,no-preemption", "cannot read the change 'no-preemption': it has no value"),
      ("policy=dynamic:a,ageing=24", "separate changes by ';'"), ("without=3", "left out by its number"),
      ("with=hold", "it names no notebook"), ("with=dance:churn", "there is no order 'dance'"),
      ("with=pin:churn:x", "cannot read the core list"), ("with=priority:churn:high", "a priority is a number"),
      ("with=priority:churn", "a priority is a number"), ("\u{1B}[2J=1", "cannot read the change '?[2J=1'"),
    ])
  func errors(text: String, message: String) {
    do {
      _ = try Changes(parsing: text)
      Issue.record("\(text) was read")
    } catch {
      #expect(error.description.contains(message), "\(error)")
      #expect(error.description.contains("policy=NAME") || error.description.contains("core list"))
    }
  }
}
