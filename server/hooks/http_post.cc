#include "server/hooks/http_post.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <memory>

#include "absl/strings/str_cat.h"

namespace besa::server {
namespace {

constexpr size_t kKeptText = 200;

struct FreeHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// Keeps the beginning and lets the rest pass.
size_t KeepBeginning(const char* data, size_t size, size_t count, void* text) {
  auto& kept = *static_cast<std::string*>(text);
  kept.append(data, std::min(size * count, kKeptText - kept.size()));
  return size * count;
}

std::string InfoText(CURL* handle, CURLINFO info) {
  const char* text = nullptr;
  curl_easy_getinfo(handle, info, &text);
  return text == nullptr ? "" : text;
}

}  // namespace

absl::StatusOr<HttpAnswer> PostWithCurl(const HttpRequest& request) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, FreeHandle> owned(initialised == CURLE_OK ? curl_easy_init() : nullptr);
  if (owned == nullptr) return absl::UnavailableError("libcurl could not be initialised");
  CURL* const handle = owned.get();

  curl_slist* list = nullptr;
  for (const std::string& header : request.headers) list = curl_slist_append(list, header.c_str());
  // Or else a large body would wait for the server's consent, which many never give.
  list = curl_slist_append(list, "Expect:");
  const std::unique_ptr<curl_slist, FreeList> headers(list);

  HttpAnswer answer;
  std::array<char, CURL_ERROR_SIZE> error{};
  curl_easy_setopt(handle, CURLOPT_URL, request.uri.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(request.timeout)));
  // Timeouts by signals would hit any thread.
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &KeepBeginning);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &answer.text);

  const CURLcode code = curl_easy_perform(handle);
  if (code != CURLE_OK) {
    const absl::string_view reason = error.front() != '\0' ? error.data() : curl_easy_strerror(code);
    return absl::UnavailableError(reason);
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  answer.location = InfoText(handle, CURLINFO_REDIRECT_URL);
  return answer;
}

}  // namespace besa::server
