// What every StateStore has to do, as tests: an implementation instantiates the suite with a way to open its state.
//
//   INSTANTIATE_TEST_SUITE_P(Sqlite, StateStoreConformance, ::testing::Values(&MakeSqliteBackend));
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "server/state/state_store.h"

namespace besa::server::testing {

// An empty state that is there for one test.
class StateBackend {
 public:
  virtual ~StateBackend() = default;
  // Opens it; again after the store before was closed.
  virtual std::unique_ptr<StateStore> Open() = 0;
};

class StateStoreConformance : public ::testing::TestWithParam<std::unique_ptr<StateBackend> (*)()> {
 protected:
  StateStoreConformance() : backend_(GetParam()()), store_(backend_->Open()) {}

  // Closes the store and opens it again.
  void Reopen() {
    store_.reset();
    store_ = backend_->Open();
  }

  std::unique_ptr<StateBackend> backend_;
  std::unique_ptr<StateStore> store_;
};

// A job of three tasks, the first two PENDING with memory needs of 0 and 100, the third BLOCKED.
CreateJobRow SomeJob(const std::string& id, const std::string& display_name = "");

}  // namespace besa::server::testing
