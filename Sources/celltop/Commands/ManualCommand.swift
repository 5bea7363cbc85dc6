import ArgumentParser
import Foundation

/// `celltop manual`: the manual page and the shells' completions, made from the commands as they are.
struct ManualCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual", abstract: "Print the manual page, or install it with the shells' completions.",
    discussion: """
      celltop manual | man -l -          reads it
      celltop manual --install ~/.local  installs the page and the completions of bash, zsh and fish for one user
      """)

  @Option(
    help: "Install below this folder: share/man/man1, share/bash-completion, share/zsh, share/fish.",
    completion: .directory)
  var install: String?

  func run() throws {
    try Tool.reporting {
      let page = try ManualPage(json: Celltop._dumpHelp()).text
      guard let install else { return print(page, terminator: "") }
      let folder = URL(fileURLWithPath: (install as NSString).expandingTildeInPath).path
      for (path, text) in [
        ("share/man/man1/celltop.1", page),
        ("share/bash-completion/completions/celltop", Celltop.completionScript(for: .bash)),
        ("share/zsh/site-functions/_celltop", Celltop.completionScript(for: .zsh)),
        ("share/fish/vendor_completions.d/celltop.fish", Celltop.completionScript(for: .fish)),
      ] {
        let place = folder + "/" + path
        do {
          try FileManager.default.createDirectory(
            atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
          try text.write(toFile: place, atomically: true, encoding: .utf8)
        } catch { throw ToolError("cannot write \(place): \(error.localizedDescription)") }
        Tool.progress("wrote \(place)")
      }
    }
  }
}

/// A manual page (man(7)) from the help that ArgumentParser dumps as JSON.
struct ManualPage {
  private struct Dump: Decodable { var command: Command }

  private struct Command: Decodable {
    var commandName: String
    var abstract: String?
    var discussion: String?
    var shouldDisplay: Bool?
    var subcommands: [Command]?
    var arguments: [Argument]?
  }

  private struct Argument: Decodable {
    struct Name: Decodable {
      var kind: String
      var name: String
    }

    var kind: String
    var shouldDisplay: Bool?
    var isOptional: Bool?
    var isRepeating: Bool?
    var names: [Name]?
    var valueName: String?
    var defaultValue: String?
    var abstract: String?
    var discussion: String?
  }

  private let tool: Command

  /// - Throws: `DecodingError` where the JSON is of another form.
  init(json: String) throws { tool = try JSONDecoder().decode(Dump.self, from: Data(json.utf8)).command }

  var text: String {
    var lines = [
      ".\\\" Made by 'celltop manual' from the commands; do not edit.",
      ".TH CELLTOP 1 \"\" \"celltop \(Self.roff(Celltop.configuration.version))\" \"User Commands\"", ".SH NAME",
      "celltop \\- \(Self.roff(tool.abstract ?? ""))", ".SH SYNOPSIS", ".B celltop",
      ".RI [ command ]\n.RI [ options ]", ".SH DESCRIPTION", Self.roff(tool.discussion ?? ""), ".SH COMMANDS",
    ]
    add(tool, path: [], to: &lines)
    lines += [
      ".SH EXIT STATUS", "0 where done, 1 where it failed or was refused, 2 for wrong use;",
      ".B celltop ctl", "gives 3 where no server answers, and so does", ".B celltop",
      "with \\-\\-once, \\-\\-json or \\-\\-svg, which then shows the node alone.", ".SH ENVIRONMENT",
    ]
    for (name, text) in Self.environment { lines += [".TP", ".B \(Self.roff(name))", Self.roff(text)] }
    lines += [
      ".SH SEE ALSO", "The folder Docs of the sources: OPERATIONS.md, PROTOCOL.md, HISTORY.md, POLICIES.md.",
      ".BR jupyter (1)",
    ]
    return lines.filter { !$0.isEmpty }.joined(separator: "\n") + "\n"
  }

  private static let environment = [
    ("CELLTOP_SOCKET", "Where the engine listens, and where gates and clients look for it."),
    ("CELLTOP_HISTORY", "The file of the history."), ("CELLTOP_CONFIG", "The configuration."),
    ("CELLTOP_LOG_LEVEL", "What 'celltop serve' logs: trace, debug, info, notice, warning, error or critical."),
    ("CELLTOP_THEME", "The theme where --theme names none; 'celltop themes' lists them."),
    ("NO_COLOR", "Where set and not empty, nothing is coloured."),
    ("CELLTOP_PYTHON", "The Python of the demonstration's kernels."),
    ("CELLTOP_SHARE", "The folder of the bundled themes and notebooks and of the player."),
    ("CELLTOP_CGROUPS", "Where it is off, no control groups are made or removed."),
    ("CELLTOP_NVML", "A library in the place of NVIDIA's libnvidia-ml.so.1."),
    (
      "CELLTOP_TELL",
      "In a kernelspec's env: in whose cells it is told what a held cell waits for: people, everyone or nobody."
    ), ("CELLTOP_TELL_AFTER", "In a kernelspec's env: after how many seconds."),
    ("XDG_RUNTIME_DIR", "The socket is celltop/engine.sock in it, else in /tmp/celltop-UID."),
    ("XDG_DATA_HOME", "The history is celltop/history.sqlite in it (~/.local/share)."),
    ("XDG_CONFIG_HOME", "celltop/config.toml, keys.toml and the folder themes are in it (~/.config)."),
    (
      "XDG_STATE_HOME",
      "The console's log, its theme, layout and palette history are in celltop in it (~/.local/state)."
    ),
  ]

  private func add(_ command: Command, path: [String], to lines: inout [String]) {
    for child in command.subcommands ?? [] where child.shouldDisplay != false && child.commandName != "help" {
      let path = path + [child.commandName]
      let arguments = (child.arguments ?? []).filter { $0.shouldDisplay != false && !Self.isHelp($0) }
      let isGroup = !(child.subcommands ?? []).filter { $0.commandName != "help" }.isEmpty
      let usage = arguments.map(Self.usage).filter { !$0.isEmpty }.joined(separator: " ")
      lines += [
        ".SS celltop " + Self.roff(path.joined(separator: " ")) + (usage.isEmpty ? "" : " " + usage),
        Self.roff(child.abstract ?? ""),
      ]
      if let discussion = child.discussion, !discussion.isEmpty { lines += [".PP", Self.roff(discussion)] }
      for argument in arguments { lines += [".TP", Self.head(argument), Self.roff(Self.explanation(argument))] }
      if isGroup { add(child, path: path, to: &lines) }
    }
  }

  private static func isHelp(_ argument: Argument) -> Bool {
    (argument.names ?? []).contains { ["help", "version"].contains($0.name) }
  }

  private static func usage(_ argument: Argument) -> String {
    guard argument.kind == "positional" else { return "" }
    let name = "\\fI\(roff(argument.valueName ?? "value"))\\fR" + (argument.isRepeating == true ? " ..." : "")
    return argument.isOptional == true ? "[" + name + "]" : name
  }

  private static func head(_ argument: Argument) -> String {
    let value = "\\fI\(roff(argument.valueName ?? "value"))\\fR"
    guard argument.kind != "positional" else { return value }
    let names = (argument.names ?? []).map { "\\fB" + roff(($0.kind == "long" ? "--" : "-") + $0.name) + "\\fR" }
    return names.joined(separator: ", ") + (argument.kind == "option" ? " " + value : "")
  }

  private static func explanation(_ argument: Argument) -> String {
    let parts = [argument.abstract, argument.discussion].compactMap(\.self).filter { !$0.isEmpty }
    let text = parts.joined(separator: " ")
    guard let standard = argument.defaultValue, !standard.isEmpty, argument.kind == "option" else { return text }
    return text + " (default: \(standard))"
  }

  /// Text as roff takes it: nothing in it is an escape or a request; lines that are set apart stay apart.
  static func roff(_ text: String) -> String {
    guard !text.isEmpty else { return "" }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var line = String(line).replacing("\\", with: "\\e").replacing("-", with: "\\-")
      if line.isEmpty { return ".PP" }
      // groff(7) names every character beyond ASCII by its number.
      line = line.unicodeScalars.map { scalar in
        guard !scalar.isASCII else { return String(scalar) }
        let number = String(scalar.value, radix: 16, uppercase: true)
        return "\\[u" + String(repeating: "0", count: max(4 - number.count, 0)) + number + "]"
      }.joined()
      if line.hasPrefix(".") || line.hasPrefix("'") { line = "\\&" + line }
      return line.hasPrefix("  ") ? ".br\n" + line : line
    }.joined(separator: "\n")
  }
}
