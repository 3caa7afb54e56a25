// Environment variables for the length of a test.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

namespace forebay::origin::testing {

/// Sets variables and puts back what was there; also files that variables name.
class test_environment {
public:
  ~test_environment() {
    for (const auto& [name, value] : before_) {
      if (value)
        ::setenv(name.c_str(), value->c_str(), 1);
      else
        ::unsetenv(name.c_str());
    }
    for (const std::string& path : files_) ::unlink(path.c_str());
  }
  void set(const std::string& name, const std::string& value) {
    remember(name);
    ::setenv(name.c_str(), value.c_str(), 1);
  }
  void unset(const std::string& name) {
    remember(name);
    ::unsetenv(name.c_str());
  }
  /// A new file with that text; its path.
  std::string file(const std::string& text) {
    char path[] = "/tmp/forebay-test-XXXXXX";
    const int fd = ::mkstemp(path);
    if (fd >= 0) ::close(fd);
    std::ofstream(path) << text;
    files_.emplace_back(path);
    return path;
  }

private:
  void remember(const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    before_.try_emplace(name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
  }
  std::map<std::string, std::optional<std::string>> before_;
  std::vector<std::string> files_;
};

} // namespace forebay::origin::testing
