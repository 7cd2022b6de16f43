// Randomness that must differ between processes: ids and jitter. Nothing of a job's result depends on it.
#pragma once

#include <mutex>
#include <random>
#include <string>

namespace besa::worker {

// From the system's entropy. Thread-safe.
class Entropy {
 public:
  // 32 hexadecimal digits.
  std::string NewId();
  // From [0, 1).
  double Uniform();

 private:
  std::mutex mutex_;
  std::random_device device_;
};

}  // namespace besa::worker
