// For tests of the disk tier: a shelf over a fake disk, and bytes that tell where they belong.
#pragma once

#include <gtest/gtest.h>

#include "storage/disk/fake_volume.h"
#include "storage/disk/recovery.h"
#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {

class shelf_scene : public ::testing::Test {
protected:
  static constexpr std::uint64_t kib = 1024, mib = 1024 * kib;

  static version_key version(std::uint64_t number) { return testing_bytes::version_of(number); }
  static object_key object(std::uint64_t number) { return object_key{testing_bytes::version_of(number + (1u << 30))}; }

  void SetUp() override {
    settings.size_bytes = 16 * mib; // sixteen segments of 1 MiB
    settings.recovery_threads = 0;  // so that a disk that fails fails at the same operation each time
  }

  void start() {
    kept = std::make_unique<kept_versions>();
    kept->set_question([this](const object_key& object, std::uint64_t version_prefix) {
      const auto record = tier->read_record(object);
      return record && record->kept && record->version_prefix == version_prefix && operator_keeps;
    });
    auto made = shelf::open(std::make_unique<fake_volume>(platters), settings, sequence, purged, *kept);
    ASSERT_TRUE(made) << made.error().message();
    tier = std::move(*made);
    if (closes_later) tier->set_close_hook([] {});
  }
  /// As after `kill -9`: nothing is finished.
  void restart() {
    tier.reset();
    sequence = 1;
    start();
  }

  static net::slice slice_of(std::uint64_t number, std::uint64_t offset, std::size_t length) {
    std::string text(length, '\0');
    testing_bytes::fill(std::as_writable_bytes(std::span(text)), number, offset);
    return net::make_slice(std::move(text));
  }
  bool put(std::uint64_t number, std::uint64_t offset, std::size_t length, tenant_id tenant = 0) {
    const bool taken = tier->offer(version(number), offset, {slice_of(number, offset, length)}, tenant);
    while (tier->write_batch()) {}
    return taken;
  }
  void put_record(std::uint64_t number, const std::string& text, std::uint64_t of_version = 0, bool keeping = false) {
    tier->offer_record(object(number), version(of_version), text, keeping);
    while (tier->write_batch()) {}
  }
  std::string record_of(std::uint64_t number) {
    auto found = tier->read_record(object(number));
    return found ? found->encoded : std::string(to_string(found.error().kind));
  }
  /// Bytes of [offset, offset + length) that the shelf gives back; every one is checked.
  std::uint64_t readable(std::uint64_t number, std::uint64_t offset, std::uint64_t length) {
    std::uint64_t count = 0;
    const std::uint64_t end = offset + length;
    while (offset < end) {
      const auto run = tier->find(version(number), {offset, end});
      if (!run) break;
      offset = run->begin;
      while (offset < run->end) {
        auto got = tier->read(version(number), {offset, run->end});
        if (!got) { // what was damaged is forgotten now
          offset += grain_bytes;
          continue;
        }
        const std::uint64_t until = std::min(got->range.end, run->end);
        std::vector<std::byte> bytes(until - offset);
        got->copy(offset, bytes);
        EXPECT_TRUE(testing_bytes::matches(bytes, number, offset)) << "wrong bytes of " << number << " at " << offset;
        count += bytes.size();
        offset = until;
      }
    }
    return count;
  }
  std::uint64_t segments() const { return tier->usage_now().segments; }

  fake_disk platters;
  shelf_settings settings;
  sequence_source sequence{1};
  purged_keys purged;
  bool closes_later = false;  ///< full segments wait for somebody who calls `close_next`
  bool operator_keeps = true; ///< what he asked to be kept
  std::unique_ptr<kept_versions> kept;
  std::unique_ptr<shelf> tier;
};

} // namespace forebay::storage::disk
