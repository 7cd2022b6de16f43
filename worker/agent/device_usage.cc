#include "worker/agent/device_usage.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "telemetry/sample.h"

namespace besa::worker {
namespace {

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

template <class Function>
Function* Find(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

}  // namespace

// NVIDIA's management library comes with the driver and has no package of its own: it is looked up when the program
// runs. The declarations are those of its API reference; they have been stable since version 2 of each.
class DeviceUsage::Nvml {
 public:
  struct Memory {
    unsigned long long total = 0;
    unsigned long long free = 0;
    unsigned long long used = 0;
  };
  struct Utilization {
    unsigned int gpu = 0;
    unsigned int memory = 0;
  };

  // nullptr if the device or the library is not there.
  static std::unique_ptr<Nvml> Open(const std::string& device) {
    int index = 0;
    if (!absl::SimpleAtoi(absl::StripPrefix(device, "cuda:"), &index)) return nullptr;
    auto nvml = std::unique_ptr<Nvml>(new Nvml());
    return nvml->Attach(index) ? std::move(nvml) : nullptr;
  }

  ~Nvml() {
    if (library_ == nullptr) return;
    if (auto* shut_down = Find<int()>(library_, "nvmlShutdown")) shut_down();
    dlclose(library_);
  }

  std::optional<Memory> memory() const {
    Memory memory;
    if (get_memory_ == nullptr || get_memory_(handle_, &memory) != 0) return std::nullopt;
    return memory;
  }

  std::optional<Utilization> utilization() const {
    Utilization utilization;
    if (get_utilization_ == nullptr || get_utilization_(handle_, &utilization) != 0) return std::nullopt;
    return utilization;
  }

 private:
  Nvml() = default;

  // The two libraries count devices differently; the address on the bus is the same for both.
  bool Attach(int index) {
    std::array<char, 32> bus_id = {};
    auto* get_bus_id = Find<int(char*, int, int)>(RTLD_DEFAULT, "cudaDeviceGetPCIBusId");
    if (get_bus_id == nullptr || get_bus_id(bus_id.data(), bus_id.size(), index) != 0) return false;
    library_ = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) return false;
    auto* initialise = Find<int()>(library_, "nvmlInit_v2");
    auto* get_handle = Find<int(const char*, void**)>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
    if (initialise == nullptr || initialise() != 0) return false;
    if (get_handle == nullptr || get_handle(bus_id.data(), &handle_) != 0) return false;
    get_memory_ = Find<int(void*, Memory*)>(library_, "nvmlDeviceGetMemoryInfo");
    get_utilization_ = Find<int(void*, Utilization*)>(library_, "nvmlDeviceGetUtilizationRates");
    return true;
  }

  void* library_ = nullptr;
  void* handle_ = nullptr;
  int (*get_memory_)(void*, Memory*) = nullptr;
  int (*get_utilization_)(void*, Utilization*) = nullptr;
};

DeviceUsage::DeviceUsage(const std::string& device, int64_t memory_bytes)
    : memory_bytes_(memory_bytes), cpu_(device == "cpu"), nvml_(cpu_ ? nullptr : Nvml::Open(device)) {}

DeviceUsage::~DeviceUsage() = default;

std::vector<prometheus::MetricFamily> DeviceUsage::Collect() const {
  std::vector<Sample> memory = {{{{"kind", "total"}}, static_cast<double>(memory_bytes_)}};
  std::vector<prometheus::MetricFamily> families;
  if (cpu_) memory.push_back({{{"kind", "used"}}, ResidentBytes()});
  if (nvml_ != nullptr) {
    if (const auto used = nvml_->memory()) memory.push_back({{{"kind", "used"}}, static_cast<double>(used->used)});
    if (const auto utilization = nvml_->utilization()) {
      families.push_back(GaugeFamily("besa_worker_device_utilization_ratio",
                                     "Share of the last second or so in which a kernel ran.",
                                     {{{}, utilization->gpu / 100.0}}));
    }
  }
  families.push_back(GaugeFamily("besa_worker_device_memory_bytes", "Memory of the device.", memory));
  return families;
}

}  // namespace besa::worker
