import Domain
import Projections
import Testing

@testable import Exports

@Suite("Texts from outside in exports") struct EscapeTests {
  @Test("quotes what CSV must quote, and disarms formulas")
  func csv() {
    #expect(FieldValue.text("plain").csv == "plain")
    #expect(FieldValue.text("a,b \"c\"\nd").csv == "\"a,b \"\"c\"\"\nd\"")
    #expect(FieldValue.text("=1+1").csv == "'=1+1")
    #expect(FieldValue.text("@SUM(A1),x").csv == "\"'@SUM(A1),x\"")
    #expect(FieldValue.number(-5).csv == "-5")
    #expect(FieldValue.null.csv == "")
  }

  @Test("escapes markup, and shows what could turn a line round")
  func html() {
    #expect("<script>\"'&".markupEscaped == "&lt;script&gt;&quot;&#39;&amp;")
    #expect("a\u{202E}b\u{1B}[m".markupEscaped == "a\u{FFFD}b\u{FFFD}[m")
  }
}
