// A tree of files, for conformance_test.cc.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "origin/testing/store_under_test.h"

namespace forebay::origin::testing {

class file_store final : public store_under_test {
public:
  file_store() {
    std::string pattern = (std::filesystem::temp_directory_path() / "forebay-tree-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~file_store() override { std::filesystem::remove_all(root_); }

  std::string url() override { return "file://" + root_.string() + "?settle=0"; }
  /// By rename: a new file is a new version within one tick of the file system's clock, too.
  void put(const std::string& key, const std::string& body) override {
    std::filesystem::create_directories((root_ / key).parent_path());
    std::ofstream(root_ / ".forebay-upload-test", std::ios::binary) << body;
    std::filesystem::rename(root_ / ".forebay-upload-test", root_ / key);
  }
  std::string get(const std::string& key) override {
    std::ifstream in(root_ / key, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool speaks_http() const override { return false; }

private:
  std::filesystem::path root_;
};

} // namespace forebay::origin::testing
