#include "origin/file/tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/text.h"
#include "origin/file/open_beneath.h"
#include "origin/file/upload_name.h"

namespace forebay::origin::file {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t nanoseconds_of(const timespec& time) { return std::int64_t{time.tv_sec} * second_ns + time.tv_nsec; }

file_version version_from(const struct stat& found) {
  return {found.st_ino, static_cast<std::uint64_t>(found.st_size), nanoseconds_of(found.st_mtim),
          nanoseconds_of(found.st_ctim)};
}

/// Times ahead of ours (another machine's clock) count as new, too.
bool is_settled(const tree& of, const file_version& version) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(system_clock().wall().time_since_epoch());
  const std::int64_t youngest = std::max(version.modified_ns, version.changed_ns);
  return now.count() - youngest >= std::chrono::nanoseconds(of.settle).count();
}

result<open_file> open_once(const tree& of, const std::string& key) {
  auto root = open_root(of);
  if (!root) return fail(std::move(root.error()));
  // Looked at before it is opened: to open a FIFO or a device has effects.
  auto look = open_beneath(of, root->get(), key, O_PATH);
  if (!look) return fail(std::move(look.error()));
  struct stat found {};
  if (::fstat(look->get(), &found) != 0) return fail(error_of(of, errno, "looking at a file"));
  if (S_ISDIR(found.st_mode)) return fail(error_kind::not_found, of.name, "this name is a directory's");
  if (!S_ISREG(found.st_mode)) return fail(error_kind::not_found, of.name, "this name is no regular file's");
  auto fd = open_beneath(of, root->get(), key, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return fail(std::move(fd.error()));
  if (::fstat(fd->get(), &found) != 0) return fail(error_of(of, errno, "looking at a file"));
  if (!S_ISREG(found.st_mode)) return fail(error_kind::not_found, of.name, "this name is no regular file's");
  open_file made;
  made.fd = std::move(*fd);
  made.version = version_from(found);
  made.settled = is_settled(of, made.version);
  return made;
}

} // namespace

descriptor::~descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string file_version::etag() const {
  return fmt::format("\"{:x}-{:x}-{:x}-{:x}\"", inode, size_bytes, static_cast<std::uint64_t>(modified_ns),
                     static_cast<std::uint64_t>(changed_ns));
}

bool is_tree_key(std::string_view key) noexcept {
  if (key.empty() || key.find('\0') != std::string_view::npos) return false;
  while (true) {
    const std::size_t slash = key.find('/');
    const std::string_view segment = key.substr(0, slash);
    if (segment.empty() || segment == "." || segment == ".." || is_upload_name(segment)) return false;
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

result<open_file> open_regular(const tree& of, const std::string& key) {
  if (!is_tree_key(key)) return fail(error_kind::not_found, of.name, "no file of a tree has such a name");
  auto made = open_once(of, key);
  // A handle that went stale (NFS) between two calls is gone with the next resolution.
  if (!made && made.error().kind == error_kind::unreachable) made = open_once(of, key);
  return made;
}

result<file_version> version_of(const tree& of, int fd) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return fail(error_of(of, errno, "looking at a file"));
  return version_from(found);
}

result<std::size_t> read_piece(const tree& of, const open_file& from, std::uint64_t at, std::span<std::byte> into) {
  ssize_t got = -1;
  do {
    got = ::pread(from.fd.get(), into.data(), into.size(), static_cast<off_t>(at));
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail(error_of(of, errno, "reading a file"));
  // After the read: what was written before it shows now, and what is written later is not in these bytes.
  const auto now = version_of(of, from.fd.get());
  if (!now) return fail(now.error());
  if (!(*now == from.version)) return fail(error_kind::changed, of.name, "the file was written while it was read");
  if (got == 0) return fail(error_kind::broken, of.name, "the file ends before its length");
  return static_cast<std::size_t>(got);
}

result<void> describe_entries(const tree& of, std::vector<list_entry>& entries) {
  auto root = open_root(of);
  if (!root) return fail(std::move(root.error()));
  std::vector<list_entry> kept;
  kept.reserve(entries.size());
  for (list_entry& each : entries) {
    if (!each.directory) {
      const auto look = open_beneath(of, root->get(), each.key, O_PATH);
      if (!look && (look.error().kind == error_kind::not_found || look.error().kind == error_kind::forbidden)) continue;
      if (!look) return fail(look.error());
      const auto version = version_of(of, look->get());
      if (!version) return fail(version.error());
      each.length_bytes = version->size_bytes;
      each.modified = wall_time(std::chrono::nanoseconds(version->modified_ns));
      if (is_settled(of, *version)) each.etag = version->etag();
    }
    kept.push_back(std::move(each));
  }
  entries = std::move(kept);
  return {};
}

} // namespace forebay::origin::file
