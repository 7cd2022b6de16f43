#include "server/scheduler/all_workers.h"

#include "storage/base/status_macros.h"

namespace besa::server {
namespace {

constexpr int kLargestPage = 1000;

}  // namespace

absl::StatusOr<std::vector<v1::Worker>> AllWorkers(Coordinator& coordinator) {
  std::vector<v1::Worker> workers;
  v1::ListWorkersRequest request;
  request.set_page_size(kLargestPage);
  do {
    ASSIGN_OR_RETURN(const v1::ListWorkersResponse page, coordinator.ListWorkers(request));
    workers.insert(workers.end(), page.workers().begin(), page.workers().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return workers;
}

}  // namespace besa::server
