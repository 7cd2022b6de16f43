#include "storage/safetensors/header_json.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "storage/base/utf8.h"

namespace besa::storage {
namespace {

// A state machine over the events of the parser:
//
//   kStart -{-> kTop -key-> kTensor    -{-> kMember -key-> kDType | kShape -[-> kDims | kOffsets -[-> kPair
//                    -key-> kMetadata  -{-> kMetadataKey -key-> kMetadataValue
//
// Any event that a state does not expect ends the parse with an error.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  RawHeader& header() { return header_; }
  const std::string& error() const { return error_; }

  bool null() override { return Fail("null"); }
  bool boolean(bool) override { return Fail("a boolean"); }
  bool number_integer(number_integer_t) override { return Fail("a negative number"); }
  bool number_float(number_float_t, const string_t& text) override {
    return Fail(absl::StrCat("the number ", text.substr(0, 40)));
  }
  bool binary(binary_t&) override { return Fail("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ != State::kDims && state_ != State::kPair) return Fail("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Fail(absl::StrCat("the number ", value));
    }
    (state_ == State::kDims ? tensor_.shape : offsets_).push_back(static_cast<int64_t>(value));
    return true;
  }

  bool string(string_t& text) override {
    if (state_ == State::kDType) {
      tensor_.dtype = std::move(text);
      state_ = State::kMember;
      return true;
    }
    if (state_ == State::kMetadataValue) {
      header_.metadata[member_] = std::move(text);
      state_ = State::kMetadataKey;
      return true;
    }
    return Fail("a string");
  }

  bool start_object(std::size_t) override {
    switch (state_) {
      case State::kStart:
        state_ = State::kTop;
        return true;
      case State::kTensor:
        tensor_ = {};
        seen_dtype_ = seen_shape_ = seen_offsets_ = false;
        state_ = State::kMember;
        return true;
      case State::kMetadata:
        state_ = State::kMetadataKey;
        return true;
      default:
        return Fail("an object");
    }
  }

  bool key(string_t& text) override {
    switch (state_) {
      case State::kTop:
        return TopKey(std::move(text));
      case State::kMember:
        return MemberKey(text);
      default:  // kMetadataKey
        member_ = std::move(text);
        if (header_.metadata.contains(member_)) return Error(absl::StrCat("duplicate key ", Quoted(member_)));
        state_ = State::kMetadataValue;
        return true;
    }
  }

  bool end_object() override {
    if (state_ == State::kMember) {
      if (!seen_dtype_) return Error("dtype is missing");
      if (!seen_shape_) return Error("shape is missing");
      if (!seen_offsets_) return Error("data_offsets is missing");
      header_.tensors.emplace(name_, std::move(tensor_));
    }
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    name_.clear();
    return true;
  }

  bool start_array(std::size_t) override {
    if (state_ == State::kShape) {
      state_ = State::kDims;
      return true;
    }
    if (state_ == State::kOffsets) {
      offsets_.clear();
      state_ = State::kPair;
      return true;
    }
    return Fail("an array");
  }

  bool end_array() override {
    if (state_ == State::kPair) {
      if (offsets_.size() != 2) return Error("data_offsets must be two numbers");
      tensor_.begin = offsets_[0];
      tensor_.end = offsets_[1];
    }
    state_ = State::kMember;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // The library's text quotes the input; what() may thus hold any bytes.
    error_ = absl::StrCat("the header is not valid JSON at byte ", position, ": ", Printable(error.what()));
    return false;
  }

 private:
  enum class State {
    kStart,
    kTop,
    kTensor,
    kMember,
    kDType,
    kShape,
    kDims,
    kOffsets,
    kPair,
    kMetadata,
    kMetadataKey,
    kMetadataValue,
    kEnd
  };

  static std::string Quoted(absl::string_view text) { return absl::StrCat("\"", Printable(text), "\""); }

  bool Error(absl::string_view what) {
    error_ = name_.empty() ? std::string(what) : absl::StrCat("tensor ", Quoted(name_), ": ", what);
    return false;
  }

  bool Fail(absl::string_view found) { return Error(absl::StrCat("found ", found, " where ", Expected(), " belongs")); }

  absl::string_view Expected() const {
    switch (state_) {
      case State::kStart:
      case State::kTensor:
        return "an object";
      case State::kMetadata:
        return "an object (__metadata__)";
      case State::kDType:
        return "the name of a dtype";
      case State::kShape:
        return "an array (shape)";
      case State::kDims:
        return "a dimension, an integer from 0 to 2^63 - 1,";
      case State::kOffsets:
        return "an array (data_offsets)";
      case State::kPair:
        return "an offset, an integer from 0 to 2^63 - 1,";
      case State::kMetadataValue:
        return "a string (__metadata__)";
      default:
        return "a key";
    }
  }

  bool TopKey(std::string text) {
    if (text == "__metadata__") {
      if (seen_metadata_) return Error("duplicate key \"__metadata__\"");
      seen_metadata_ = true;
      state_ = State::kMetadata;
      return true;
    }
    name_ = std::move(text);
    if (header_.tensors.contains(name_)) return Error("the name appears twice");
    state_ = State::kTensor;
    return true;
  }

  bool MemberKey(const std::string& text) {
    bool* seen = nullptr;
    if (text == "dtype") {
      seen = &seen_dtype_;
      state_ = State::kDType;
    } else if (text == "shape") {
      seen = &seen_shape_;
      state_ = State::kShape;
    } else if (text == "data_offsets") {
      seen = &seen_offsets_;
      state_ = State::kOffsets;
    } else {
      return Error(absl::StrCat("unknown member ", Quoted(text)));
    }
    if (*seen) return Error(absl::StrCat("duplicate member ", Quoted(text)));
    *seen = true;
    return true;
  }

  RawHeader header_;
  std::string error_;
  State state_ = State::kStart;
  std::string name_;
  std::string member_;
  RawTensor tensor_;
  std::vector<int64_t> offsets_;
  bool seen_metadata_ = false;
  bool seen_dtype_ = false;
  bool seen_shape_ = false;
  bool seen_offsets_ = false;
};

}  // namespace

absl::StatusOr<RawHeader> ParseHeaderJson(absl::string_view json) {
  if (json.empty() || json.front() != '{') return absl::InvalidArgumentError("the header does not begin with {");
  HeaderReader reader;
  // The library throws std::bad_alloc at most; a header is no larger than 100 MB.
  if (!nlohmann::json::sax_parse(json.begin(), json.end(), &reader)) {
    return absl::InvalidArgumentError(reader.error());
  }
  return std::move(reader.header());
}

absl::StatusOr<std::string> QuoteJson(absl::string_view text) {
  if (!IsUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", Printable(text), "\" is not UTF-8"));
  }
  return nlohmann::json(std::string(text)).dump();
}

}  // namespace besa::storage
