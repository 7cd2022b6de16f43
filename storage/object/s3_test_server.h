// A real S3 server over a temporary folder: for tests.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/object/environment.h"
#include "storage/object/object_store.h"
#include "storage/object/temporary_folder.h"

namespace besa::storage {

// versitygw on a free port of 127.0.0.1, in region us-east-1. A bucket is a folder under root(), an object a file in
// it. Aborts if the server does not start.
class S3TestServer {
 public:
  // Why there can be none on this machine; empty if there can. Tests that need one are skipped with that reason.
  static std::string WhyNot();

  // With the buckets "models" and "results".
  S3TestServer();
  ~S3TestServer();
  S3TestServer(const S3TestServer&) = delete;
  S3TestServer& operator=(const S3TestServer&) = delete;

  // kill -9.
  void Kill();
  // On the same port. `flags` are the server's own, such as "--readonly".
  void Start(const std::vector<std::string>& flags = {});

  std::string endpoint() const;
  // What a program that uses the server has in its environment; `changes` replace or add variables.
  Environment environment(const std::map<std::string, std::string>& changes = {}) const;
  // The store that programs open on both buckets, with little patience.
  std::unique_ptr<ObjectStore> Open(const std::map<std::string, std::string>& changes = {}) const;

  // Every file and empty folder in a bucket, as they lie on the disk, without the server's own.
  std::vector<std::string> Files(const std::string& bucket) const;
  // How many uploads were begun and neither completed nor aborted.
  int UnfinishedUploads(const std::string& bucket) const;

 private:
  TemporaryFolder folder_;
  int port_ = 0;
  pid_t process_ = -1;
};

}  // namespace besa::storage
