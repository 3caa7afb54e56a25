// A disk that fails on command, for a program that does not know: preloaded (LD_PRELOAD), it stands between the program
// and the C library's file calls.
//
// Files below $FOREBAY_DISK_FAULT_DIRECTORY are concerned and nothing else: segments (*.seg), and the log of purges
// (control.log) under a rule of its own. $FOREBAY_DISK_FAULT_CONTROL names a file of the layout below, which the test
// maps as well: it writes rules and reads counters while the program runs (forebay_lab/disk_fault.py).
#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace forebay::lab {
namespace {

/// The order of the rules in the control file.
enum class operation : std::size_t { read, write, sync, create, remove, append, direct, count };
enum class action : std::uint64_t { none, fail, shorten, flip };

using shared_number = std::atomic<std::uint64_t>;
static_assert(sizeof(shared_number) == sizeof(std::uint64_t) && shared_number::is_always_lock_free);

/// What happens to one kind of call. The test writes the first six, the program the rest.
struct rule {
  shared_number what;        ///< an `action`
  shared_number number;      ///< errno of `fail`
  shared_number every;       ///< it hits each so many-th call; 0 and 1: each
  shared_number left;        ///< so many times; UINT64_MAX: always
  shared_number latency_us;  ///< of each call, also of those that it does not hit
  shared_number least_bytes; ///< calls of fewer bytes are none of its business, nor counted
  shared_number calls;
  shared_number injected;
};

struct control {
  shared_number magic;
  shared_number reads_held; ///< not 0: reads wait until it is
  shared_number waiting;    ///< reads that wait now
  shared_number reserved;
  std::array<rule, static_cast<std::size_t>(operation::count)> rules;
};

constexpr std::uint64_t control_magic = 0x4b534944'59424f46; // "FOBYDISK", to see that both sides speak of one layout
/// O_DIRECT wants whole sectors of what is short, too.
constexpr std::size_t sector_bytes = 4096;
constexpr useconds_t gate_poll_us = 500;
/// Descriptors beyond it are not concerned: no test opens so many.
constexpr int descriptors_max = 65'536;

enum class concern : std::uint8_t { none, segment, log };
std::array<std::atomic<concern>, descriptors_max> concerns;

/// The function that we stand in front of.
template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

control* map_control() {
  const char* const path = std::getenv("FOREBAY_DISK_FAULT_CONTROL");
  if (path == nullptr) return nullptr;
  const int fd = next<int(const char*, int, ...)>("open")(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort(); // a test without its faults must not pass
  void* const mapped = mmap(nullptr, sizeof(control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  next<int(int)>("close")(fd);
  if (mapped == MAP_FAILED) std::abort();
  auto* const found = static_cast<control*>(mapped);
  if (found->magic != control_magic) std::abort();
  return found;
}

control* controls() {
  static control* const mapped = map_control();
  return mapped;
}

concern concern_of(const char* path) {
  static const char* const directory = std::getenv("FOREBAY_DISK_FAULT_DIRECTORY");
  const std::string_view name(path);
  if (directory == nullptr || controls() == nullptr || !name.starts_with(directory)) return concern::none;
  if (name.ends_with(".seg")) return concern::segment;
  return name.find("/control.log") != std::string_view::npos ? concern::log : concern::none;
}

concern concern_of(int fd) { return fd >= 0 && fd < descriptors_max ? concerns[fd].load() : concern::none; }

void remember(int fd, concern what) {
  if (fd >= 0 && fd < descriptors_max) concerns[fd] = what;
}

bool take_one(shared_number& left) {
  std::uint64_t now = left;
  while (now > 0) {
    if (now == UINT64_MAX || left.compare_exchange_weak(now, now - 1)) return true;
  }
  return false;
}

/// What to do to this call. Latency and gate are over when it returns.
action meet(operation kind, std::uint64_t bytes = UINT64_MAX) {
  control& all = *controls();
  rule& of = all.rules[static_cast<std::size_t>(kind)];
  if (bytes < of.least_bytes) return action::none;
  const std::uint64_t turn = ++of.calls;
  if (const std::uint64_t latency = of.latency_us; latency > 0) usleep(static_cast<useconds_t>(latency));
  if (kind == operation::read && all.reads_held != 0) {
    ++all.waiting;
    while (all.reads_held != 0) usleep(gate_poll_us);
    --all.waiting;
  }
  const auto what = static_cast<action>(of.what.load());
  if (what == action::none || turn % std::max<std::uint64_t>(of.every, 1) != 0 || !take_one(of.left))
    return action::none;
  ++of.injected;
  return what;
}

int number_of(operation kind) { return static_cast<int>(controls()->rules[static_cast<std::size_t>(kind)].number); }

/// -1 and errno where the rule says so.
bool refused(operation kind) {
  if (meet(kind) != action::fail) return false;
  errno = number_of(kind);
  return true;
}

/// Half of it, in whole sectors; too little to be halved stays whole.
std::size_t shortened(std::size_t bytes) {
  return bytes < 2 * sector_bytes ? bytes : bytes / 2 / sector_bytes * sector_bytes;
}

/// A file system that takes no O_DIRECT: like some of them, it makes the file before it says so.
bool direct_refused(const char* name, const char* path, int flags, mode_t mode) {
  if ((flags & O_DIRECT) == 0 || !refused(operation::direct)) return false;
  const int told = errno;
  if ((flags & O_CREAT) != 0) {
    const int made = next<int(const char*, int, ...)>(name)(path, flags & ~O_DIRECT, mode);
    if (made >= 0) next<int(int)>("close")(made);
  }
  errno = told;
  return true;
}

int open_as(const char* name, const char* path, int flags, mode_t mode) {
  const concern what = concern_of(path);
  if (what == concern::segment && direct_refused(name, path, flags, mode)) return -1;
  if (what == concern::segment && (flags & O_CREAT) != 0 && refused(operation::create)) return -1;
  const int fd = next<int(const char*, int, ...)>(name)(path, flags, mode);
  remember(fd, what);
  return fd;
}

ssize_t read_as(const char* name, int fd, void* into, std::size_t bytes, off_t at) {
  const auto real = next<ssize_t(int, void*, std::size_t, off_t)>(name);
  if (concern_of(fd) != concern::segment) return real(fd, into, bytes, at);
  const action what = meet(operation::read, bytes);
  if (what == action::fail) {
    errno = number_of(operation::read);
    return -1;
  }
  const ssize_t got = real(fd, into, what == action::shorten ? shortened(bytes) : bytes, at);
  if (what == action::flip && got > 0) static_cast<unsigned char*>(into)[got / 2] ^= 1;
  return got;
}

ssize_t write_as(const char* name, int fd, const void* from, std::size_t bytes, off_t at) {
  const auto real = next<ssize_t(int, const void*, std::size_t, off_t)>(name);
  if (concern_of(fd) != concern::segment) return real(fd, from, bytes, at);
  const action what = meet(operation::write, bytes);
  if (what == action::fail) {
    errno = number_of(operation::write);
    return -1;
  }
  return real(fd, from, what == action::shorten ? shortened(bytes) : bytes, at);
}

int sync_as(const char* name, int fd) {
  if (concern_of(fd) == concern::segment && refused(operation::sync)) return -1;
  return next<int(int)>(name)(fd);
}

int allocate_as(const char* name, int fd, off_t at, off_t bytes) {
  if (concern_of(fd) == concern::segment && refused(operation::create)) return errno; // by value, unlike the others
  return next<int(int, off_t, off_t)>(name)(fd, at, bytes);
}

} // namespace
} // namespace forebay::lab

// Both names of each: what a program calls depends on how it was compiled.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return forebay::lab::open_as("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return forebay::lab::open_as("open64", path, flags, mode);
}
int close(int fd) {
  forebay::lab::remember(fd, forebay::lab::concern::none);
  return forebay::lab::next<int(int)>("close")(fd);
}
ssize_t pread(int fd, void* into, std::size_t bytes, off_t at) {
  return forebay::lab::read_as("pread", fd, into, bytes, at);
}
ssize_t pread64(int fd, void* into, std::size_t bytes, off_t at) {
  return forebay::lab::read_as("pread64", fd, into, bytes, at);
}
ssize_t pwrite(int fd, const void* from, std::size_t bytes, off_t at) {
  return forebay::lab::write_as("pwrite", fd, from, bytes, at);
}
ssize_t pwrite64(int fd, const void* from, std::size_t bytes, off_t at) {
  return forebay::lab::write_as("pwrite64", fd, from, bytes, at);
}
ssize_t write(int fd, const void* from, std::size_t bytes) {
  using namespace forebay::lab;
  if (concern_of(fd) == concern::log && refused(operation::append)) return -1;
  return next<ssize_t(int, const void*, std::size_t)>("write")(fd, from, bytes);
}
int fsync(int fd) { return forebay::lab::sync_as("fsync", fd); }
int fdatasync(int fd) { return forebay::lab::sync_as("fdatasync", fd); }
int posix_fallocate(int fd, off_t at, off_t bytes) {
  return forebay::lab::allocate_as("posix_fallocate", fd, at, bytes);
}
int posix_fallocate64(int fd, off_t at, off_t bytes) {
  return forebay::lab::allocate_as("posix_fallocate64", fd, at, bytes);
}
int unlink(const char* path) noexcept {
  using namespace forebay::lab;
  if (concern_of(path) == concern::segment && refused(operation::remove)) return -1;
  return next<int(const char*)>("unlink")(path);
}
}
