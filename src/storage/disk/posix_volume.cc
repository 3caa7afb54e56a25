#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "storage/disk/format.h"
#include "storage/disk/volume.h"

namespace forebay::storage::disk {
namespace {

error io_error(const std::string& what, int number) {
  error_kind kind = error_kind::broken;
  if (number == ENOSPC || number == EDQUOT) kind = error_kind::exhausted;
  if (number == ENOENT) kind = error_kind::not_found;
  if (number == EACCES || number == EPERM || number == EROFS) kind = error_kind::forbidden;
  return {kind, "disk tier", what + ": " + std::strerror(number), false, 0, {}};
}

class descriptor {
public:
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }

private:
  int fd_;
};

class posix_file final : public file {
public:
  posix_file(descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  result<void> read(std::uint64_t at, std::span<std::byte> into) override {
    while (!into.empty()) {
      const ssize_t got = ::pread(fd_.get(), into.data(), into.size(), static_cast<off_t>(at));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail(io_error("reading " + path_, errno));
      if (got == 0) return fail(error_kind::broken, "disk tier", path_ + " ends early");
      into = into.subspan(static_cast<std::size_t>(got));
      at += static_cast<std::uint64_t>(got);
    }
    return {};
  }
  result<void> write(std::uint64_t at, std::span<const std::byte> from) override {
    while (!from.empty()) {
      const ssize_t put = ::pwrite(fd_.get(), from.data(), from.size(), static_cast<off_t>(at));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return fail(io_error("writing " + path_, errno));
      if (put == 0) return fail(error_kind::broken, "disk tier", path_ + " takes no bytes");
      from = from.subspan(static_cast<std::size_t>(put));
      at += static_cast<std::uint64_t>(put);
    }
    return {};
  }
  result<void> sync() override {
    if (::fdatasync(fd_.get()) != 0) return fail(io_error("syncing " + path_, errno));
    return {};
  }

private:
  descriptor fd_;
  std::string path_;
};

class posix_volume final : public volume {
public:
  posix_volume(std::string path, descriptor lock, bool read_only)
      : path_(std::move(path)), lock_(std::move(lock)), read_only_(read_only) {}

  const std::string& name() const noexcept override { return path_; }

  result<std::vector<std::string>> list() override {
    DIR* const opened = ::opendir(path_.c_str());
    if (opened == nullptr) return fail(io_error("listing " + path_, errno));
    std::vector<std::string> names;
    while (const dirent* each = ::readdir(opened)) {
      if (each->d_name[0] != '.') names.emplace_back(each->d_name);
    }
    ::closedir(opened);
    return names;
  }

  result<std::unique_ptr<file>> open(const std::string& name) override {
    auto fd = open_fd(name, read_only_ ? O_RDONLY : O_RDWR, direct());
    if (!fd) return fail(fd.error());
    return std::make_unique<posix_file>(std::move(*fd), path_of(name));
  }

  result<std::unique_ptr<file>> create(const std::string& name, std::uint64_t bytes) override {
    auto fd = open_fd(name, O_RDWR | O_CREAT | O_EXCL, direct());
    if (!fd) return fail(fd.error());
    // Taken now: a full disk is found here, between two segments, and not in the middle of one.
    const int refused = ::posix_fallocate(fd->get(), 0, static_cast<off_t>(bytes));
    if (refused != 0) {
      ::unlink(path_of(name).c_str());
      return fail(io_error("making " + path_of(name), refused));
    }
    return std::make_unique<posix_file>(std::move(*fd), path_of(name));
  }

  result<void> remove(const std::string& name) override {
    if (::unlink(path_of(name).c_str()) != 0) return fail(io_error("removing " + path_of(name), errno));
    return {};
  }

  result<std::string> read_small(const std::string& name, std::size_t limit_bytes) override {
    auto fd = open_fd(name, O_RDONLY, 0);
    if (!fd) return fail(fd.error());
    std::string text;
    char part[4096];
    for (;;) {
      const ssize_t got = ::read(fd->get(), part, sizeof part);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail(io_error("reading " + path_of(name), errno));
      if (got == 0) return text;
      text.append(part, static_cast<std::size_t>(got));
      if (text.size() > limit_bytes) return fail(error_kind::broken, "disk tier", path_of(name) + " is too long");
    }
  }

  result<void> write_small(const std::string& name, std::string_view text) override {
    const std::string fresh = name + ".new";
    {
      auto fd = open_fd(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0);
      if (!fd) return fail(fd.error());
      auto put = put_all(*fd, fresh, text);
      if (!put) return put;
    }
    if (::rename(path_of(fresh).c_str(), path_of(name).c_str()) != 0) {
      return fail(io_error("renaming " + path_of(fresh), errno));
    }
    return sync_directory();
  }

  result<void> append_small(const std::string& name, std::string_view text) override {
    auto fd = open_fd(name, O_WRONLY | O_CREAT | O_APPEND, 0);
    if (!fd) return fail(fd.error());
    return put_all(*fd, name, text);
  }

private:
  std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  int direct() const noexcept { return no_direct_ ? 0 : O_DIRECT; }

  result<descriptor> open_fd(const std::string& name, int flags, int direct) {
    int fd = ::open(path_of(name).c_str(), flags | direct | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EINVAL && direct != 0) {
      // Some file systems create the file before they refuse the flag.
      no_direct_ = true;
      fd = ::open(path_of(name).c_str(), (flags & ~O_EXCL) | O_CLOEXEC, 0600);
    }
    if (fd < 0) return fail(io_error("opening " + path_of(name), errno));
    return descriptor(fd);
  }

  result<void> put_all(const descriptor& fd, const std::string& name, std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::write(fd.get(), text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return fail(io_error("writing " + path_of(name), errno));
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    if (::fdatasync(fd.get()) != 0) return fail(io_error("syncing " + path_of(name), errno));
    return {};
  }

  result<void> sync_directory() {
    const descriptor fd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0 || ::fsync(fd.get()) != 0) return fail(io_error("syncing " + path_, errno));
    return {};
  }

  const std::string path_;
  const descriptor lock_;
  const bool read_only_;
  std::atomic<bool> no_direct_{false};
};

result<void> make_directories(const std::string& path) {
  for (std::size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at + 1);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return fail(io_error("making " + part, errno));
  }
  return {};
}

} // namespace

result<std::unique_ptr<volume>> open_directory(const std::string& path, bool read_only) {
  if (!read_only) {
    auto made = make_directories(path);
    if (!made) return fail(made.error());
  }
  descriptor lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.get() < 0) return fail(io_error("opening " + path, errno));
  if (::flock(lock.get(), (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
    return fail(error_kind::exhausted, "disk tier", path + " is in use by another process");
  }
  if (!read_only && ::access(path.c_str(), W_OK) != 0) return fail(io_error("writing to " + path, errno));
  return std::make_unique<posix_volume>(path, std::move(lock), read_only);
}

namespace {

/// Large enough for `malloc` to give it back to the system, small enough to be kept for each thread of the disk tier:
/// the longest are the writer's, of two batches.
constexpr std::size_t spare_bytes_min = 128u << 10, spare_bytes_max = 16u << 20;

struct spare_memory {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
  bool open = true;
  ~spare_memory() {
    std::free(data);
    open = false; // buffers that outlive it go their own way
  }
};
thread_local spare_memory spare;

} // namespace

sector_buffer::sector_buffer(std::size_t bytes)
    : data_(take(round_up(std::max<std::size_t>(bytes, 1), sector_bytes))), bytes_(bytes) {}

sector_buffer::memory sector_buffer::take(std::size_t room_bytes) {
  if (room_bytes >= spare_bytes_min && spare.open && spare.bytes >= room_bytes) {
    return {std::exchange(spare.data, nullptr), freed{std::exchange(spare.bytes, 0)}};
  }
  memory made(static_cast<std::byte*>(std::aligned_alloc(sector_bytes, room_bytes)), freed{room_bytes});
  if (made == nullptr) throw std::bad_alloc();
  return made;
}

void sector_buffer::freed::operator()(std::byte* data) const noexcept {
  const bool keep = room_bytes >= spare_bytes_min && room_bytes <= spare_bytes_max && spare.open;
  if (!keep || room_bytes <= spare.bytes) return std::free(data);
  std::free(std::exchange(spare.data, data));
  spare.bytes = room_bytes;
}

} // namespace forebay::storage::disk
