// Reads the Prometheus text format (exposition format 0.0.4), as far as relayd writes it.
#ifndef RELAYD_RELAY_CTL_METRICS_TEXT_H_
#define RELAYD_RELAY_CTL_METRICS_TEXT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace relay::ctl {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class Metrics {
 public:
  // Lines that are no samples (comments, and what cannot be read) are passed over.
  static Metrics Parse(std::string_view text);

  // In the order of the text.
  std::vector<Sample> Named(std::string_view name) const;
  // Over all series of the name; with `label`, over those where it has `value`. 0 if there is none.
  double Sum(std::string_view name) const;
  double Sum(std::string_view name, const std::string& label, std::string_view value) const;
  bool empty() const { return samples_.empty(); }

 private:
  std::vector<Sample> samples_;
};

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_METRICS_TEXT_H_
