#include "server/hooks/endpoints.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"
#include "storage/base/utf8.h"

namespace besa::server {
namespace {

constexpr size_t kLongestUri = 2000;
constexpr char kExpected[] =
    "http:// or https:// with a host, at most 2000 ASCII characters, without user name, fragment and . or .. in its "
    "path";

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// The part as curl reads it; empty if there is none.
std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl_free(text);
  return copy;
}

// Servers and proxies disagree about what such a path means.
bool HasDotSegment(absl::string_view path) {
  const std::string decoded = absl::StrReplaceAll(absl::AsciiStrToLower(path), {{"%2e", "."}, {"%2f", "/"}});
  for (const absl::string_view segment : absl::StrSplit(decoded, absl::ByAnyChar("/\\"))) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<Endpoints::Address> Endpoints::Parse(absl::string_view field, absl::string_view uri) {
  const auto refuse = [&] { return FieldError(field, Printable(uri), kExpected); };
  const bool plain = std::all_of(uri.begin(), uri.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '\\'; });
  if (uri.empty() || uri.size() > kLongestUri || !plain) return refuse();
  // curl would take dot segments out of the path.
  if (HasDotSegment(uri.substr(0, uri.find('?')))) return refuse();

  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, std::string(uri).c_str(), 0) != CURLUE_OK) {
    return refuse();
  }
  Address address;
  address.scheme = Part(url.get(), CURLUPART_SCHEME);
  address.host = absl::AsciiStrToLower(Part(url.get(), CURLUPART_HOST));
  address.port = Part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  address.path = Part(url.get(), CURLUPART_PATH);
  address.query = Part(url.get(), CURLUPART_QUERY);
  address.uri = Part(url.get(), CURLUPART_URL);
  const bool known = address.scheme == "http" || address.scheme == "https";
  const bool extra = !Part(url.get(), CURLUPART_USER).empty() || !Part(url.get(), CURLUPART_PASSWORD).empty() ||
                     absl::StrContains(uri, "#");
  if (!known || address.host.empty() || extra) return refuse();
  return address;
}

bool Endpoints::IsWithin(const Address& address, const Address& prefix) {
  if (address.scheme != prefix.scheme || address.host != prefix.host || address.port != prefix.port) return false;
  if (!absl::StartsWith(address.path, prefix.path)) return false;
  return address.path.size() == prefix.path.size() || prefix.path.back() == '/' ||
         address.path[prefix.path.size()] == '/';
}

absl::StatusOr<Endpoints> Endpoints::Allow(const std::vector<std::string>& prefixes) {
  Endpoints endpoints;
  for (const std::string& prefix : prefixes) {
    ASSIGN_OR_RETURN(Address address, Parse("--allow-hook", prefix));
    if (!address.query.empty()) return FieldError("--allow-hook", Printable(prefix), "an address without a query");
    endpoints.prefixes_.push_back(std::move(address));
  }
  return endpoints;
}

absl::StatusOr<std::string> Endpoints::Check(absl::string_view uri) const {
  constexpr char kField[] = "completion_hook.uri";
  ASSIGN_OR_RETURN(const Address address, Parse(kField, uri));
  for (const Address& prefix : prefixes_) {
    if (IsWithin(address, prefix)) return address.uri;
  }
  const std::string expected =
      prefixes_.empty() ? "no completion hook, as this service was started without --allow-hook"
                        : absl::StrCat("an address within ",
                                       absl::StrJoin(prefixes_, ", ", [](std::string* out, const Address& prefix) {
                                         absl::StrAppend(out, prefix.uri);
                                       }));
  return ErrorWithInfo(absl::StatusCode::kPermissionDenied,
                       absl::StrCat(kField, ": ", address.uri, " is not allowed; expected ", expected),
                       {"HOOK_NOT_ALLOWED", {{"field", kField}, {"value", address.uri}, {"expected", expected}}});
}

}  // namespace besa::server
