// Families of metrics made on the spot, for collectables that compute their values when asked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "prometheus/metric_family.h"

namespace besa {

struct Sample {
  std::map<std::string, std::string> labels;
  double value = 0;
};

prometheus::MetricFamily GaugeFamily(std::string name, std::string help, const std::vector<Sample>& samples);
prometheus::MetricFamily CounterFamily(std::string name, std::string help, const std::vector<Sample>& samples);

// How many time series the families are for Prometheus: a histogram is one for each bucket, its sum and its count.
size_t CountSeries(const std::vector<prometheus::MetricFamily>& families);

}  // namespace besa
