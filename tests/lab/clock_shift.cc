// A wall clock that is wrong on command, for a program that does not know: preloaded (LD_PRELOAD), it adds to what the C
// library tells of the time of day the nanoseconds that the file $FOREBAY_CLOCK_SHIFT holds (8 bytes, this machine's
// order). The test maps the same file and writes there while the program runs (forebay_lab/clock_shift.py). The steady
// clock stays as it is.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

namespace forebay::lab {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

using shared_shift = std::atomic<std::int64_t>;
static_assert(sizeof(shared_shift) == sizeof(std::int64_t) && shared_shift::is_always_lock_free);

const shared_shift* map_shift() {
  const char* const path = std::getenv("FOREBAY_CLOCK_SHIFT");
  if (path == nullptr) return nullptr;
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) std::abort(); // a test without its shift must not pass
  void* const mapped = mmap(nullptr, sizeof(shared_shift), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (mapped == MAP_FAILED) std::abort();
  return static_cast<const shared_shift*>(mapped);
}

std::int64_t shift_ns() {
  static const shared_shift* const mapped = map_shift();
  return mapped == nullptr ? 0 : mapped->load();
}

int tell(clockid_t which, timespec* into) {
  static const auto real = reinterpret_cast<int (*)(clockid_t, timespec*)>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int outcome = real(which, into);
  if (outcome != 0 || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE)) return outcome;
  const std::int64_t now = into->tv_sec * second_ns + into->tv_nsec + shift_ns();
  into->tv_sec = now / second_ns;
  into->tv_nsec = now % second_ns;
  return 0;
}

} // namespace
} // namespace forebay::lab

extern "C" {

int clock_gettime(clockid_t which, timespec* into) noexcept { return forebay::lab::tell(which, into); }

int gettimeofday(timeval* into, void*) noexcept {
  timespec now{};
  if (forebay::lab::tell(CLOCK_REALTIME, &now) != 0) return -1;
  into->tv_sec = now.tv_sec;
  into->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* into) noexcept {
  timespec now{};
  forebay::lab::tell(CLOCK_REALTIME, &now);
  if (into != nullptr) *into = now.tv_sec;
  return now.tv_sec;
}
}
