#include "storage/memory_tier.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <fmt/format.h>

#include "storage/memory_tier_impl.h"

namespace forebay::storage {

// --- Blocks and reservations ---------------------------------------------------------------------------------------

void block::publish(std::size_t count) noexcept {
  const std::size_t ready = ready_bytes_.load(std::memory_order_relaxed);
  assert(count <= capacity_bytes_ - ready);
  ready_bytes_.store(ready + count, std::memory_order_release);
}

void block::released() noexcept { owner_->impl_->released(static_cast<held_block&>(*this)); }

reservation::reservation(reservation&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)), hold_(std::move(other.hold_)), untouched_(other.untouched_) {}

reservation& reservation::operator=(reservation&& other) noexcept {
  if (this == &other) return *this;
  finish(false);
  block_ = std::exchange(other.block_, nullptr);
  hold_ = std::move(other.hold_);
  untouched_ = other.untouched_;
  return *this;
}

std::span<std::byte> reservation::room(std::size_t most_bytes) noexcept {
  const auto all = block_->writable();
  const auto given = all.first(std::min(all.size(), most_bytes));
  const std::byte* const end = given.data() + given.size();
  if (untouched_.empty() || end <= untouched_.data()) return given;
  const auto wanted = pages_for(static_cast<std::uint64_t>(end - untouched_.data())) * grain_bytes;
  const auto touched = untouched_.first(std::min<std::size_t>(wanted, untouched_.size()));
  page_space::touch(touched);
  untouched_ = untouched_.subspan(touched.size());
  return given;
}

void reservation::finish(bool reaches_object_end) noexcept {
  if (block_ == nullptr) return;
  using ending = memory_tier::impl::ending;
  auto& filled = static_cast<held_block&>(*std::exchange(block_, nullptr));
  filled.owner_->impl_->finish(filled, reaches_object_end ? ending::at_object_end : ending::early);
  hold_ = {};
}

void reservation::discard() {
  if (block_ == nullptr) return;
  auto& filled = static_cast<held_block&>(*std::exchange(block_, nullptr));
  filled.owner_->impl_->finish(filled, memory_tier::impl::ending::discarded);
  hold_ = {};
}

// --- The tier ------------------------------------------------------------------------------------------------------

result<std::unique_ptr<memory_tier>> memory_tier::make(memory_tier_settings settings) {
  const auto refuse = [](std::string why) { return fail(error_kind::invalid_input, "memory tier", std::move(why)); };
  if (settings.capacity_bytes < capacity_bytes_min || settings.capacity_bytes > capacity_bytes_max)
    return refuse(fmt::format("capacity is {} bytes; expected {} to {}", settings.capacity_bytes, capacity_bytes_min,
                              capacity_bytes_max));
  if (!std::has_single_bit(settings.block_bytes) || settings.block_bytes < grain_bytes ||
      settings.block_bytes > block_bytes_max)
    return refuse(fmt::format("block_bytes is {}; expected a power of two from {} to {}", settings.block_bytes,
                              grain_bytes, block_bytes_max));
  if (settings.small_queue_percent < 1 || settings.small_queue_percent > 99)
    return refuse(fmt::format("small_queue_percent is {}; expected 1 to 99", settings.small_queue_percent));
  settings.block_bytes = impl::longest_block(settings.block_bytes, settings.capacity_bytes);
  auto pages = page_space::open(impl::space_pages_for(settings.capacity_bytes),
                                static_cast<std::uint32_t>(settings.block_bytes / grain_bytes));
  if (!pages) return fail(std::move(pages.error()));
  return std::unique_ptr<memory_tier>(new memory_tier(std::make_unique<impl>(settings, std::move(*pages))));
}

memory_tier::memory_tier(std::unique_ptr<impl> made) : impl_(std::move(made)) { impl_->tier = this; }

memory_tier::~memory_tier() { assert(usage_now().pinned_bytes == 0 && "a slice or a reservation outlives its tier"); }

net::slice memory_tier::read(const version_key& version, std::uint64_t at, std::uint64_t limit) {
  return impl_->read(version, at, limit);
}

bool memory_tier::covers(const version_key& version, std::uint64_t at) const {
  const std::lock_guard guard(impl_->index.lock_of(version));
  return impl_->index.covering(version, at) != nullptr;
}

std::optional<byte_range> memory_tier::find(const version_key& version, byte_range within) const {
  const std::lock_guard guard(impl_->index.lock_of(version));
  return impl_->index.first_ready_run(version, within);
}

std::uint64_t memory_tier::held_bytes(const version_key& version) const {
  const std::lock_guard guard(impl_->index.lock_of(version));
  return impl_->index.ready_bytes(version);
}

result<reservation> memory_tier::reserve(const version_key& version, std::uint64_t offset, std::uint64_t length_bytes,
                                         tenant_id tenant, bool lasting) {
  return impl_->reserve(version, offset, length_bytes, tenant, lasting);
}

void memory_tier::erase(const version_key& version) { impl_->erase(version); }

void memory_tier::set_evicted_hook(evicted_hook hook, void* context) {
  const std::lock_guard guard(impl_->lock);
  impl_->hook = hook;
  impl_->hook_context = context;
}

void memory_tier::resize(std::uint64_t capacity_bytes) {
  impl_->resize(std::clamp(capacity_bytes, capacity_bytes_min, capacity_bytes_max));
}

memory_tier::usage memory_tier::usage_now() const { return impl_->usage_now(); }

const memory_tier_settings& memory_tier::settings() const noexcept { return impl_->settings; }

} // namespace forebay::storage
