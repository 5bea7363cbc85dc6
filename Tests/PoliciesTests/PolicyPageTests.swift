import Engine
import Foundation
import Testing

@testable import Policies

/// Holds Docs/POLICIES.md against the policies.
@Suite struct PolicyPageTests {
  private static func page() throws -> String {
    var path = #filePath
    for _ in 0..<3 { path = (path as NSString).deletingLastPathComponent }
    return try String(contentsOfFile: path + "/Docs/POLICIES.md", encoding: .utf8)
  }

  @Test("has a row for every policy and for every option, and none for an option that there is not")
  func options() throws {
    let page = try Self.page()
    var rows: Set<String> = []
    for listing in PolicyCatalogue.standard.listings {
      #expect(page.contains("\n| `\(listing.name)` |"), "\(listing.name)")
      for option in listing.options {
        let row = "\n| `\(listing.name):\(option.name)"
        #expect(page.contains(row + "` |") || page.contains(row + "="), "\(listing.name):\(option.name)")
        rows.insert("\(listing.name):\(option.name)")
      }
    }
    for line in page.split(separator: "\n") where line.hasPrefix("| `") && line.contains(":") {
      let name = line.dropFirst(3).prefix { $0 != "`" && $0 != "=" }
      if name.contains(":") { #expect(rows.contains(String(name)), "\(line)") }
    }
  }

  @Test("names the numbers that the options take, at both ends")
  func ranges() throws {
    let page = try Self.page()
    for (option, ends) in [
      ("dynamic:ageing", "0 to 8760, 48"), ("dynamic:share", "0 to 1, 0.5"), ("dynamic:width", "0 to 1, 0.1"),
      ("fairshare:half-life", "0.01 to 8760, 24"),
    ] {
      let row = page.split(separator: "\n").first { $0.hasPrefix("| `\(option)=") }
      #expect(row?.hasSuffix("| \(ends) |") == true, "\(option)")
      let range = ends.split(separator: ",")[0].components(separatedBy: " to ")
      for end in range { #expect(throws: Never.self) { try PolicyCatalogue.standard.make("\(option)=\(end)") } }
      let beyond = [(Double(range[0]) ?? 0) - 0.005, (Double(range[1]) ?? 0) + 0.5]
      for value in beyond {
        #expect(throws: (any Error).self) { try PolicyCatalogue.standard.make("\(option)=\(value)") }
      }
    }
  }
}
