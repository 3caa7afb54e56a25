#include "origin/file/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"

namespace forebay::origin::file {
namespace {

/// How often a resolution that met a rename is tried again (EAGAIN of openat2).
constexpr int resolve_attempts = 8;

error_kind kind_of(int number) {
  switch (number) {
  case ENOENT:
  case ENOTDIR:
  case EISDIR:
  case ENAMETOOLONG: return error_kind::not_found; // no file can have such a name
  case EACCES:
  case EPERM:
  case EROFS:
  case ELOOP:
  case EXDEV: return error_kind::forbidden;
  case EMFILE:
  case ENFILE:
  case ENOMEM:
  case ENOSPC:
  case EDQUOT: return error_kind::exhausted;
  case ESTALE:
  case ETIMEDOUT:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case ENOTCONN:
  case ECONNREFUSED:
  case EAGAIN: return error_kind::unreachable;
  default: return error_kind::broken; // EIO and its kin
  }
}

std::string words_of(int number) {
  if (number == EXDEV) return "a symbolic link leads out of the tree";
  if (number == ELOOP) return "a symbolic link, which the policy of this tree refuses, or too many of them";
  return std::strerror(number);
}

std::uint64_t resolve_flags(symlink_policy policy) {
  if (policy == symlink_policy::follow) return RESOLVE_NO_MAGICLINKS;
  const std::uint64_t beneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return policy == symlink_policy::refuse ? beneath | RESOLVE_NO_SYMLINKS : beneath;
}

int open_once(int root, const char* path, int flags, unsigned mode, std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = resolve;
  int fd = -1;
  for (int attempt = 0; attempt < resolve_attempts; ++attempt) {
    fd = static_cast<int>(::syscall(SYS_openat2, root, path, &how, sizeof how));
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd;
}

} // namespace

error error_of(const tree& of, int number, const std::string& what) {
  error made;
  made.kind = kind_of(number);
  made.source = of.name;
  made.context = fmt::format("{}: {}", what, words_of(number));
  made.retryable = made.kind == error_kind::unreachable || made.kind == error_kind::broken;
  return made;
}

result<descriptor> open_root(const tree& of) {
  descriptor root(::open(of.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    return fail(error_kind::unreachable, of.name, fmt::format("its root cannot be opened: {}", std::strerror(errno)),
                true);
  }
  struct stat found {};
  if (!of.present.empty() && ::fstatat(root.get(), of.present.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    return fail(error_kind::unreachable, of.name,
                fmt::format("its root does not hold \"{}\", so the tree is taken for not mounted", of.present), true);
  }
  return root;
}

result<descriptor> walk_beneath(const tree& of, int root, const std::string& path, int flags, unsigned mode) {
  descriptor at(::fcntl(root, F_DUPFD_CLOEXEC, 0));
  if (!at) return fail(error_of(of, errno, "opening the root"));
  const auto segments = split(path, '/');
  for (std::size_t i = 0; i < segments.size() && !path.empty(); ++i) {
    const bool last = i + 1 == segments.size();
    const std::string segment(segments[i]);
    const int wanted = last ? flags : O_PATH | O_DIRECTORY;
    if (segment.empty() || segment == "." || segment == "..") return fail(error_of(of, ENOENT, "opening a path"));
    at = descriptor(::openat(at.get(), segment.c_str(), wanted | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!at) return fail(error_of(of, errno, "opening a file"));
    struct stat found {};
    if (::fstat(at.get(), &found) == 0 && S_ISLNK(found.st_mode)) { // what O_PATH with O_NOFOLLOW opens
      return fail(error_of(of, ELOOP, "opening a file"));
    }
  }
  if (!path.empty()) return at;
  descriptor again(::openat(at.get(), ".", flags | O_CLOEXEC, mode));
  if (!again) return fail(error_of(of, errno, "opening the root"));
  return again;
}

result<descriptor> open_beneath(const tree& of, int root, const std::string& path, int flags, unsigned mode) {
  const char* where = path.empty() ? "." : path.c_str();
  descriptor made(open_once(root, where, flags, mode, resolve_flags(of.symlinks)));
  if (made) return made;
  // Old sandboxes answer EPERM to calls that they do not know; openat2 itself has no other use for it.
  if (errno == ENOSYS || errno == EPERM) return walk_beneath(of, root, path, flags, mode);
  return fail(error_of(of, errno, "opening a file"));
}

} // namespace forebay::origin::file
