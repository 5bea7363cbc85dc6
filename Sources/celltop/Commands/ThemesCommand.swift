import ArgumentParser
import Canvas
import Console
import Foundation
import Terminal

/// `celltop themes`: what there is to choose from, how it looks, and whether it can be read.
struct ThemesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "themes", abstract: "List the themes, show one, or check that all can be read.",
    discussion: """
      Themes are files NAME.toml in ~/.config/celltop/themes (first) and the bundled ones. A console takes --theme, \
      CELLTOP_THEME, or what was chosen in it with T.
      """,
    subcommands: [List.self, Lint.self, Show.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the themes' names.")

    @Flag(help: "Print as JSON.")
    var json = false

    func run() throws {
      try Tool.reporting {
        let names = Looks.catalog.themeNames
        if json { try Tool.printJSON(names) } else { print(names.joined(separator: "\n")) }
      }
    }
  }

  struct Lint: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "lint",
      abstract:
        "Check themes: their files, and that every text has a contrast of 4.5 or more (exit status 1 where not).")

    @Argument(help: "The themes to check (default: all).")
    var names: [String] = []

    @Flag(help: "Print as JSON.")
    var json = false

    private struct Row: Encodable {
      var theme: String
      var problems: [String]
    }

    func run() throws {
      try Tool.reporting {
        let catalog = Looks.catalog
        let rows = (names.isEmpty ? catalog.themeNames : names).map { name -> Row in
          do throws(ThemeError) {
            return Row(theme: name, problems: ThemeLint(try catalog.theme(named: name)).findings.map(\.description))
          } catch { return Row(theme: name, problems: error.problems) }
        }
        if json {
          try Tool.printJSON(rows)
        } else {
          for row in rows {
            print(
              row.problems.isEmpty
                ? "\(row.theme): can be read" : row.problems.map { "\(row.theme): \($0)" }.joined(separator: "\n"))
          }
        }
        if rows.contains(where: { !$0.problems.isEmpty }) { throw ExitCode(1) }
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "Show what a theme makes of each meaning.")

    @Argument(help: "The theme.")
    var name: String

    @Option(help: "The colours: truecolor, 256, 16 or mono (default: what the terminal has).")
    var depth: String?

    func run() throws {
      try Tool.reporting {
        let theme = try Looks.catalog.theme(named: name)
        let depths: [String: ColorDepth] = ["truecolor": .trueColor, "256": .palette256, "16": .sixteen, "mono": .mono]
        guard
          let chosen = depth.map({ depths[$0] }) ?? (ScreenOptions.fromEnvironment().isColorless ? .mono : .palette256)
        else {
          throw ValidationError("--depth is truecolor, 256, 16 or mono")
        }
        let roles = Role.allCases
        let columns = 26
        var grid = Grid(size: Size(columns: columns * 3, rows: (roles.count + 2) / 3), glyphs: theme.glyphs(for: .utf8))
        for (place, role) in roles.enumerated() {
          let at = Point(column: place % 3 * columns, row: place / 3)
          grid.draw(role.name, at: at, role: role, columns: columns - 1)
        }
        print(renderANSI(grid, theme: theme.resolved(for: chosen)))
      }
    }
  }
}
