// Figures as lines of text.
#ifndef RELAYD_RELAY_CTL_TOP_RENDER_H_
#define RELAYD_RELAY_CTL_TOP_RENDER_H_

#include <string>
#include <vector>

#include "relay/ctl/top_figures.h"

namespace relay::ctl {

// A rate in at most six characters: "0", "7", "0.3", "12.34k", "1.234M".
std::string Scaled(double value);

// Printable ASCII alone, whatever the metrics held. `url`: of the relayd.
std::vector<std::string> RenderTop(const TopFigures& top, const std::string& url);

// What a terminal may be shown of a text that another program sent.
std::string Printable(std::string text);

}  // namespace relay::ctl

#endif  // RELAYD_RELAY_CTL_TOP_RENDER_H_
