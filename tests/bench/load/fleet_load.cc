// A fleet of simulated workers against a real coordinator: each on a connection of its own, registers, leases, beats,
// commits results that fit their tasks, and computes nothing. The fleet grows in stages; at the end of each it prints
// how long the calls took, as a line of JSON.
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "besa/v1/worker_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "server/scheduler/scheduler_testing.h"

namespace besa::server {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Flags {
  std::string coordinator;
  std::vector<int> workers = {1000};
  double beat = 10;
  double block = 30;
  double warm_up = 35;
  double measure = 30;
};

// Calls functions at their time, from one thread.
class Timer {
 public:
  Timer() : thread_([this](std::stop_token stop) { Run(stop); }) {}

  void After(double seconds, std::function<void()> work) {
    const std::lock_guard<std::mutex> guard(mutex_);
    due_.emplace(SteadyClock::now() + std::chrono::duration_cast<SteadyClock::duration>(Seconds(seconds)),
                 std::move(work));
    changed_.notify_one();
  }

 private:
  void Run(const std::stop_token& stop) {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stop.stop_requested()) {
      if (due_.empty() || due_.begin()->first > SteadyClock::now()) {
        const auto until = due_.empty() ? SteadyClock::now() + std::chrono::milliseconds(100) : due_.begin()->first;
        changed_.wait_until(lock, std::min(until, SteadyClock::now() + std::chrono::milliseconds(100)));
        continue;
      }
      auto work = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      lock.unlock();
      work();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<SteadyClock::time_point, std::function<void()>> due_;
  std::jthread thread_;
};

// How long calls took, in seconds.
class Latencies {
 public:
  void Begin() {
    const std::lock_guard<std::mutex> guard(mutex_);
    seconds_.clear();
    failed_.clear();
    measuring_ = true;
  }
  void Add(const std::string& call, double seconds, const grpc::Status& status) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (!measuring_) return;
    if (status.ok()) {
      seconds_[call].push_back(seconds);
    } else {
      ++failed_[call];
      std::fprintf(stderr, "%s failed after %.0f ms: %d %s\n", call.c_str(), 1000 * seconds,
                   static_cast<int>(status.error_code()), status.error_message().c_str());
    }
  }
  nlohmann::ordered_json End() {
    const std::lock_guard<std::mutex> guard(mutex_);
    measuring_ = false;
    nlohmann::ordered_json shown;
    for (const char* call : {"lease", "heartbeat", "commit"}) {
      std::vector<double>& seconds = seconds_[call];
      if (seconds.empty()) seconds.push_back(0);
      std::sort(seconds.begin(), seconds.end());
      const auto at = [&values = seconds](double share) {
        const auto index = static_cast<size_t>(share * static_cast<double>(values.size()));
        return 1000 * values[std::min(index, values.size() - 1)];
      };
      shown[call] = {{"calls", seconds.size()},
                     {"p50_ms", at(0.5)},
                     {"p99_ms", at(0.99)},
                     {"max_ms", 1000 * seconds.back()},
                     {"failed", failed_[call]}};
    }
    return shown;
  }

 private:
  std::mutex mutex_;
  bool measuring_ = false;
  std::map<std::string, std::vector<double>> seconds_;
  std::map<std::string, int> failed_;
};

class SimulatedWorker {
 public:
  SimulatedWorker(int number, const Flags& flags, Timer& timer, Latencies& latencies)
      : flags_(flags), timer_(timer), latencies_(latencies), random_(static_cast<uint32_t>(number)) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::WorkerService::NewStub(
        grpc::CreateCustomChannel(flags.coordinator, grpc::InsecureChannelCredentials(), arguments));
    worker_.name = absl::StrCat("workers/load-", number);
    worker_.incarnation = absl::StrCat("i", std::random_device()());
  }

  void Start() {
    v1::RegisterWorkerRequest request;
    request.set_protocol_version(v1::PROTOCOL_VERSION_1);
    request.mutable_worker()->set_name(worker_.name);
    request.mutable_worker()->set_incarnation(worker_.incarnation);
    request.mutable_worker()->mutable_device()->set_id("cpu");
    request.mutable_worker()->mutable_device()->set_memory_bytes(worker_.memory_bytes);
    using Method = void (v1::WorkerService::Stub::async_interface::*)(
        grpc::ClientContext*, const v1::RegisterWorkerRequest*, v1::RegisterWorkerResponse*,
        std::function<void(grpc::Status)>);
    Call<v1::RegisterWorkerResponse>(request,
                                     static_cast<Method>(&v1::WorkerService::Stub::async_interface::RegisterWorker),
                                     [this](const grpc::Status& status, const v1::RegisterWorkerResponse&, double) {
                                       if (!status.ok()) return timer_.After(1, [this] { Start(); });
                                       Lease();
                                     });
  }

 private:
  // `done(status, response, seconds)`.
  template <class Response, class Request, class Method, class Done>
  void Call(const Request& request, Method method, Done done) {
    struct State {
      grpc::ClientContext context;
      Request request;
      Response response;
      SteadyClock::time_point begin = SteadyClock::now();
    };
    auto state = std::make_shared<State>();
    state->request = request;
    (stub_->async()->*method)(&state->context, &state->request, &state->response,
                              [state, done](const grpc::Status& status) {
                                const double seconds = Seconds(SteadyClock::now() - state->begin).count();
                                done(status, state->response, seconds);
                              });
  }

  void Lease() {
    v1::LeaseTaskRequest request;
    request.set_worker(worker_.name);
    request.set_incarnation(worker_.incarnation);
    request.set_request_id(absl::StrCat("r", ++requests_));
    *request.mutable_cursor() = cursor_;
    request.mutable_wait()->set_seconds(10);
    using Method = void (v1::WorkerService::Stub::async_interface::*)(
        grpc::ClientContext*, const v1::LeaseTaskRequest*, v1::LeaseTaskResponse*, std::function<void(grpc::Status)>);
    Call<v1::LeaseTaskResponse>(
        request, static_cast<Method>(&v1::WorkerService::Stub::async_interface::LeaseTask),
        [this](const grpc::Status& status, const v1::LeaseTaskResponse& response, double seconds) {
          // Waiting for work to appear is no latency.
          if (response.has_assignment() || !status.ok()) latencies_.Add("lease", seconds, status);
          if (!status.ok()) return timer_.After(1, [this] { Lease(); });
          if (!response.has_assignment()) return Lease();
          Work(response.assignment());
        });
  }

  void Work(const v1::Assignment& assignment) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      assignment_ = assignment;
      step_ = 0;
    }
    const bool block = assignment.kind() == v1::TASK_KIND_PRUNE;
    const double seconds = block ? flags_.block * std::uniform_real_distribution<>(0.5, 1.5)(random_) : 0.1;
    const std::string lease = assignment.lease().id();
    timer_.After(seconds, [this] { Commit(); });
    timer_.After(std::uniform_real_distribution<>(0, flags_.beat)(random_), [this, lease] { Beat(lease); });
  }

  void Beat(const std::string& lease) {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (assignment_.lease().id() != lease) return;
    v1::HeartbeatRequest request;
    request.set_worker(worker_.name);
    request.set_incarnation(worker_.incarnation);
    *request.mutable_lease() = assignment_.lease();
    request.mutable_progress()->set_stage("train");
    request.mutable_progress()->set_step(++step_);
    request.mutable_progress()->set_steps(64);
    using Method = void (v1::WorkerService::Stub::async_interface::*)(
        grpc::ClientContext*, const v1::HeartbeatRequest*, v1::HeartbeatResponse*, std::function<void(grpc::Status)>);
    Call<v1::HeartbeatResponse>(
        request, static_cast<Method>(&v1::WorkerService::Stub::async_interface::Heartbeat),
        [this, lease](const grpc::Status& status, const v1::HeartbeatResponse&, double seconds) {
          const std::lock_guard<std::mutex> answered(mutex_);
          // A beat that this worker's own commit has overtaken is told that its lease has ended, which is right.
          const bool overtaken =
              status.error_code() == grpc::StatusCode::ABORTED && (committing_ || assignment_.lease().id() != lease);
          latencies_.Add("heartbeat", seconds, overtaken ? grpc::Status::OK : status);
        });
    timer_.After(flags_.beat, [this, lease] { Beat(lease); });
  }

  void Commit() {
    v1::CommitTaskRequest request;
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      committing_ = true;
    }
    request.set_worker(worker_.name);
    request.set_incarnation(worker_.incarnation);
    *request.mutable_lease() = assignment_.lease();
    *request.mutable_result() = testing::TestResult(assignment_);
    using Method = void (v1::WorkerService::Stub::async_interface::*)(
        grpc::ClientContext*, const v1::CommitTaskRequest*, v1::CommitTaskResponse*, std::function<void(grpc::Status)>);
    Call<v1::CommitTaskResponse>(
        request, static_cast<Method>(&v1::WorkerService::Stub::async_interface::CommitTask),
        [this](const grpc::Status& status, const v1::CommitTaskResponse&, double seconds) {
          latencies_.Add("commit", seconds, status);
          if (!status.ok() && status.error_code() != grpc::StatusCode::ABORTED) {
            return timer_.After(1, [this] { Commit(); });
          }
          {
            const std::lock_guard<std::mutex> guard(mutex_);
            cursor_.set_job(assignment_.lease().task().substr(0, assignment_.lease().task().find("/tasks/")));
            cursor_.set_block(assignment_.block() + 1);
            assignment_.Clear();
            committing_ = false;
          }
          Lease();
        });
  }

  const Flags& flags_;
  Timer& timer_;
  Latencies& latencies_;
  std::mt19937 random_;
  std::unique_ptr<v1::WorkerService::Stub> stub_;
  testing::TestWorker worker_;
  std::mutex mutex_;
  v1::Assignment assignment_;
  bool committing_ = false;
  v1::Cursor cursor_;
  int64_t step_ = 0;
  int requests_ = 0;
};

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Simulated workers against a coordinator.");
  app.add_option("--coordinator", flags.coordinator)->required();
  app.add_option("--workers", flags.workers, "of each stage, growing")->capture_default_str();
  app.add_option("--beat", flags.beat, "seconds between heartbeats")->capture_default_str();
  app.add_option("--block", flags.block, "seconds a block takes on the average")->capture_default_str();
  app.add_option("--warm-up", flags.warm_up, "seconds before measuring, in each stage")->capture_default_str();
  app.add_option("--measure", flags.measure, "seconds of measuring, in each stage")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  Timer timer;
  Latencies latencies;
  std::vector<std::unique_ptr<SimulatedWorker>> workers;
  std::mt19937 spread(1);
  for (const int stage : flags.workers) {
    while (workers.size() < static_cast<size_t>(stage)) {
      workers.push_back(std::make_unique<SimulatedWorker>(static_cast<int>(workers.size()), flags, timer, latencies));
      // As a fleet comes up: over a few seconds, not in one instant.
      timer.After(std::uniform_real_distribution<>(0, flags.warm_up / 3)(spread),
                  [worker = workers.back().get()] { worker->Start(); });
    }
    std::this_thread::sleep_for(Seconds(flags.warm_up));
    latencies.Begin();
    std::this_thread::sleep_for(Seconds(flags.measure));
    nlohmann::ordered_json shown = latencies.End();
    shown["workers"] = stage;
    std::printf("%s\n", shown.dump().c_str());
    std::fflush(stdout);
  }
  // The calls that wait are not waited for.
  std::_Exit(0);
}

}  // namespace
}  // namespace besa::server

int main(int argc, char** argv) { return besa::server::Main(argc, argv); }
