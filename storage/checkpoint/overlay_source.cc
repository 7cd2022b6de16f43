#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"
#include "storage/checkpoint/checkpoint.h"
#include "storage/checkpoint/checkpoint_error.h"

namespace besa::storage {

absl::StatusOr<OverlaySource> OverlaySource::Open(ObjectStore& store, const TensorSource& base,
                                                  const std::vector<Uri>& files) {
  OverlaySource source(store, base);
  for (const Uri& file : files) {
    ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(store, file));
    for (const auto& [name, entry] : header.tensors) {
      const auto [found, inserted] = source.replaced_.emplace(name, TensorLocation{file, entry});
      if (!inserted) return TensorError(file, name, absl::StrCat("is in ", found->second.file.ToString(), " too"));
      const auto below = base.Find(name);
      if (below.ok() && below->entry.shape != entry.shape) {
        return TensorError(file, name,
                           absl::StrCat("shape ", FormatShape(entry.shape), ", but it replaces one of ",
                                        FormatShape(below->entry.shape)));
      }
    }
  }
  return source;
}

absl::StatusOr<TensorLocation> OverlaySource::Find(absl::string_view name) const {
  const auto found = replaced_.find(std::string(name));
  if (found != replaced_.end()) return found->second;
  return base_->Find(name);
}

absl::StatusOr<HostTensor> OverlaySource::Read(absl::string_view name) const {
  const auto found = replaced_.find(std::string(name));
  if (found == replaced_.end()) return base_->Read(name);
  return ReadTensor(*store_, found->second.file, name, found->second.entry);
}

absl::Status OverlaySource::ReadTo(absl::string_view name, const Place& place) const {
  const auto found = replaced_.find(std::string(name));
  if (found == replaced_.end()) return base_->ReadTo(name, place);
  return ReadTensorTo(*store_, found->second, place);
}

}  // namespace besa::storage
