// The built program against a real gRPC server: what it prints, and what its exit status says.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/testing/messages.h"
#include "client/testing/scripted_server.h"
#include "client/testing/subprocess.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "proto/rpc_status.h"
#include "storage/base/error_info.h"

namespace besa::client {
namespace {

using grpc::Status;
using grpc::StatusCode;
using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

class ProgramTest : public testing::Test {
 protected:
  Finished Besa(std::vector<std::string> arguments, bool terminal = false) {
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return Subprocess(BESA_PROGRAM, arguments, terminal).Wait();
  }

  std::vector<std::string> Prune(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"prune",      "--model", "/models/books", "--output",      "out",
                                          "--sparsity", "0.5",     "--calibration", "s3://data/c.gz"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  // Scripts one job whose watch runs to `end`.
  void ServeJob(v1::Job end) {
    server_.prune.create_job = [](const v1::CreateJobRequest&, v1::Job* job) {
      *job = MakeJob(v1::JOB_STATE_PENDING, 1);
      return Status::OK;
    };
    server_.prune.watch_job = [end](grpc::ServerContext&, const v1::WatchJobRequest& request,
                                    const WatchWriter& write) {
      EXPECT_EQ(request.name(), "jobs/j1");
      write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 2)));
      for (int block = 0; block < 6; ++block) write(TaskEvent(3 + block, MakeCommittedBlock(block)));
      write(JobEvent(end));
      return Status::OK;
    };
  }

  ScriptedServer server_;
};

TEST_F(ProgramTest, PruneSendsAbsolutePathsAndSaysHowToWatch) {
  v1::CreateJobRequest sent;
  server_.prune.create_job = [&](const v1::CreateJobRequest& request, v1::Job* job) {
    sent = request;
    *job = MakeJob(v1::JOB_STATE_PENDING, 1);
    return Status::OK;
  };
  const auto result = Besa(Prune());
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out,
            absl::StrCat("job: jobs/j1\nwatch it: besa --server ", server_.address(), " jobs watch jobs/j1\n"));
  EXPECT_EQ(sent.job().spec().model_uri(), "/models/books");
  EXPECT_EQ(sent.job().spec().output_uri(), (std::filesystem::current_path() / "out").string());
  EXPECT_EQ(sent.job().spec().calibration().uris(0), "s3://data/c.gz");
  EXPECT_FALSE(sent.request_id().empty());
  EXPECT_FALSE(sent.validate_only());
}

TEST_F(ProgramTest, EstimateSendsTheJobWorkersAndDevice) {
  v1::EstimateJobRequest sent;
  server_.prune.estimate_job = [&](const v1::EstimateJobRequest& request, v1::EstimateJobResponse* response) {
    sent = request;
    response->set_workers(8);
    response->set_device("NVIDIA H200");
    response->set_seconds(40);
    return Status::OK;
  };
  std::vector<std::string> arguments = Prune({"--quality", "balanced", "--workers", "8", "--device-kind", "h200"});
  arguments[0] = "estimate";
  const auto result = Besa(arguments);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("40.0 s with 8 workers on NVIDIA H200\n"));
  EXPECT_EQ(sent.workers(), 8);
  EXPECT_EQ(sent.device_kind(), "h200");
  EXPECT_EQ(sent.job().spec().model_uri(), "/models/books");
  EXPECT_EQ(sent.job().spec().method().quality(), v1::QUALITY_BALANCED);

  arguments.insert(arguments.begin(), "--json");
  EXPECT_EQ(json::parse(Besa(arguments).out)["workers"], 8);
  arguments[arguments.size() - 3] = "0";
  EXPECT_EQ(Besa(arguments).code, 2) << "no worker at all";
}

TEST_F(ProgramTest, WatchEndsWithTheOutputAsLastLine) {
  ServeJob(MakeJob(v1::JOB_STATE_SUCCEEDED, 20));
  const auto result = Besa(Prune({"--watch"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("block 5 committed, 6 of 6: loss 0.04 -> 0.02, sparsity 0.5000, 12.5 s\n"));
  EXPECT_THAT(result.out, EndsWith("\noutput: /models/books-besa50\n"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(ProgramTest, WatchDrawsBarsOnATerminal) {
  ServeJob(MakeJob(v1::JOB_STATE_SUCCEEDED, 20));
  const auto result = Besa({"jobs", "watch", "j1"}, /*terminal=*/true);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("[###########################] 6 of 6  sparsity 0.5000\r\n"));
  EXPECT_THAT(result.out, EndsWith("output: /models/books-besa50\r\n"));
}

TEST_F(ProgramTest, AFailedJobIsStatusOneWithReasonTaskAndLog) {
  v1::Job failed = MakeJob(v1::JOB_STATE_FAILED, 20);
  failed.mutable_error()->set_reason(v1::FAILURE_REASON_BAD_NUMBERS);
  failed.mutable_error()->set_message("block 5, mlp.down_proj: NaN");
  failed.mutable_error()->set_task("jobs/j1/tasks/prune-00005");
  failed.mutable_error()->add_log_tail("loading block 5");
  ServeJob(failed);
  const auto result = Besa({"jobs", "watch", "jobs/j1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("jobs/j1 failed (bad-numbers): block 5, mlp.down_proj: NaN"));
  EXPECT_THAT(result.err, HasSubstr("task: jobs/j1/tasks/prune-00005"));
  EXPECT_THAT(result.err, HasSubstr("loading block 5"));
  EXPECT_THAT(result.err, HasSubstr("jobs retry jobs/j1"));
}

TEST_F(ProgramTest, ACancelledJobIsStatusFive) {
  ServeJob(MakeJob(v1::JOB_STATE_CANCELLED, 20));
  EXPECT_EQ(Besa({"jobs", "watch", "jobs/j1"}).code, 5);
}

TEST_F(ProgramTest, CtrlCDetachesAndCancelsNothing) {
  std::atomic<bool> watched = false;
  server_.prune.watch_job = [&](grpc::ServerContext& context, const v1::WatchJobRequest&, const WatchWriter& write) {
    write(SnapshotEvent(MakeJob(v1::JOB_STATE_PRUNING, 2)));
    watched = true;
    watched.notify_all();
    while (!context.IsCancelled()) std::this_thread::yield();
    return Status::OK;
  };
  Subprocess besa(BESA_PROGRAM, {"--server", server_.address(), "jobs", "watch", "jobs/j1"});
  watched.wait(false);
  besa.Signal(SIGINT);
  const auto result = besa.Wait();
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.err, HasSubstr("detached; jobs/j1 goes on"));
  EXPECT_THAT(result.err, HasSubstr(absl::StrCat("besa --server ", server_.address(), " jobs watch jobs/j1\n")));
  EXPECT_THAT(result.err, HasSubstr(absl::StrCat("besa --server ", server_.address(), " jobs cancel jobs/j1\n")));
}

TEST_F(ProgramTest, AWatchGivesUpWhenTheCoordinatorStaysAway) {
  server_.prune.watch_job = [](grpc::ServerContext&, const v1::WatchJobRequest&, const WatchWriter&) {
    return Status(StatusCode::UNAVAILABLE, "down");
  };
  const auto result = Besa({"jobs", "watch", "jobs/j1", "--give-up-after", "100ms"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("no coordinator for"));
}

TEST_F(ProgramTest, ValidateShowsTheModelAndCreatesNothing) {
  server_.prune.create_job = [](const v1::CreateJobRequest& request, v1::Job* job) {
    EXPECT_TRUE(request.validate_only());
    *job->mutable_spec() = request.job().spec();
    job->mutable_model()->set_architecture("LlamaForCausalLM");
    job->mutable_model()->set_blocks(6);
    return Status::OK;
  };
  auto arguments = Prune();
  arguments[0] = "validate";
  for (const auto& result : {Besa(arguments), Besa(Prune({"--validate-only"}))}) {
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr("LlamaForCausalLM, 6 blocks"));
    EXPECT_THAT(result.out, EndsWith("valid; nothing was stored\n"));
  }
}

TEST_F(ProgramTest, ARefusedArgumentIsStatusTwo) {
  server_.prune.create_job = [](const v1::CreateJobRequest&, v1::Job*) {
    return ToGrpc(FieldError("sparsity", "1.5", "a number between 0 and 1, both excluded"));
  };
  const auto result = Besa(Prune());
  EXPECT_EQ(result.code, 2);
  EXPECT_EQ(result.err,
            "besa: sparsity: 1.5 is not valid; expected a number between 0 and 1, both excluded (--sparsity)\n");
  EXPECT_THAT(result.out, IsEmpty());
}

TEST_F(ProgramTest, WrongUsageIsStatusTwo) {
  EXPECT_EQ(Besa({}).code, 2);
  EXPECT_EQ(Besa({"frobnicate"}).code, 2);
  EXPECT_EQ(Besa({"jobs", "get"}).code, 2);
  EXPECT_EQ(Besa(Prune({"--preset", "bold"})).code, 2);
  EXPECT_EQ(Besa({"--timeout", "soon", "jobs", "list"}).code, 2);
  const auto as_json = Besa({"jobs", "get", "--json"});
  EXPECT_EQ(as_json.code, 2);
  EXPECT_EQ(json::parse(as_json.out)["error"]["code"], "INVALID_ARGUMENT");
}

TEST_F(ProgramTest, NotFoundAndWrongStateAreStatusThree) {
  server_.prune.get_job = [](const v1::GetJobRequest&, v1::Job*) {
    return Status(StatusCode::NOT_FOUND, "jobs/j9: not found");
  };
  server_.prune.cancel_job = [](const v1::CancelJobRequest&, v1::Job*) {
    return Status(StatusCode::FAILED_PRECONDITION, "jobs/j9 is being published");
  };
  EXPECT_EQ(Besa({"jobs", "get", "j9"}).code, 3);
  EXPECT_EQ(Besa({"jobs", "cancel", "j9"}).err, "besa: jobs/j9 is being published\n");
}

TEST_F(ProgramTest, NoCoordinatorIsStatusFourAndSaysWhatToDo) {
  server_.Stop();
  const auto result = Besa({"jobs", "list", "--json"});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr(server_.address()));
  EXPECT_THAT(result.err, HasSubstr("besa-coordinator"));
  EXPECT_THAT(result.err, HasSubstr("BESA_SERVER"));
  EXPECT_EQ(json::parse(result.out)["error"]["metadata"]["target"], server_.address());
}

TEST_F(ProgramTest, TheServerMayComeFromTheEnvironment) {
  server_.prune.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse*) { return Status::OK; };
  const auto result =
      Subprocess("/usr/bin/env", {absl::StrCat("BESA_SERVER=", server_.address()), BESA_PROGRAM, "jobs", "list"})
          .Wait();
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(ProgramTest, EveryCommandSpeaksJson) {
  const auto job = [](const auto&, v1::Job* answer) {
    *answer = MakeJob(v1::JOB_STATE_PRUNING, 7);
    return Status::OK;
  };
  server_.prune.create_job = job;
  server_.prune.get_job = job;
  server_.prune.cancel_job = job;
  server_.prune.retry_job = job;
  server_.prune.delete_job = [](const v1::DeleteJobRequest&, google::protobuf::Empty*) { return Status::OK; };
  server_.prune.list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* answer) {
    EXPECT_EQ(request.filter(), "state = PRUNING");
    *answer->add_jobs() = MakeJob(v1::JOB_STATE_PRUNING, 7);
    return Status::OK;
  };
  server_.prune.list_tasks = [](const v1::ListTasksRequest&, v1::ListTasksResponse* answer) {
    *answer->add_tasks() = MakeCommittedBlock(0);
    return Status::OK;
  };
  server_.fleet.list_workers = [](const v1::ListWorkersRequest&, v1::ListWorkersResponse* answer) {
    answer->add_workers()->set_name("workers/w1");
    return Status::OK;
  };
  const auto speak = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--json");
    const auto result = Besa(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 1) << result.out;
    return json::parse(result.out);
  };
  for (const auto& arguments : {Prune(),
                                Prune({"--validate-only"}),
                                {"jobs", "get", "j1"},
                                {"jobs", "cancel", "j1"},
                                {"jobs", "retry", "j1"}}) {
    const json answer = speak(arguments);
    EXPECT_EQ(answer["name"], "jobs/j1");
    EXPECT_EQ(answer["state"], "JOB_STATE_PRUNING");
    EXPECT_EQ(answer["spec"]["model_uri"], "/models/books");
    EXPECT_EQ(answer["progress"]["blocks_committed"], 0);
  }
  EXPECT_EQ(speak({"jobs", "list", "--filter", "state = PRUNING"})["jobs"][0]["name"], "jobs/j1");
  EXPECT_EQ(speak({"jobs", "tasks", "j1"})["tasks"][0]["result"]["block"]["zeros"], "500");
  EXPECT_EQ(speak({"workers", "list"})["workers"][0]["name"], "workers/w1");
  EXPECT_EQ(speak({"jobs", "delete", "j1"}), json::object());
}

TEST_F(ProgramTest, AWatchSpeaksOneJsonObjectALine) {
  ServeJob(MakeJob(v1::JOB_STATE_SUCCEEDED, 20));
  const auto result = Besa({"jobs", "watch", "j1", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 8);
  EXPECT_EQ(json::parse(lines[0])["snapshot"]["job"]["name"], "jobs/j1");
  EXPECT_EQ(json::parse(lines[1])["task"]["block"], 0);
  EXPECT_EQ(json::parse(lines[7])["job"]["state"], "JOB_STATE_SUCCEEDED");
}

}  // namespace
}  // namespace besa::client
