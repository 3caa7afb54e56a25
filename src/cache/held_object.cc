#include "cache/held_object.h"

#include <algorithm>

#include "cache/object.h"
#include "cache/stored_head.h"

namespace forebay::cache {

using std::chrono::seconds;

held_object::held_object(std::shared_ptr<engine> shared, const std::shared_ptr<object>& at,
                         std::shared_ptr<const stored_head> head, seconds lifetime, bool always_fresh)
    : shared_(std::move(shared)),
      at_(at),
      head_(std::move(head)),
      lifetime_(lifetime),
      always_fresh_(always_fresh) {}

std::uint64_t held_object::length_bytes() const noexcept { return head_->length_bytes.value_or(0); }

std::size_t held_object::read(std::span<net::slice> into, freshness_now& told) const {
  told.age = age_of(*head_, shared_->time.steady());
  told.ttl = lifetime_ - told.age;
  if (always_fresh_) told.ttl = std::max(told.ttl, seconds{1});
  if (told.ttl <= seconds{0}) return 0;
  const auto at = at_.lock();
  if (at == nullptr) return 0;
  storage::version_key key;
  {
    const std::lock_guard lock(at->mutex);
    // A head is made anew by each exchange with the origin, and we hold ours: the same one means that none came between.
    const bool same = at->head == head_ && at->current != nullptr && at->current->usable();
    if (!same) return 0;
    key = at->current->key();
  }
  at->used.store(true, std::memory_order_relaxed);
  const std::uint64_t length = length_bytes();
  std::uint64_t begin = 0;
  std::size_t count = 0;
  while (begin < length && count < into.size()) {
    net::slice piece = shared_->memory.read(key, begin, length);
    if (piece.empty()) break;
    begin += piece.length_bytes();
    into[count++] = std::move(piece);
  }
  if (begin == length) return count;
  std::fill_n(into.begin(), count, net::slice{});
  return 0;
}

std::shared_ptr<void> held_object::charge(std::string client) const {
  const std::uint64_t bytes = length_bytes();
  shared_->pins.charge_anyway(client, bytes);
  return {nullptr, [shared = shared_, client = std::move(client), bytes](void*) { shared->pins.release(client, bytes); }};
}

void held_object::delivered(const std::string& client) const noexcept {
  shared_->unread.delivered(client, length_bytes());
}

bool held_object::anybody_owes() const noexcept { return shared_->unread.debtors() > 0; }

} // namespace forebay::cache
