// The server name of a TLS connection: a whole ClientHello read at once, byte by byte, and in many records.
//
//   build/release/bench/client_hello_bench [--benchmark_filter=…]
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ingress/client_hello.h"
#include "tests/support/client_hello_builder.h"

namespace {

using ingress::ClientHelloReader;

std::string HelloOf(size_t size) {
  return test::HelloMessage(
      {.name = "node.example", .alpn = {"h2", "http/1.1"}, .post_quantum = size > 1500, .size = size});
}

// Arguments: bytes of the hello in one record, bytes of hello a record, bytes a read.
void ReadHello(benchmark::State& state) {
  const std::string stream =
      test::InRecords(HelloOf(static_cast<size_t>(state.range(0))), static_cast<size_t>(state.range(1)));
  const auto step = static_cast<size_t>(state.range(2));
  for (auto _ : state) {
    ClientHelloReader reader;
    auto verdict = ClientHelloReader::State::kReading;
    for (size_t size = 0; size < stream.size();) {
      size = std::min(size + step, stream.size());
      verdict = reader.Read(std::string_view(stream).substr(0, size));
    }
    if (verdict != ClientHelloReader::State::kDone || reader.hello().server_name != "node.example") {
      state.SkipWithError("no name");
    }
    benchmark::DoNotOptimize(reader);
  }
}
constexpr int64_t kWhole = 16384;
BENCHMARK(ReadHello)
    ->ArgNames({"bytes", "record", "read"})
    ->ArgsProduct({{533, 1755, 2048}, {kWhole, 256, 1}, {kWhole, 1448, 1}})
    ->Unit(benchmark::kMicrosecond);

// The dearest hello that fits the cap: thousands of extensions that OpenSSL looks up one by one.
void ReadHostileHello(benchmark::State& state) {
  test::HelloFields fields{.name = "node.example"};
  for (uint16_t i = 0; i < 4000; ++i) fields.extensions.emplace_back(static_cast<uint16_t>(0x6000 + i), "");
  const std::string stream = test::Hello(fields);
  for (auto _ : state) {
    ClientHelloReader reader;
    benchmark::DoNotOptimize(reader.Read(stream));
  }
}
BENCHMARK(ReadHostileHello)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
