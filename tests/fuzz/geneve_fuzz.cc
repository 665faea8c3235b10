// The Geneve header, and the reader and writer that everything else is parsed with.
#include <vector>

#include "geneve/geneve.h"
#include "tests/fuzz/check.h"

namespace {

using fuzz::Check;

void Header(std::span<const uint8_t> packet) {
  const std::optional<geneve::Header> header = geneve::Parse(packet);
  Check(header.has_value() == (packet.size() >= geneve::kHeaderSize), "a header is eight bytes");
  if (!header) return;
  Check(header->vni <= geneve::kMaxVni && header->version <= 3, "fields are within their width");
  std::array<uint8_t, geneve::kHeaderSize> bytes{};
  geneve::Write(*header, bytes);
  Check(geneve::Parse(bytes) == header, "a written header parses to itself");
}

// Reads fields whose widths the bytes themselves choose and writes them again: what was read comes out, and no more.
void ReadAndWrite(std::span<const uint8_t> bytes) {
  wire::Reader reader(bytes);
  std::vector<uint8_t> out(bytes.size());
  wire::Writer writer(out);
  while (reader.ok() && !reader.rest().empty()) {
    const size_t before = reader.rest().size();
    switch (reader.rest()[0] % 5) {
      case 0:
        writer.U8(reader.U8());
        break;
      case 1:
        writer.U16(reader.U16());
        break;
      case 2:
        writer.U32(reader.U32());
        break;
      case 3:
        writer.U64(reader.U64());
        break;
      default:
        writer.Bytes(reader.Bytes<7>());
    }
    Check(reader.rest().size() < before, "a read goes on");
  }
  if (!reader.ok()) return;
  Check(writer.ok() && writer.size() == bytes.size(), "all that was read was written");
  Check(std::equal(out.begin(), out.end(), bytes.begin()), "what is written is what was read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Header({data, size});
  ReadAndWrite({data, size});
  return 0;
}
