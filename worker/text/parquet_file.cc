#include "worker/text/parquet_file.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/status_macros.h"

namespace besa::text {
namespace {

constexpr char kColumn[] = "text";
constexpr int64_t kBufferBytes = int64_t{1} << 20;
constexpr int64_t kBatchRows = 256;
constexpr uint32_t kMaxDocumentBytes = uint32_t{64} << 20;
constexpr int64_t kMaxTextBytes = int64_t{8} << 30;

// A stored object as Arrow reads files. What goes wrong is kept in our own words, as Arrow's would lose the code.
class ObjectFile final : public arrow::io::RandomAccessFile {
 public:
  ObjectFile(storage::ObjectStore& store, storage::ObjectInfo object, ReadProgress progress)
      : store_(store), object_(std::move(object)), progress_(std::move(progress)) {}

  const absl::Status& failure() const { return failure_; }

  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  arrow::Result<int64_t> Tell() const override { return position_; }
  arrow::Result<int64_t> GetSize() override { return object_.size; }
  arrow::Status Seek(int64_t position) override {
    position_ = position;
    return arrow::Status::OK();
  }
  arrow::Result<int64_t> Read(int64_t size, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position_, size, out));
    position_ += read;
    return read;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t size) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, size));
    position_ += buffer->size();
    return buffer;
  }
  arrow::Result<int64_t> ReadAt(int64_t position, int64_t size, void* out) override {
    if (position < 0 || size < 0 || position > object_.size)
      return arrow::Status::Invalid("beyond the end of the file");
    const int64_t available = std::min(size, object_.size - position);
    if (available == 0) return 0;
    failure_ = store_.ReadRange(object_.uri, position,
                                std::span(static_cast<std::byte*>(out), static_cast<size_t>(available)));
    if (!failure_.ok()) return arrow::Status::IOError("");
    done_ = std::min(done_ + available, object_.size);
    if (progress_ && !progress_(done_, object_.size)) {
      failure_ = absl::CancelledError(absl::StrCat("stopped while reading ", object_.uri.ToString()));
      return arrow::Status::Cancelled("");
    }
    return available;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t position, int64_t size) override {
    // A length that a damaged file made up takes no memory.
    size = std::clamp(object_.size - position, int64_t{0}, size);
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(size));
    ARROW_ASSIGN_OR_RAISE(const int64_t read, ReadAt(position, size, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(read));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  storage::ObjectStore& store_;
  const storage::ObjectInfo object_;
  const ReadProgress progress_;
  absl::Status failure_;
  int64_t position_ = 0;
  int64_t done_ = 0;
  bool closed_ = false;
};

// The index of the column of texts.
absl::StatusOr<int> FindColumn(const parquet::FileMetaData& metadata, const std::string& file) {
  const parquet::SchemaDescriptor& schema = *metadata.schema();
  for (int i = 0; i < schema.num_columns(); ++i) {
    const parquet::ColumnDescriptor& column = *schema.Column(i);
    const std::string path = column.path()->ToDotString();
    if (path != kColumn && !path.starts_with(absl::StrCat(kColumn, "."))) continue;
    const bool text = column.logical_type()->is_string() || column.logical_type()->is_none();
    if (path == kColumn && column.physical_type() == parquet::Type::BYTE_ARRAY && text &&
        column.max_repetition_level() == 0) {
      return i;
    }
    return absl::InvalidArgumentError(absl::StrCat(file, " column ", kColumn, " holds ",
                                                   parquet::TypeToString(column.physical_type()), " (",
                                                   column.logical_type()->ToString(), ") at ", path, ", not strings"));
  }
  return absl::InvalidArgumentError(absl::StrCat(file, " has no column ", kColumn));
}

// Feeds the documents of a file, and says where it stands if one is bad.
class Documents {
 public:
  Documents(std::string file, std::optional<int32_t> separator, DocumentTokenizer& out)
      : file_(std::move(file)), separator_(separator), out_(out) {}

  absl::Status Add(parquet::ByteArrayReader& column, int max_definition_level) {
    std::array<int16_t, kBatchRows> defined;
    std::array<parquet::ByteArray, kBatchRows> values;
    while (column.HasNext()) {
      int64_t count = 0;
      const int64_t rows = column.ReadBatch(kBatchRows, defined.data(), nullptr, values.data(), &count);
      if (rows == 0) return Bad("cannot be read");
      for (int64_t row = 0, value = 0; row < rows; ++row, ++row_) {
        const auto i = static_cast<size_t>(row);
        if (max_definition_level > 0 && defined[i] < max_definition_level) return Bad("is null");
        RETURN_IF_ERROR(AddDocument(values[static_cast<size_t>(value++)]));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(file_, " column ", kColumn, " row ", row_, " ", what));
  }

  absl::Status AddDocument(const parquet::ByteArray& text) {
    if (text.len > kMaxDocumentBytes) return Bad(absl::StrCat("has more than ", kMaxDocumentBytes, " bytes"));
    bytes_ += text.len;
    if (bytes_ > kMaxTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat(file_, " has more than ", kMaxTextBytes, " bytes of text"));
    }
    absl::Status status = out_.Append(absl::string_view(reinterpret_cast<const char*>(text.ptr), text.len));
    if (status.ok()) status = out_.EndDocument(separator_);
    if (absl::IsInvalidArgument(status)) return Bad(absl::StrCat("is bad: ", status.message()));
    return status;
  }

  const std::string file_;
  const std::optional<int32_t> separator_;
  DocumentTokenizer& out_;
  int64_t row_ = 0;
  int64_t bytes_ = 0;
};

absl::Status ReadFile(std::shared_ptr<ObjectFile> object, const std::string& file, Documents& documents) {
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(kBufferBytes);
  const auto reader = parquet::ParquetFileReader::Open(std::move(object), properties);
  ASSIGN_OR_RETURN(const int index, FindColumn(*reader->metadata(), file));
  const int max_definition_level = reader->metadata()->schema()->Column(index)->max_definition_level();
  for (int group = 0; group < reader->metadata()->num_row_groups(); ++group) {
    const auto column = reader->RowGroup(group)->Column(index);
    RETURN_IF_ERROR(documents.Add(dynamic_cast<parquet::ByteArrayReader&>(*column), max_definition_level));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadParquet(storage::ObjectStore& store, const storage::ObjectInfo& object, ReadProgress progress,
                         std::optional<int32_t> separator, DocumentTokenizer& out) {
  const std::string file = object.uri.ToString();
  const auto source = std::make_shared<ObjectFile>(store, object, std::move(progress));
  Documents documents(file, separator, out);
  // Arrow's parquet reader speaks in exceptions.
  try {
    return ReadFile(source, file, documents);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    if (!source->failure().ok()) return source->failure();
    return absl::InvalidArgumentError(absl::StrCat(file, " cannot be read as parquet: ", error.what()));
  }
}

}  // namespace besa::text
