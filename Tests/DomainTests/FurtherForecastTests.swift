import Domain
import Testing

@Suite("Learned forecasts, packed")
struct FurtherForecastTests {
  static let quantiles = Quantiles(
    p05: Span(seconds: 1), p25: Span(seconds: 2), p50: Span(seconds: 3), p75: Span(seconds: 4), p95: Span(seconds: 5))

  static let further = FurtherForecast(
    need: ForeseenNeed(
      millicores: Amounts(p05: 1, p25: 2, p50: 3, p75: 4, p95: 5),
      memory: Amounts(p05: 0, p25: 0, p50: 1 << 40, p75: 1 << 41, p95: 1 << 50)),
    notebookLeft: quantiles, think: quantiles, nextRun: nil,
    nextNeed: ForeseenNeed(gpus: Amounts(p05: 0, p25: 0, p50: 1, p75: 4, p95: 8)))

  @Test("come back as they were")
  func roundTrip() throws {
    let forecast = CellForecast(run: Self.quantiles, basis: .code, peakGPUs: 3, further: Self.further)
    #expect(try CellForecast(packed: forecast.packed) == forecast)
    let cell = Cell(
      id: CellID(4), notebook: NotebookID(1), submitted: .zero, demand: .oneCore, forecast: forecast)
    let event = Event.cellRefused(cell, Refusal(.demandTooLarge, "what follows a forecast is still found"))
    #expect(try Event(packed: event.packed) == event)
  }

  @Test("without a further part, are packed as they were before there was one, and read")
  func older() throws {
    let forecast = CellForecast(run: Self.quantiles, basis: .notebook)
    var sink = PackBytes()
    sink.put(Self.quantiles)
    sink.put(UInt64(2))
    sink.put(false)
    sink.put(false)
    sink.put(Int32(1000))
    sink.put(Int32(0))
    sink.put(Int32(0))
    #expect(forecast.packed == sink.bytes)
    #expect(try CellForecast(packed: sink.bytes) == forecast)
  }

  @Test("are refused where the basis is none, or the further part is cut short", arguments: [UInt64(5), 15, 21, 300])
  func refused(basis: UInt64) {
    var sink = PackBytes()
    sink.put(Self.quantiles)
    sink.put(basis)
    #expect(throws: PackError.self) { try CellForecast(packed: sink.bytes) }
    let bytes = CellForecast(run: Self.quantiles, basis: .code, further: Self.further).packed
    for length in 0..<bytes.count {
      #expect(throws: PackError.self) { try CellForecast(packed: Array(bytes[..<length])) }
    }
  }
}
