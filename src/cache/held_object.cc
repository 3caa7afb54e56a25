#include "cache/held_object.h"

#include <algorithm>

#include "cache/object.h"
#include "cache/stored_head.h"

namespace forebay::cache {

using std::chrono::seconds;

/// What a held object refers to: made once, shared by its copies.
struct held_object::record {
  std::shared_ptr<engine> shared;
  std::weak_ptr<object> at;
  std::shared_ptr<const stored_head> head;
  std::vector<binding> origins;
  seconds lifetime{};
  bool always_fresh = false;

  /// The version, where nothing has changed.
  std::shared_ptr<version> current() const;
};

held_object::held_object(std::shared_ptr<engine> shared, const std::shared_ptr<object>& at,
                         std::shared_ptr<const stored_head> head, std::vector<binding> origins, seconds lifetime,
                         bool always_fresh)
    : of_(std::make_shared<const record>(
          record{std::move(shared), at, std::move(head), std::move(origins), lifetime, always_fresh})) {}

std::uint64_t held_object::length_bytes() const noexcept { return of_->head->length_bytes.value_or(0); }

std::shared_ptr<version> held_object::record::current() const {
  const auto object = at.lock();
  if (object == nullptr) return nullptr;
  std::shared_ptr<version> now;
  {
    const std::lock_guard lock(object->mutex);
    // A head is made anew by each exchange with the origin, and we hold ours: the same one means that none came
    // between.
    if (object->head == head) now = object->current;
  }
  object->used.store(true, std::memory_order_relaxed);
  return now != nullptr && now->usable() ? now : nullptr;
}

std::size_t held_object::read(byte_range part, std::span<net::slice> into, freshness_now& told) const {
  told.age = age_of(*of_->head, of_->shared->time.steady());
  told.ttl = of_->lifetime - told.age;
  if (of_->always_fresh) told.ttl = std::max(told.ttl, seconds{1});
  if (told.ttl <= seconds{0}) return 0;
  const auto now = of_->current();
  told.unchanged = now != nullptr;
  if (now == nullptr) return 0;
  std::size_t count = 0;
  while (part.begin < part.end && count < into.size()) {
    net::slice piece = of_->shared->memory.read(now->key(), part.begin, part.end);
    if (piece.empty()) break;
    part.begin += piece.length_bytes();
    into[count++] = std::move(piece);
  }
  if (part.begin == part.end) return count;
  std::fill_n(into.begin(), count, net::slice{});
  return 0;
}

std::optional<byte_range> held_object::observe(byte_range part) const {
  const auto now = of_->current();
  if (now == nullptr) return std::nullopt;
  const std::uint64_t until = now->observe(part);
  if (until <= part.end) return std::nullopt;
  return byte_range{part.end, until};
}

void held_object::fetch_ahead(byte_range ahead, std::string client) const {
  const auto now = of_->current();
  if (now == nullptr) return;
  auto origins = of_->origins;
  for (binding& each : origins) each.client = client;
  now->fetch_ahead(ahead, origins);
}

bool held_object::same_as(const held_object& other) const noexcept { return of_->head == other.of_->head; }

namespace {

/// Ends a charge.
std::shared_ptr<void> release_later(const std::shared_ptr<engine>& shared, std::string client, std::uint64_t bytes) {
  // The pointer is never looked at; it tells a charge from none.
  return {shared.get(), [shared, client = std::move(client), bytes](void*) { shared->pins.release(client, bytes); }};
}

} // namespace

std::shared_ptr<void> held_object::charge(std::string client, std::uint64_t bytes) const {
  const auto& shared = of_->shared;
  if (!shared->pins.charge(client, bytes, shared->pin_bounds())) return nullptr;
  return release_later(shared, std::move(client), bytes);
}

std::shared_ptr<void> held_object::charge_begun(std::string client, std::uint64_t bytes) const {
  of_->shared->pins.charge_anyway(client, bytes);
  return release_later(of_->shared, std::move(client), bytes);
}

void held_object::delivered(const std::string& client, std::uint64_t bytes) const noexcept {
  of_->shared->unread.delivered(client, bytes);
}

bool held_object::anybody_owes() const noexcept { return of_->shared->unread.debtors() > 0; }

} // namespace forebay::cache
