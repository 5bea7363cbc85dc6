import Canvas
import Glibc

/// What a picture that is printed, and not drawn on a screen, may be made of.
public struct PrintedForm: Sendable, Hashable {
  /// The colours that the output shows; nil for text alone: a file, a terminal without colours, or `NO_COLOR`.
  public var depth: ColorDepth?
  /// The characters that the locale has.
  public var repertoire: Repertoire

  /// Asks the output, terminfo and the locale; adopts the locale for characters.
  public init(_ options: ScreenOptions) {
    repertoire = CursesScreen.adoptLocale(wanted: options.repertoire)
    guard isatty(options.output) != 0, !options.isColorless, let name = options.terminalType, !name.isEmpty else {
      return
    }
    let colors = Terminfo.number("colors", of: name, output: options.output)
    depth = colors >= 256 ? .palette256 : colors >= 8 ? .sixteen : nil
  }
}
