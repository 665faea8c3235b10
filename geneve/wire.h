// The one bounds-checked reader and writer through which all untrusted bytes pass. Integers are big-endian.
#ifndef RELAYD_GENEVE_WIRE_H_
#define RELAYD_GENEVE_WIRE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace wire {

constexpr uint16_t LoadBe16(std::span<const uint8_t, 2> b) { return static_cast<uint16_t>(b[0] << 8 | b[1]); }
constexpr uint32_t LoadBe32(std::span<const uint8_t, 4> b) {
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | uint32_t{b[3]};
}
constexpr void StoreBe16(std::span<uint8_t, 2> b, uint16_t v) {
  b[0] = static_cast<uint8_t>(v >> 8);
  b[1] = static_cast<uint8_t>(v);
}
constexpr void StoreBe32(std::span<uint8_t, 4> b, uint32_t v) {
  for (size_t i = 0; i < 4; ++i) b[i] = static_cast<uint8_t>(v >> (24 - 8 * i));
}

// Reads from front to back. A read past the end yields zeros and makes ok() false for good, so that a parser may read a
// whole message and check once.
class Reader {
 public:
  explicit constexpr Reader(std::span<const uint8_t> bytes) : rest_(bytes) {}

  constexpr uint8_t U8() { return Bytes<1>()[0]; }
  constexpr uint16_t U16() { return LoadBe16(Bytes<2>()); }
  constexpr uint32_t U32() { return LoadBe32(Bytes<4>()); }
  constexpr uint64_t U64() {
    const uint64_t high = U32();
    return high << 32 | U32();
  }
  template <size_t N>
  constexpr std::array<uint8_t, N> Bytes() {
    std::array<uint8_t, N> out{};
    if (rest_.size() < N) {
      ok_ = false;
      rest_ = {};
      return out;
    }
    std::copy_n(rest_.begin(), N, out.begin());
    rest_ = rest_.subspan(N);
    return out;
  }

  // What is left; valid as long as the bytes given to the constructor.
  constexpr std::span<const uint8_t> rest() const { return rest_; }
  constexpr bool ok() const { return ok_; }

 private:
  std::span<const uint8_t> rest_;
  bool ok_ = true;
};

// Writes from front to back into memory that the caller owns. A write past the end writes nothing and makes ok() false.
class Writer {
 public:
  explicit constexpr Writer(std::span<uint8_t> out) : out_(out) {}

  constexpr void U8(uint8_t v) { Bytes(std::array<uint8_t, 1>{v}); }
  constexpr void U16(uint16_t v) {
    std::array<uint8_t, 2> b{};
    StoreBe16(b, v);
    Bytes(b);
  }
  constexpr void U32(uint32_t v) {
    std::array<uint8_t, 4> b{};
    StoreBe32(b, v);
    Bytes(b);
  }
  constexpr void U64(uint64_t v) {
    U32(static_cast<uint32_t>(v >> 32));
    U32(static_cast<uint32_t>(v));
  }
  constexpr void Bytes(std::span<const uint8_t> bytes) {
    if (out_.size() - size_ < bytes.size()) {
      ok_ = false;
      return;
    }
    std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
  }

  constexpr size_t size() const { return size_; }
  constexpr std::span<uint8_t> written() const { return out_.first(size_); }
  constexpr bool ok() const { return ok_; }

 private:
  std::span<uint8_t> out_;
  size_t size_ = 0;
  bool ok_ = true;
};

}  // namespace wire

#endif  // RELAYD_GENEVE_WIRE_H_
