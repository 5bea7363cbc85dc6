import ArgumentParser
import Console
import Foundation

/// `celltop keys`: what each key does, by the names that a file of keys knows.
struct KeysCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keys", abstract: "Print the console's keys as keys.toml has them, and check that file.",
    discussion: """
      Each line is an action, its keys, and what it does. The keys are those of ~/.config/celltop/keys.toml over the \
      standard ones. Where that file cannot be used all that is wrong in it is told, with the line and how to mend it, and \
      the exit status is 1.

      celltop keys --standard > ~/.config/celltop/keys.toml    is a beginning for keys of one's own
      """)

  @Flag(help: "Print the standard keys, whatever keys.toml says.")
  var standard = false

  func run() throws {
    try Tool.reporting { print(standard ? KeyMap.standard.file : try Looks.readKeys().file, terminator: "") }
  }
}
