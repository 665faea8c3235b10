#include "relay/ctl/metrics_text.h"

#include <algorithm>
#include <optional>

#include "absl/strings/numbers.h"

namespace relay::ctl {
namespace {

// `{a="x",b="y"}`, taken off the front of `text`; the escapes \\, \" and \n are undone. False: malformed.
bool TakeLabels(std::string_view& text, std::map<std::string, std::string>& labels) {
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '}') {
    const size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return false;
    std::string& value = labels[std::string(text.substr(0, equals))];
    text.remove_prefix(equals + 2);
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) {
        text.remove_prefix(1);
        value += text.front() == 'n' ? '\n' : text.front();
      } else {
        value += text.front();
      }
      text.remove_prefix(1);
    }
    if (text.empty()) return false;
    text.remove_prefix(1);  // The closing quote.
    if (!text.empty() && text.front() == ',') text.remove_prefix(1);
  }
  if (text.empty()) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Sample> ParseLine(std::string_view line) {
  if (line.empty() || line.front() == '#') return std::nullopt;
  const size_t name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos) return std::nullopt;
  Sample sample;
  sample.name = line.substr(0, name_end);
  line.remove_prefix(name_end);
  if (line.front() == '{' && !TakeLabels(line, sample.labels)) return std::nullopt;
  const size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) return std::nullopt;
  line.remove_prefix(begin);
  // A timestamp may follow the value.
  if (!absl::SimpleAtod(std::string(line.substr(0, line.find(' '))), &sample.value)) return std::nullopt;
  return sample;
}

}  // namespace

Metrics Metrics::Parse(std::string_view text) {
  Metrics metrics;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    if (auto sample = ParseLine(text.substr(0, end))) metrics.samples_.push_back(*std::move(sample));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return metrics;
}

std::vector<Sample> Metrics::Named(std::string_view name) const {
  std::vector<Sample> found;
  std::copy_if(samples_.begin(), samples_.end(), std::back_inserter(found),
               [&](const Sample& s) { return s.name == name; });
  return found;
}

double Metrics::Sum(std::string_view name) const {
  double sum = 0;
  for (const Sample& sample : samples_) sum += sample.name == name ? sample.value : 0;
  return sum;
}

double Metrics::Sum(std::string_view name, const std::string& label, std::string_view value) const {
  double sum = 0;
  for (const Sample& sample : samples_) {
    const auto found = sample.labels.find(label);
    if (sample.name == name && found != sample.labels.end() && found->second == value) sum += sample.value;
  }
  return sum;
}

}  // namespace relay::ctl
