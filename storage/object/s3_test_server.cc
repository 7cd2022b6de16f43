#include "storage/object/s3_test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/object/open_store.h"

namespace besa::storage {
namespace {

namespace fs = std::filesystem;

constexpr char kAccessKey[] = "test-key";
constexpr char kSecretKey[] = "test-secret";

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "S3 test server: %s\n", what.c_str());
  std::abort();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// Free when asked; nobody else is likely to take it before the server does.
int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Fail("no free port");
  }
  ::close(socket);
  return ntohs(address.sin_port);
}

bool Listens(int port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = Loopback(port);
  const bool listens = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(socket);
  return listens;
}

}  // namespace

std::string S3TestServer::WhyNot() {
  if (::access(BESA_S3_SERVER, X_OK) == 0) return "";
  return absl::StrCat("no S3 server at ", BESA_S3_SERVER, "; cmake/setup.sh builds it where there is Go");
}

S3TestServer::S3TestServer() : port_(FreePort()) {
  for (const char* const bucket : {"models", "results"}) fs::create_directories(folder_.path() / "root" / bucket);
  Start();
}

S3TestServer::~S3TestServer() { Kill(); }

void S3TestServer::Kill() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

void S3TestServer::Start(const std::vector<std::string>& flags) {
  std::vector<std::string> arguments = {BESA_S3_SERVER, "--quiet",  "--access", kAccessKey,
                                        "--secret",     kSecretKey, "--port",   absl::StrCat("127.0.0.1:", port_)};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  arguments.insert(arguments.end(), {"posix", (folder_.path() / "root").string()});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  const std::string log = (folder_.path() / "log").string();
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int error = ::posix_spawn(&process_, BESA_S3_SERVER, &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Fail(absl::StrCat(BESA_S3_SERVER, " cannot be started"));

  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!Listens(port_)) {
    if (std::chrono::steady_clock::now() > deadline || ::waitpid(process_, nullptr, WNOHANG) != 0) {
      Fail("it does not listen");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string S3TestServer::endpoint() const { return absl::StrCat("http://127.0.0.1:", port_); }

Environment S3TestServer::environment(const std::map<std::string, std::string>& changes) const {
  std::map<std::string, std::string> variables = {
      {"AWS_ENDPOINT_URL", endpoint()}, {"AWS_ACCESS_KEY_ID", kAccessKey}, {"AWS_SECRET_ACCESS_KEY", kSecretKey}};
  for (const auto& [name, value] : changes) variables[name] = value;
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

std::unique_ptr<ObjectStore> S3TestServer::Open(const std::map<std::string, std::string>& changes) const {
  auto store = OpenStore({.allowed_prefixes = {"s3://models", "s3://results", folder_.path().string()},
                          .environment = environment(changes),
                          .retry_for = absl::Seconds(1)});
  if (!store.ok()) Fail(std::string(store.status().message()));
  return *std::move(store);
}

std::vector<std::string> S3TestServer::Files(const std::string& bucket) const {
  const fs::path root = folder_.path() / "root" / bucket;
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = entry.path().lexically_relative(root).string();
    if (absl::StartsWith(name, ".sgwtmp")) continue;
    if (!entry.is_directory()) files.push_back(name);
    if (entry.is_directory() && fs::is_empty(entry.path())) files.push_back(name + "/");
  }
  std::ranges::sort(files);
  return files;
}

int S3TestServer::UnfinishedUploads(const std::string& bucket) const {
  const fs::path uploads = folder_.path() / "root" / bucket / ".sgwtmp" / "multipart";
  if (!fs::exists(uploads)) return 0;
  int count = 0;
  for (const auto& object : fs::directory_iterator(uploads)) {
    if (!object.is_directory()) continue;
    for (const auto& upload : fs::directory_iterator(object.path())) count += upload.is_directory() ? 1 : 0;
  }
  return count;
}

}  // namespace besa::storage
