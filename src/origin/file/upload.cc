// Writing into a tree.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <mutex>
#include <random>

#include <fmt/format.h>

#include "base/text.h"
#include "origin/file/open_beneath.h"
#include "origin/file/upload_name.h"

namespace forebay::origin::file {
namespace {

constexpr unsigned file_mode = 0666, directory_mode = 0777; // the process's umask narrows them

/// The directory that `key` lies in; `make`: it is made where it is missing.
result<descriptor> open_parent(const tree& of, const std::string& key, bool make) {
  auto at = open_root(of);
  if (!at) return at;
  const std::size_t slash = key.rfind('/');
  const std::string path = slash == std::string::npos ? std::string() : key.substr(0, slash);
  for (std::size_t end = path.find('/'); make && !path.empty(); end = path.find('/', end + 1)) {
    const std::string above = path.substr(0, end);
    const std::size_t last = above.rfind('/');
    auto holder =
        open_beneath(of, at->get(), last == std::string::npos ? "" : above.substr(0, last), O_RDONLY | O_DIRECTORY);
    if (!holder) return holder;
    const std::string name = above.substr(last == std::string::npos ? 0 : last + 1);
    if (::mkdirat(holder->get(), name.c_str(), directory_mode) != 0 && errno != EEXIST) {
      return fail(error_of(of, errno, "making a directory"));
    }
    if (end == std::string::npos) break;
  }
  return open_beneath(of, at->get(), path, O_RDONLY | O_DIRECTORY);
}

std::string name_in(const std::string& key) { return key.substr(key.rfind('/') + 1); }

result<void> check_key(const tree& of, const std::string& key) {
  if (is_tree_key(key)) return {};
  return fail(error_kind::invalid_input, of.name, "no file of a tree can have such a name");
}

/// Held while a name is checked and changed, so that of two writes with one condition one finds it broken. By directory
/// and name, as links may spell one file in several ways; the few locks are shared by all.
std::unique_lock<std::mutex> lock_name(int directory, const std::string& name) {
  static std::array<std::mutex, 64> locks;
  struct stat found {};
  const bool known = ::fstat(directory, &found) == 0;
  const std::size_t place = known ? static_cast<std::size_t>(found.st_ino) : 0;
  return std::unique_lock(locks[(std::hash<std::string>{}(name) + place) % locks.size()]);
}

/// Names what is finished. A file system that does not know RENAME_NOREPLACE gets a look and a rename.
int rename_in(int directory, const std::string& from, const std::string& to, bool must_be_new) {
  if (must_be_new) {
    const int named = ::renameat2(directory, from.c_str(), directory, to.c_str(), RENAME_NOREPLACE);
    if (named == 0 || (errno != EINVAL && errno != ENOSYS)) return named;
    struct stat found {};
    if (::fstatat(directory, to.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) {
      errno = EEXIST;
      return -1;
    }
  }
  return ::renameat(directory, from.c_str(), directory, to.c_str());
}

std::string temporary_name() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{}{:016x}", upload_prefix, random());
}

} // namespace

upload::upload(std::string source, descriptor directory, descriptor fd, std::string temporary, std::string name)
    : source_(std::move(source)),
      directory_(std::move(directory)),
      fd_(std::move(fd)),
      temporary_(std::move(temporary)),
      name_(std::move(name)) {}

upload::~upload() {
  if (directory_ && !temporary_.empty()) ::unlinkat(directory_.get(), temporary_.c_str(), 0);
}

result<upload> upload::begin(const tree& of, const std::string& key) {
  auto fits = check_key(of, key);
  if (!fits) return fail(std::move(fits.error()));
  auto directory = open_parent(of, key, true);
  if (!directory) return fail(std::move(directory.error()));
  std::string temporary = temporary_name();
  descriptor fd(
      ::openat(directory->get(), temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file_mode));
  if (!fd) return fail(error_of(of, errno, "making a file"));
  return upload(of.name, std::move(*directory), std::move(fd), std::move(temporary), name_in(key));
}

result<void> upload::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail(error_of(tree{.name = source_}, errno, "writing a file"));
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

result<bool> upload::finish(const write_check& allowed, bool must_be_new) {
  const tree of{.name = source_};
  if (::fsync(fd_.get()) != 0) return fail(error_of(of, errno, "syncing a file"));
  auto naming = lock_name(directory_.get(), name_);
  auto may = allowed();
  if (!may) return fail(std::move(may.error()));
  struct stat before {};
  const bool existed = ::fstatat(directory_.get(), name_.c_str(), &before, AT_SYMLINK_NOFOLLOW) == 0;
  if (existed && S_ISDIR(before.st_mode)) {
    return fail(error_kind::invalid_input, source_, "a directory has this name");
  }
  if (rename_in(directory_.get(), temporary_, name_, must_be_new) != 0) {
    if (errno == EEXIST) return fail(error_kind::changed, source_, "a file of this name was made meanwhile");
    return fail(error_of(of, errno, "naming a file"));
  }
  naming.unlock();
  temporary_.clear();
  if (::fsync(directory_.get()) != 0) return fail(error_of(of, errno, "syncing a directory"));
  return !existed;
}

result<void> remove_file(const tree& of, const std::string& key, const write_check& allowed) {
  auto fits = check_key(of, key);
  if (!fits) return fits;
  auto directory = open_parent(of, key, false);
  if (!directory) return fail(std::move(directory.error()));
  const std::string name = name_in(key);
  const auto naming = lock_name(directory->get(), name);
  auto may = allowed();
  if (!may) return may;
  struct stat found {};
  if (::fstatat(directory->get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(error_of(of, errno, "removing a file"));
  }
  if (S_ISDIR(found.st_mode)) return fail(error_kind::not_found, of.name, "this name is a directory's");
  if (::unlinkat(directory->get(), name.c_str(), 0) != 0) return fail(error_of(of, errno, "removing a file"));
  if (::fsync(directory->get()) != 0) return fail(error_of(of, errno, "syncing a directory"));
  return {};
}

} // namespace forebay::origin::file
