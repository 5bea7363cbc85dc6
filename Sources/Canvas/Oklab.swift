#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A colour by lightness and two opponent axes, in which equal steps look equal
/// (Ottosson 2020, "A perceptual color space for image processing"; matrices from there).
struct Oklab {
  var lightness: Double
  var greenRed: Double
  var blueYellow: Double

  init(_ rgb: RGB) {
    let red = linear(rgb.red)
    let green = linear(rgb.green)
    let blue = linear(rgb.blue)
    let long = cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    let medium = cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    let short = cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    greenRed = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    blueYellow = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
  }

  /// The colour a share of the way to another.
  func mixed(with other: Oklab, share: Double) -> Oklab {
    var result = self
    result.lightness += (other.lightness - lightness) * share
    result.greenRed += (other.greenRed - greenRed) * share
    result.blueYellow += (other.blueYellow - blueYellow) * share
    return result
  }

  /// The nearest colour that a screen can show.
  var rgb: RGB {
    let long = cube(lightness + 0.3963377774 * greenRed + 0.2158037573 * blueYellow)
    let medium = cube(lightness - 0.1055613458 * greenRed - 0.0638541728 * blueYellow)
    let short = cube(lightness - 0.0894841775 * greenRed - 1.2914855480 * blueYellow)
    return RGB(
      red: encoded(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
      green: encoded(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
      blue: encoded(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short))
  }
}

extension RGB {
  /// The contrast ratio with another colour, from 1 (none) to 21 (WCAG 2.1, section 1.4.3, which asks 4.5 of text).
  public func contrast(with other: RGB) -> Double {
    let pair = [luminance, other.luminance].sorted()
    return (pair[1] + 0.05) / (pair[0] + 0.05)
  }

  private var luminance: Double {
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
  }
}

/// An sRGB part as an amount of light (IEC 61966-2-1).
private func linear(_ part: UInt8) -> Double {
  let value = Double(part) / 255
  return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
}

/// An amount of light as an sRGB part.
private func encoded(_ light: Double) -> UInt8 {
  let value = light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055
  return UInt8((min(max(value, 0), 1) * 255).rounded())
}

private func cube(_ value: Double) -> Double { value * value * value }
