#include "front/hit_memory.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "base/hash.h"
#include "base/metrics.h"

namespace forebay::front {
namespace {

std::uint64_t hash_of(std::string_view key) noexcept { return xxh3_64(std::as_bytes(std::span(key))); }

metrics::gauge& remembered() {
  static auto& all = metrics::global().get_gauge(
      "forebay_remembered_hits",
      "Answers that are kept to be given again to the same request (limits.remembered_hits)");
  return all;
}

} // namespace

hit_memory::hit_memory(std::size_t most)
    : most_(most), sets_(std::bit_floor(std::max<std::size_t>(most / ways, 1))), lately_(sets_.size() * ways) {}

hit_memory::~hit_memory() { clear(); }

void hit_memory::counted(std::int64_t more) noexcept {
  size_ = static_cast<std::size_t>(static_cast<std::int64_t>(size_) + more);
  remembered().add(more);
}

void hit_memory::clear() noexcept {
  for (set& each : sets_) each = {};
  counted(-static_cast<std::int64_t>(size_));
}

void hit_memory::begin(std::uint64_t generation) noexcept {
  if (generation == generation_) return;
  clear();
  generation_ = generation;
}

const std::shared_ptr<remembered_hit>* hit_memory::find(std::string_view key, std::uint64_t generation) noexcept {
  begin(generation);
  const std::uint64_t hash = hash_of(key);
  set& in = set_of(hash);
  for (std::size_t i = 0; i < ways; ++i) {
    const bool here = in[i].hash == hash && in[i].hit != nullptr && in[i].hit->key == key;
    if (!here) continue;
    if (i > 0) std::swap(in[i], in[i - 1]); // who is used often goes to the front
    return &in[i > 0 ? i - 1 : 0].hit;
  }
  return nullptr;
}

bool hit_memory::came_before(std::string_view key) noexcept {
  const std::uint64_t hash = hash_of(key);
  return std::exchange(lately_[hash & (lately_.size() - 1)], hash) == hash;
}

void hit_memory::put(std::shared_ptr<remembered_hit> made) {
  if (made->generation < generation_) return; // of settings that are no more
  begin(made->generation);
  const std::uint64_t hash = hash_of(made->key);
  set& in = set_of(hash);
  const auto same = [&](const place& each) { return each.hit != nullptr && each.hit->key == made->key; };
  const auto known = std::find_if(in.begin(), in.end(), same);
  const auto free = std::find_if(in.begin(), in.end(), [](const place& each) { return each.hit == nullptr; });
  place& goes = known != in.end() ? *known : free != in.end() ? *free : in.back();
  if (goes.hit == nullptr) counted(1);
  goes = {hash, std::move(made)};
}

void hit_memory::forget(std::string_view key) noexcept {
  for (place& each : set_of(hash_of(key))) {
    if (each.hit == nullptr || each.hit->key != key) continue;
    each = {};
    counted(-1);
    return;
  }
}

} // namespace forebay::front
