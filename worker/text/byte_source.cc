#include "worker/text/byte_source.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::text {
namespace {

class ObjectSource final : public ByteSource {
 public:
  ObjectSource(storage::ObjectStore& store, storage::ObjectInfo object, ReadProgress progress)
      : store_(store), object_(std::move(object)), progress_(std::move(progress)) {}

  absl::StatusOr<size_t> Read(std::span<std::byte> out) override {
    const auto size = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(out.size()), object_.size - offset_));
    if (size == 0) return size_t{0};
    RETURN_IF_ERROR(store_.ReadRange(object_.uri, offset_, out.first(size)));
    offset_ += static_cast<int64_t>(size);
    if (progress_ && !progress_(offset_, object_.size)) {
      return absl::CancelledError(absl::StrCat("reading ", object_.uri.ToString(), " was stopped"));
    }
    return size;
  }

 private:
  storage::ObjectStore& store_;
  const storage::ObjectInfo object_;
  const ReadProgress progress_;
  int64_t offset_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> OpenObject(storage::ObjectStore& store, const storage::ObjectInfo& object,
                                       ReadProgress progress) {
  return std::make_unique<ObjectSource>(store, object, std::move(progress));
}

}  // namespace besa::text
