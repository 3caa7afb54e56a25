#include "net/queue_delay.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/readiness.h"
#include "net/wait.h"

namespace forebay::net {
namespace {

/// How often a loop is asked while there is a queue, and while there is none. A probe costs four system calls.
constexpr std::chrono::milliseconds probe_every{5}, probe_idle{20};
constexpr std::chrono::milliseconds idle_delay{1};
/// Of the target, what a turn may spend while there is overload, and how much of it must be waited for at least: a turn
/// that was long for other reasons is none. A few requests are begun in any case.
constexpr int turn_share = 8;
constexpr unsigned turn_requests = 8;
/// Of the target, how old a request may be that is begun while there is overload.
constexpr int age_share = 2;

std::atomic<std::int64_t> target_ns{0};
thread_local bool alert_here = false; ///< as the judge of this loop said last

/// Of this thread.
std::chrono::nanoseconds processor_time() noexcept {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

} // namespace

pressure queue_judge::judge(std::chrono::nanoseconds delay, steady_time now, std::chrono::nanoseconds target) noexcept {
  if (target.count() <= 0) return pressure::none;
  const bool alert = now < alert_until_;
  if (delay <= target / 2) {
    above_since_ = {};
    return pressure::none;
  }
  if (delay <= target) {
    above_since_ = {};
    return alert ? pressure::misses : pressure::none;
  }
  if (above_since_ == steady_time{}) above_since_ = now;
  const auto interval = std::max<std::chrono::nanoseconds>(least_interval, target * 2);
  if (!alert && now - above_since_ < interval) return pressure::none;
  alert_until_ = now + memory;
  return pressure::all;
}

bool age_judge::is_late(std::chrono::nanoseconds age, steady_time now, std::chrono::nanoseconds limit) noexcept {
  if (now >= window_ends_) {
    const bool seen = now < window_ends_ + window; // a whole window of them, just now
    youngest_before_ = seen ? youngest_ : std::chrono::nanoseconds(0);
    youngest_ = age;
    window_ends_ = now + window;
  }
  youngest_ = std::min(youngest_, age);
  const auto best = std::min(youngest_, youngest_before_);
  return age > (best > limit ? best + limit : limit);
}

/// Held by the callbacks too: they may be under way when the probe goes.
struct probe_state : std::enable_shared_from_this<probe_state> {
  ~probe_state() {
    if (fd < 0) return;
    ready->cancel();
    ready->forget();
    ::close(fd);
  }
  void begin() {
    fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) return; // no descriptors left: nothing is measured
    ready = std::make_shared<readiness>(fd);
    loop::current().spawn(attend(weak_from_this(), ready));
    arm();
  }
  /// The descriptor stands among the sockets: its turn comes when theirs does.
  static task<void> attend(std::weak_ptr<probe_state> probe, std::shared_ptr<readiness> ready) {
    for (;;) {
      ready->note_empty();
      const wait_end how = co_await ready->wait(readiness::side::read, deadline::after(std::chrono::hours(1)));
      const auto mine = probe.lock();
      const bool over = mine == nullptr || how == wait_end::cancelled;
      if (over) co_return;
      if (how == wait_end::ready) mine->came();
    }
  }
  void arm() {
    const std::weak_ptr<probe_state> weak = weak_from_this();
    // Who wants short queues wants to know soon.
    const std::chrono::nanoseconds target(target_ns.load(std::memory_order_relaxed));
    const auto idle = std::clamp(std::chrono::ceil<std::chrono::milliseconds>(target), probe_every, probe_idle);
    next.start(delay < idle_delay ? idle : probe_every, [weak] {
      if (const auto mine = weak.lock()) mine->ask();
    });
  }
  void ask() {
    asked = std::chrono::steady_clock::now();
    used_before = processor_time();
    const std::uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
  }
  /// Since the first question of this turn. The processor's clock is a system call: asked only under overload.
  std::chrono::nanoseconds spent_in_turn() noexcept {
    const auto used = processor_time();
    if (const std::uint64_t now = loop::current().turn(); turn != now) {
      turn = now;
      used_at_turn = used;
      asked_in_turn = 0;
    }
    ++asked_in_turn;
    return used - used_at_turn;
  }
  void came() {
    std::uint64_t count = 0;
    (void)!::read(fd, &count, sizeof count);
    if (asked == steady_time{}) return;
    delay = processor_time() - used_before;
    asked = {};
    const steady_time now = std::chrono::steady_clock::now();
    judge.judge(delay, now, std::chrono::nanoseconds(target_ns.load(std::memory_order_relaxed)));
    alert_here = judge.alert(now);
    arm();
  }

  int fd = -1;
  std::shared_ptr<readiness> ready;
  timer next;
  steady_time asked{}; ///< of the probe that is under way; zero: none
  std::chrono::nanoseconds used_before{0};
  std::chrono::nanoseconds delay{0}; ///< as measured last
  std::uint64_t turn = 0;            ///< of the loop, in which `used_at_turn` was looked at
  std::chrono::nanoseconds used_at_turn{0};
  unsigned asked_in_turn = 0;
  queue_judge judge;
  age_judge ages;
};

namespace {
thread_local probe_state* of_this_loop = nullptr;
} // namespace

queue_probe::queue_probe() : state_(std::make_shared<probe_state>()) {
  of_this_loop = state_.get();
  state_->begin();
}
queue_probe::~queue_probe() {
  if (of_this_loop != state_.get()) return;
  of_this_loop = nullptr;
  alert_here = false;
}

void set_queue_delay_target(std::chrono::milliseconds target) noexcept {
  target_ns.store(std::chrono::nanoseconds(target).count(), std::memory_order_relaxed);
}

std::chrono::nanoseconds queue_delay() noexcept {
  const probe_state* const here = of_this_loop;
  if (here == nullptr) return std::chrono::nanoseconds(0);
  if (here->asked == steady_time{}) return here->delay;
  // The processor's clock costs a system call, and cannot tell more than the other one.
  const std::chrono::nanoseconds at_most = std::chrono::steady_clock::now() - here->asked;
  if (at_most <= here->delay) return here->delay;
  return std::max(here->delay, processor_time() - here->used_before);
}

bool wants_arrivals() noexcept { return alert_here; }

pressure queue_pressure(steady_time arrived) noexcept {
  const std::chrono::nanoseconds target(target_ns.load(std::memory_order_relaxed));
  if (of_this_loop == nullptr || target.count() == 0) return pressure::none;
  probe_state& here = *of_this_loop;
  const steady_time now = std::chrono::steady_clock::now();
  // First what costs least to be told: the processor's clock is a system call. It is no sign that the overload lasts:
  // what came while the machine was busy with others is old, too.
  const bool dated = here.judge.alert(now) && arrived != steady_time{};
  if (dated && here.ages.is_late(now - arrived, now, target / age_share)) return pressure::all;
  const pressure by_delay = here.judge.judge(queue_delay(), now, target);
  alert_here = here.judge.alert(now);
  if (!alert_here) return by_delay;
  const auto spent = here.spent_in_turn();
  const bool is_queue = here.asked_in_turn > turn_requests && queue_delay() >= target / turn_share;
  const bool enough = is_queue && spent >= target / turn_share;
  if (!enough) return std::min(by_delay, pressure::misses);
  here.judge.goes_on(now);
  return pressure::all;
}

} // namespace forebay::net
