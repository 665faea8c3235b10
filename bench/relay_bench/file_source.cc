#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "bench/relay_bench/endpoint_source.h"

namespace bench {
namespace {

class FileSource : public EndpointSource {
 public:
  explicit FileSource(std::vector<disco::RelayEndpoint> endpoints) : endpoints_(std::move(endpoints)) {}

  void Allow(uint32_t count) override { allowed_ += count; }
  absl::StatusOr<std::vector<Allocated>> Take() override {
    std::vector<Allocated> out;
    for (; allowed_ > 0 && next_ < endpoints_.size(); --allowed_, ++next_) {
      out.push_back({.pair = next_, .endpoint = std::move(endpoints_[next_])});
    }
    return out;
  }
  uint64_t refused() const override { return 0; }

 private:
  std::vector<disco::RelayEndpoint> endpoints_;
  uint32_t allowed_ = 0;
  uint32_t next_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EndpointSource>> ReadEndpoints(const std::string& path, uint32_t pairs, Keyring& keys,
                                                              std::vector<std::array<uint32_t, 2>>& pair_keys) {
  std::ifstream in(path);
  if (!in) return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  std::map<std::string, uint32_t> known;
  std::vector<disco::RelayEndpoint> endpoints;
  std::string line;
  for (size_t number = 1; endpoints.size() < pairs && std::getline(in, line); ++number) {
    const auto bad = [&](const std::string& why) {
      return absl::InvalidArgumentError(absl::StrCat(path, ":", number, ": ", why));
    };
    auto saved = ParseSavedEndpoint(line);
    if (!saved.ok()) return bad(std::string(saved.status().message()));
    std::array<uint32_t, 2> indices{};
    for (size_t i = 0; i < 2; ++i) {
      const std::string& text = saved->private_keys[i];
      if (const auto it = known.find(text); it != known.end()) {
        indices[i] = it->second;
        continue;
      }
      auto key = disco::PrivateKey::Parse(text);
      if (!key) return bad("not a private key (privkey:<64 hex>)");
      indices[i] = known[text] = keys.Add(*std::move(key));
    }
    if (indices[0] == indices[1]) return bad("both clients have one key");
    pair_keys.push_back(indices);
    endpoints.push_back(std::move(saved->endpoint));
  }
  if (endpoints.size() < pairs) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", endpoints.size(), " endpoints; ", pairs, " pairs are wanted"));
  }
  return std::make_unique<FileSource>(std::move(endpoints));
}

}  // namespace bench
