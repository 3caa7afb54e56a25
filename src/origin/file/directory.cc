// Directories of a tree, read.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "origin/file/open_beneath.h"
#include "origin/file/upload_name.h"

namespace forebay::origin::file {
namespace {

struct close_directory {
  void operator()(DIR* stream) const noexcept { ::closedir(stream); }
};

enum class entry_kind { file, directory, link_to_directory, other };

entry_kind kind_of(const tree& of, int directory, const dirent& found) {
  if (found.d_type == DT_REG) return entry_kind::file;
  if (found.d_type == DT_DIR) return entry_kind::directory;
  if (found.d_type != DT_LNK && found.d_type != DT_UNKNOWN) return entry_kind::other;
  struct stat plain {};
  if (::fstatat(directory, found.d_name, &plain, AT_SYMLINK_NOFOLLOW) != 0) return entry_kind::other;
  if (S_ISREG(plain.st_mode)) return entry_kind::file;
  if (S_ISDIR(plain.st_mode)) return entry_kind::directory;
  if (!S_ISLNK(plain.st_mode) || of.symlinks == symlink_policy::refuse) return entry_kind::other;
  // Where it leads is looked at as following it would: a link out of the tree is dropped with the description.
  struct stat target {};
  if (::fstatat(directory, found.d_name, &target, 0) != 0) return entry_kind::other;
  if (S_ISREG(target.st_mode)) return entry_kind::file;
  return S_ISDIR(target.st_mode) ? entry_kind::link_to_directory : entry_kind::other;
}

bool smaller(const list_entry& a, const list_entry& b) { return a.key < b.key; }

/// Keeps the `most` smallest of what is added.
class smallest {
public:
  explicit smallest(std::size_t most) : most_(most) {}
  void add(list_entry entry) {
    if (heap_.size() == most_ && !smaller(entry, heap_.front())) return;
    heap_.push_back(std::move(entry));
    std::push_heap(heap_.begin(), heap_.end(), smaller);
    if (heap_.size() <= most_) return;
    std::pop_heap(heap_.begin(), heap_.end(), smaller);
    heap_.pop_back();
  }
  std::vector<list_entry> take() { return std::move(heap_); }

private:
  std::size_t most_;
  std::vector<list_entry> heap_;
};

} // namespace

result<std::vector<list_entry>> read_directory(const tree& of, const directory_request& asked) {
  auto root = open_root(of);
  if (!root) return fail(std::move(root.error()));
  std::string path = asked.directory;
  if (path.ends_with('/')) path.pop_back();
  // "/" is no other name of the root: no key begins with an empty segment.
  if (!asked.directory.empty() && !is_tree_key(path))
    return fail(error_kind::not_found, of.name, "no directory has such a name");
  auto fd = open_beneath(of, root->get(), path, O_RDONLY | O_DIRECTORY);
  if (!fd) return fail(std::move(fd.error()));
  const std::unique_ptr<DIR, close_directory> stream(::fdopendir(fd->get()));
  if (!stream) return fail(error_of(of, errno, "reading a directory"));
  const int mine = fd->release(); // the stream closes it
  std::vector<list_entry> descended;
  smallest leaves(asked.most);
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(stream.get());
    if (found == nullptr) break;
    const std::string_view name = found->d_name;
    if (name == "." || name == ".." || is_upload_name(name)) continue;
    list_entry entry;
    entry.key = asked.directory + std::string(name);
    const bool may_lie_in = entry.key.starts_with(asked.prefix) || asked.prefix.starts_with(entry.key);
    if (!may_lie_in) continue;
    const entry_kind kind = kind_of(of, mine, *found);
    entry.directory = kind == entry_kind::directory || kind == entry_kind::link_to_directory;
    if (entry.directory) entry.key += '/';
    const bool descends = asked.recursive && kind == entry_kind::directory;
    if (kind == entry_kind::other || (asked.recursive && kind == entry_kind::link_to_directory)) continue;
    if (descends) {
      descended.push_back(std::move(entry));
    } else if (entry.key > asked.after && entry.key.starts_with(asked.prefix)) {
      leaves.add(std::move(entry));
    }
  }
  if (errno != 0) return fail(error_of(of, errno, "reading a directory"));
  auto entries = leaves.take();
  std::move(descended.begin(), descended.end(), std::back_inserter(entries));
  return entries;
}

} // namespace forebay::origin::file
