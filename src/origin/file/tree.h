// A tree of files below a root that no key leaves. Everything here blocks: it runs on workers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "origin/source.h"

namespace forebay::origin::file {

/// What becomes of a symbolic link on the way to a file.
enum class symlink_policy : std::uint8_t {
  inside, ///< followed as long as it stays below the root (absolute ones do not)
  follow, ///< followed wherever it leads: the operator vouches for the tree
  refuse,
};

/// Files written less than this ago have no validator: a write that follows within the granularity of the file
/// system's clock, or of the attributes that an NFS client caches, would leave the same times.
inline constexpr std::chrono::milliseconds default_settle{5'000};

struct tree {
  std::string root{}; ///< absolute
  symlink_policy symlinks = symlink_policy::inside;
  std::chrono::milliseconds settle = default_settle;
  std::string present{}; ///< a name that must exist in the root, or the tree counts as not mounted; empty: none
  std::string name{};    ///< of the source, for errors
};

/// What tells versions of a file apart. ctime is among them because tools that copy and restore set mtime back.
struct file_version {
  std::uint64_t inode = 0, size_bytes = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  friend bool operator==(const file_version&, const file_version&) = default;
  std::string etag() const; ///< with quotes
};

/// An open descriptor, closed with it.
class descriptor {
public:
  explicit descriptor(int fd = -1) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor();
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); } ///< it belongs to the caller now
  explicit operator bool() const noexcept { return fd_ >= 0; }

private:
  int fd_;
};

struct open_file {
  descriptor fd;
  file_version version;
  bool settled = false; ///< old enough that its times tell versions apart
};

/// True where `key` names one file in one way only: no empty, "." or ".." segment, no NUL, none of our own temporary
/// names. Others are no keys of a tree.
bool is_tree_key(std::string_view key) noexcept;

/// not_found for what is not there, is a directory, a device, a socket or a FIFO; forbidden where permissions or the
/// symlink policy say no; unreachable where the root itself is away (an unmounted tree is not an empty one).
result<open_file> open_regular(const tree& of, const std::string& key);

/// Bytes at `at` into `into`, at least one; `changed` when the file is no longer the version that was opened.
result<std::size_t> read_piece(const tree& of, const open_file& from, std::uint64_t at, std::span<std::byte> into);

/// The version of the file that the descriptor is now.
result<file_version> version_of(const tree& of, int fd);

/// What a directory ("" or ending in '/') holds; keys are whole. Of what is not descended into, only the `most`
/// smallest behind `after` that begin with `prefix`. Links to directories are directories, but not descended into
/// (`recursive`): they can lead in circles. Lengths are not looked up.
struct directory_request {
  std::string directory, prefix, after;
  bool recursive = false;
  std::size_t most = 0;
};
result<std::vector<list_entry>> read_directory(const tree& of, const directory_request& asked);
/// Length, time and ETag of each file; those that went meanwhile, or may not be looked at, leave the list.
result<void> describe_entries(const tree& of, std::vector<list_entry>& entries);

/// Whether the conditions of a write hold.
using write_check = std::function<result<void>()>;

/// A file on its way into the tree: what is written becomes visible whole, by `finish`, or not at all.
class upload {
public:
  static result<upload> begin(const tree& of, const std::string& key);
  upload(upload&&) noexcept = default;
  upload& operator=(upload&&) = delete;
  ~upload(); ///< removes what was not finished
  result<void> write(std::span<const std::byte> bytes);
  /// Syncs, names and syncs the directory. True when the file is new. `allowed` is asked right before, while no other
  /// write of this node names or removes this file; `must_be_new`: `changed` where the name is taken meanwhile, by
  /// whomever.
  result<bool> finish(const write_check& allowed, bool must_be_new);

private:
  upload(std::string source, descriptor directory, descriptor fd, std::string temporary, std::string name);
  std::string source_;
  descriptor directory_, fd_;
  std::string temporary_, name_;
};
/// `allowed` as for `upload::finish`.
result<void> remove_file(const tree& of, const std::string& key, const write_check& allowed);

} // namespace forebay::origin::file
