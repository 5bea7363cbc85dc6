import Domain
import GateLink
import Testing

@testable import KernelGate

@Suite("What the author of a held cell is told")
struct AuthorNoticeTests {
  private let after = Span(seconds: 2)
  private let held = AuthorNotice.Held(key: 7, messageID: "m", since: .zero)
  private func at(_ seconds: Double) -> Instant { .zero + Span(seconds: seconds) }

  @Test("is said after the wait, again when it has changed but once a second at the most, and no more at the start")
  func course() {
    var notice = AuthorNotice()
    #expect(notice.wake(held, after: after) == .never, "nothing is known")
    notice.heard(Standing(need: "waiting for 1 GPU", place: 2), of: 7, at: at(0.1))
    #expect(notice.wake(held, after: after) == at(2))
    #expect(notice.tick(held, after: after, at: at(1.9)) == nil)
    #expect(notice.tick(held, after: after, at: at(2)) == .show("waiting for 1 GPU: 2nd in line"))
    #expect(notice.wake(held, after: after) == .never, "nothing that would change by itself")
    notice.heard(Standing(need: "waiting for 1 GPU", place: 1), of: 7, at: at(2.2))
    #expect(notice.wake(held, after: after) == at(3))
    #expect(notice.tick(held, after: after, at: at(2.3)) == nil)
    #expect(notice.tick(held, after: after, at: at(3)) == .update("waiting for 1 GPU: next in line"))
    notice.heard(Standing(need: "waiting for 1 GPU", place: 1), of: 7, at: at(4))
    #expect(notice.tick(held, after: after, at: at(5)) == nil, "the same text")
    let other = notice.ended("other")
    #expect(!other)
    let shown = notice.ended("m")
    #expect(shown)
    let again = notice.ended("m")
    #expect(!again, "it is taken away once")
  }

  @Test("counts down by itself, as roughly as it is known, and ends where all is said")
  func countdown() {
    var notice = AuthorNotice()
    notice.heard(Standing(need: "w", place: 1, expectedSeconds: 12, latestSeconds: 20), of: 7, at: .zero)
    var texts: [String] = []
    var now = at(2)
    for _ in 0..<100 {
      switch notice.tick(held, after: after, at: now) {
      case .show(let text)?, .update(let text)?: texts.append(text)
      case nil: break
      }
      let wake = notice.wake(held, after: after)
      guard wake < .never else { break }
      #expect(wake - now >= AuthorNotice.textsApart)
      now = wake
    }
    #expect(
      texts == [
        "w: next in line, about 10 s", "w: next in line, about 5 s", "w: next in line, any moment",
        "w: next in line, later than foreseen",
      ])
    #expect(notice.wake(held, after: after) == .never, "a gate that has no more to say sleeps")
  }

  @Test(
    "in words that a person would use",
    arguments: [
      (Standing(need: "held by an operator", place: nil), "held by an operator"),
      (Standing(need: "w", place: 3), "w: 3rd in line"), (Standing(need: "w", place: 11), "w: 11th in line"),
      (Standing(need: "w", place: 12), "w: 12th in line"), (Standing(need: "w", place: 101), "w: 101st in line"),
      (Standing(need: "w", place: 2, expectedSeconds: 41, latestSeconds: 60), "w: 2nd in line, about 40 s"),
      (Standing(need: "w", place: 2, expectedSeconds: 58, latestSeconds: 60), "w: 2nd in line, about 1 min"),
      (Standing(need: "w", place: 2, expectedSeconds: 150, latestSeconds: 900), "w: 2nd in line, about 3 min"),
      (Standing(need: "w", place: 2, expectedSeconds: 7100, latestSeconds: 9e9), "w: 2nd in line, about 2 h"),
      (Standing(need: "w", place: 2, expectedSeconds: .infinity, latestSeconds: 9), "w: 2nd in line"),
      (Standing(need: "w", place: nil, expectedSeconds: -5, latestSeconds: -1), "w: later than foreseen"),
      (Standing(need: "w\u{1b}[31m\n", place: nil), "w?[31m?"),
    ])
  func words(standing: Standing, text: String) {
    #expect(AuthorNotice.text(standing, later: .zero) == text)
  }

  @Test("names no other notebook, and no place in a line that does not decide")
  func discreet() {
    // What an operator keeps free is not given to the next in line.
    let operators: [WaitCause] = [.held, .operatorSuspended, .drain]
    for cause in WaitCause.allCases {
      let wait = Wait(cause: cause, lacking: 1, holders: [NotebookID(3)], place: 4)
      #expect(!wait.need.isEmpty && wait.need == Wait(cause: cause, lacking: 1, place: 4).need)
      #expect((Standing(wait, at: .zero).place == nil) == operators.contains(cause))
    }
    #expect(Wait(cause: .gpus, lacking: 1, place: 1).need == "waiting for 1 GPU")
    #expect(Wait(cause: .cores, lacking: 2, place: 1).need == "waiting for 2 cores")
  }

  @Test("only where somebody reads it")
  func audience() {
    let people = Telling()
    #expect(people.tells(cell: nil, isNamed: true, allowsInput: true))
    #expect(!people.tells(cell: nil, isNamed: false, allowsInput: true), "a program, or a console")
    #expect(!people.tells(cell: nil, isNamed: true, allowsInput: false), "a program inside a notebook")
    #expect(people.tells(cell: true, isNamed: false, allowsInput: false), "the cell's own word goes first")
    #expect(!Telling(.everyone).tells(cell: false, isNamed: true, allowsInput: true))
    #expect(Telling(.everyone).tells(cell: nil, isNamed: false, allowsInput: false))
    #expect(!Telling(.nobody).tells(cell: nil, isNamed: true, allowsInput: true))
  }

  @Test("as the environment says, over what the engine said")
  func choice() {
    #expect(TellingChoice(environment: [:]).over(nil) == Telling())
    #expect(
      TellingChoice(environment: [:]).over(Telling(.nobody, afterSeconds: 5)) == Telling(.nobody, afterSeconds: 5))
    let own = TellingChoice(environment: ["CELLTOP_TELL": "everyone", "CELLTOP_TELL_AFTER": "0.5"])
    #expect(own.over(Telling(.nobody, afterSeconds: 5)) == Telling(.everyone, afterSeconds: 0.5))
    #expect(own.problems.isEmpty)
    let wrong = TellingChoice(environment: ["CELLTOP_TELL": "me", "CELLTOP_TELL_AFTER": "soon"])
    #expect(wrong.over(nil) == Telling())
    #expect(wrong.problems.count == 2 && wrong.problems[1].contains("'soon'"))
    #expect(TellingChoice(environment: [:]).over(Telling(afterSeconds: .nan)).afterSeconds == 2)
  }

  @Test("a session is one's own, not that of the notebook in which a program runs")
  func session() {
    #expect(Environment.session([:], connectionFile: nil) == nil)
    #expect(Environment.session(["JPY_SESSION_NAME": "/a.ipynb"], connectionFile: "/a.ipynb") == "/a.ipynb")
    #expect(Environment.session([:], connectionFile: "/a.ipynb") == "/a.ipynb")
    #expect(Environment.session([:], connectionFile: "") == nil)
    let inside = Environment.forKernel(["JPY_SESSION_NAME": "/a.ipynb"], threads: nil)
    #expect(inside.contains("CELLTOP_WITHIN=/a.ipynb"))
    let nested = ["JPY_SESSION_NAME": "/a.ipynb", "CELLTOP_WITHIN": "/a.ipynb"]
    #expect(Environment.session(nested, connectionFile: "/a.ipynb") == nil)
    #expect(Environment.session(nested, connectionFile: "/b.ipynb") == "/b.ipynb")
  }
}
