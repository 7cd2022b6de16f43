#include "telemetry/metrics_endpoint.h"

// prometheus-cpp's own server (civetweb) gives its threads 100 KiB of stack, less than LibTorch's thread-local
// variables take: in a worker it cannot start.
#include <httplib.h>

#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "prometheus/gauge.h"
#include "prometheus/text_serializer.h"
#include "telemetry/process_metrics.h"

namespace besa {
namespace {

constexpr char kContentType[] = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

class MetricsEndpoint::Server {
 public:
  explicit Server(std::shared_ptr<prometheus::Registry> registry) : registry_(std::move(registry)) {
    // A scrape at a time is plenty.
    server_.new_task_queue = [] { return new httplib::ThreadPool(1); };
    server_.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(prometheus::TextSerializer().Serialize(Collect()), kContentType);
    });
  }

  ~Server() {
    if (!thread_.joinable()) return;
    server_.stop();
    thread_.join();
  }

  // The port, or -1. The address must not be in use: two processes on one port would each get some of the scrapes.
  int Listen(const std::string& host, int port) {
    server_.set_socket_options([](socket_t socket) {
      const int yes = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    });
    const int chosen =
        port == 0 ? server_.bind_to_any_port(host.c_str()) : (server_.bind_to_port(host.c_str(), port) ? port : -1);
    if (chosen <= 0) return -1;
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    // Before that a stop would go unheard.
    while (!server_.is_running()) std::this_thread::yield();
    return chosen;
  }

  void Add(const std::shared_ptr<prometheus::Collectable>& more) {
    const std::lock_guard lock(mutex_);
    more_.push_back(more);
  }

 private:
  std::vector<prometheus::MetricFamily> Collect() {
    std::vector<prometheus::MetricFamily> families = registry_->Collect();
    const auto add = [&families](std::vector<prometheus::MetricFamily> others) {
      std::move(others.begin(), others.end(), std::back_inserter(families));
    };
    add(process_.Collect());
    const std::lock_guard lock(mutex_);
    for (const std::weak_ptr<prometheus::Collectable>& other : more_) {
      if (const auto alive = other.lock()) add(alive->Collect());
    }
    return families;
  }

  const std::shared_ptr<prometheus::Registry> registry_;
  const ProcessMetrics process_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<prometheus::Collectable>> more_;
  httplib::Server server_;
  std::thread thread_;
};

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<Server> server, std::string address)
    : server_(std::move(server)), address_(std::move(address)) {}

MetricsEndpoint::~MetricsEndpoint() = default;

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& listen, std::shared_ptr<prometheus::Registry> registry) {
  const size_t colon = listen.rfind(':');
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metrics-listen: ", listen, " is not valid; expected host:port such as 127.0.0.1:9600"));
  }
  const std::string host = listen.substr(0, colon);
  auto server = std::make_unique<Server>(std::move(registry));
  const int chosen = server->Listen(host, port);
  if (chosen < 0) {
    return absl::FailedPreconditionError(absl::StrCat("--metrics-listen: cannot listen on ", listen,
                                                      "; expected an address of this machine with a free port"));
  }
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(server), absl::StrCat(host, ":", chosen)));
}

void MetricsEndpoint::Add(const std::shared_ptr<prometheus::Collectable>& more) { server_->Add(more); }

void AddBuildInfo(prometheus::Registry& registry, absl::string_view program, absl::string_view version) {
  prometheus::BuildGauge()
      .Name("besa_build_info")
      .Help("1, with what this program is in the labels.")
      .Register(registry)
      .Add({{"program", std::string(program)}, {"version", std::string(version)}, {"compiler", "gcc " __VERSION__}})
      .Set(1);
}

}  // namespace besa
