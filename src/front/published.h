// A value that is replaced as a whole while others read it: the configuration's snapshot.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace forebay::front {

/// The current `T`. Readers pin it and keep what they pinned; `set` replaces it for those who come later.
/// Thread-safe. Readers are spread over stripes, each with a lock and a reference count of its own, so that
/// cores do not fight over one cache line for every request.
template <class T>
class published {
public:
  explicit published(std::shared_ptr<const T> value) { set(std::move(value)); }

  std::shared_ptr<const T> get() const {
    static thread_local const std::size_t mine =
        std::hash<std::thread::id>{}(std::this_thread::get_id()) % stripe_count;
    const stripe& one = stripes_[mine];
    const std::lock_guard hold(one.lock);
    return one.value;
  }

  void set(std::shared_ptr<const T> value) {
    for (stripe& one : stripes_) {
      // A control block for each stripe that holds the value's own.
      auto keeper = std::make_shared<std::shared_ptr<const T>>(value);
      std::shared_ptr<const T> fresh(keeper, value.get());
      const std::lock_guard hold(one.lock);
      one.value.swap(fresh);
    }
  }

private:
  static constexpr std::size_t stripe_count = 16; // more than the cores that usually meet here
  struct alignas(64) stripe {
    mutable std::mutex lock;
    std::shared_ptr<const T> value;
  };
  std::array<stripe, stripe_count> stripes_;
};

} // namespace forebay::front
