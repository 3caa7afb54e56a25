// Random schedules over a fake disk: writes, reads, purges, evictions, kills, losses of power, flipped bits, failing
// operations. Each schedule is one seed; a failing one reproduces exactly:
//   FOREBAY_SIMULATION_SEED=123 storage_test --gtest_filter='shelf_simulation*'
// FOREBAY_SIMULATION_SCHEDULES says how many (make check asks for thousands).
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <random>

#include "base/log.h"
#include "storage/disk/shelf_scene.h"

namespace forebay::storage::disk {
namespace {

#ifdef __SANITIZE_THREAD__ // one thread at a time takes its steps: there is little to find for so slow a run
constexpr unsigned schedules_default = 4;
#else
constexpr unsigned schedules_default = 40;
#endif
constexpr unsigned steps = 400;

class shelf_simulation : public shelf_scene {
protected:
  /// What may be read of an object's record.
  struct truth {
    unsigned latest = 0;    ///< last value that was put; 0: none
    unsigned written = 0;   ///< last value known to be in the log
    unsigned purged_to = 0; ///< values up to this one are purged for ever
    unsigned lossy_to = 0;  ///< values up to this one may have been lost to a failing disk
  };

  std::uint64_t below(std::uint64_t limit) { return random() % limit; }
  bool one_in(std::uint64_t chance) { return below(chance) == 0; }

  void run(std::uint64_t seed) {
    random.seed(seed);
    records.clear();
    platters.files.clear();
    platters.used_bytes = 0;
    platters.judge = nullptr;
    purged = {};
    sequence = 1;
    settings = {};
    settings.size_bytes = (8 + below(24)) * mib;
    settings.batch_bytes = (1 + below(8)) * 128 * kib;
    settings.queue_bytes = (1 + below(16)) * 256 * kib;
    settings.noted_every_bytes = (1 + below(8)) * 64 * kib;
    settings.index_every_bytes = below(4) * 512 * kib;
    settings.open_files = below(3) * 4;
    settings.small_percent = static_cast<unsigned>(5 + below(40));
    settings.errors_limit = 1000;
    settings.recovery_threads = 0; // one order of operations for one seed
    platters.capacity_bytes = one_in(4) ? 9 * mib : UINT64_MAX;
    closes_later = one_in(2);
    start();
    for (unsigned step = 0; step < steps && !HasFailure(); ++step) take_step();
    tier.reset();
  }

  void take_step() {
    switch (below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5: offer(); break;
    case 6:
    case 7: offer_record(); break;
    case 8:
    case 9:
    case 10: write_batch(); break;
    case 11:
    case 12:
    case 13:
    case 14: read(); break;
    case 15:
    case 16: check_record(below(30)); break;
    case 17: purge(); break;
    case 18: disturb(); break;
    default: one_in(4) ? crash() : close();
    }
  }

  void close() {
    const auto before = failures();
    tier->close_next();
    if (failures() != before) lose_what_is_written();
  }

  void offer() {
    const std::uint64_t number = below(60);
    const std::uint64_t offset = below(8) * 64 * kib + (one_in(3) ? below(16) * grain_bytes : 0);
    std::vector<net::slice> pieces;
    std::uint64_t end = offset;
    for (std::uint64_t i = 0; i <= below(3); ++i) {
      const std::uint64_t length = (1 + below(64)) * grain_bytes;
      pieces.push_back(slice_of(number, end, length));
      end += length;
    }
    tier->offer(version(number), offset, std::move(pieces), static_cast<tenant_id>(number % 3));
  }

  void offer_record() {
    const std::uint64_t number = below(30);
    truth& of = records[number];
    // A value that the queue drops was never put; its number is not used again.
    const unsigned value = ++next_value;
    if (tier->offer_record(object(number), version(number), text_of(number, value), one_in(20))) of.latest = value;
  }

  static std::string text_of(std::uint64_t number, unsigned value) {
    return std::to_string(number) + ":" + std::to_string(value) + std::string(value % 300, 'x');
  }

  void read() {
    const std::uint64_t number = below(60);
    readable(number, below(16) * 64 * kib, (1 + below(8)) * 128 * kib);
  }

  void check_record(std::uint64_t number) {
    const auto found = tier->read_record(object(number));
    if (!found) return;
    const truth& of = records[number];
    const unsigned value = static_cast<unsigned>(std::stoul(found->encoded.substr(found->encoded.find(':') + 1)));
    EXPECT_EQ(found->encoded, text_of(number, value));
    EXPECT_GT(value, of.purged_to) << "resurrected";
    EXPECT_GE(value, of.written) << "a change was undone";
    EXPECT_LE(value, of.latest);
  }

  std::uint64_t failures() const {
    return tier->counts().write_errors + tier->counts().read_errors + tier->counts().dropped_writes;
  }

  bool write_batch() {
    const auto before = failures();
    const bool more = tier->write_batch();
    if (failures() != before) lose_what_is_written();
    return more;
  }
  void lose_what_is_written() {
    for (auto& [number, of] : records) {
      of.lossy_to = next_value;
      of.written = 0;
    }
  }

  /// Everything that waits is in the file, unless writing failed.
  void drain() {
    while (write_batch()) {}
    for (auto& [number, of] : records)
      if (of.latest > of.purged_to && of.latest > of.lossy_to) of.written = of.latest;
  }

  void purge() {
    const std::uint64_t number = below(30);
    const std::uint64_t at = sequence.fetch_add(1);
    tier->forget_object(object(number), at);
    purged.objects[object(number)] = at; // what the control log would say
    records[number].purged_to = next_value;
    records[number].written = 0;
    EXPECT_FALSE(tier->read_record(object(number)));
  }

  void disturb() {
    if (one_in(2)) {
      platters.judge = nullptr;
      return;
    }
    if (one_in(3)) {
      std::vector<std::string> names;
      for (const auto& [name, each] : platters.files)
        if (name.ends_with(".seg") || name.starts_with("index.")) names.push_back(name);
      if (!names.empty()) {
        const auto& name = names[below(names.size())];
        platters.flip_bit(name, below(platters.files[name]->bytes.size()));
        if (one_in(50)) platters.files.erase(name);
        lose_what_is_written(); // what was damaged may be the latest record
      }
      return;
    }
    const auto chance = 2 + below(30);
    const auto how = static_cast<fake_disk::verdict>(1 + below(4));
    platters.judge = [this, chance, how](const char* operation, const std::string& name) {
      const bool hit = name.ends_with(".seg") || name.starts_with("index.");
      if (!hit || std::string_view(operation) == "list") return fake_disk::verdict::ok;
      if (how == fake_disk::verdict::read_only) return fake_disk::verdict::ok; // ends the shelf: a test of its own
      return one_in(chance) ? how : fake_disk::verdict::ok;
    };
  }

  void crash() {
    platters.judge = nullptr;
    if (one_in(2)) drain();
    tier.reset();
    for (auto& [number, of] : records)
      if (of.written != of.latest) of.lossy_to = next_value; // it may have waited still
    if (one_in(2)) {
      platters.lose_power([this] { return !one_in(3); });
      lose_what_is_written(); // nothing but purges is promised
    }
    start();
    ASSERT_TRUE(tier);
    for (std::uint64_t number = 0; number < 30; ++number) check_record(number);
  }

  std::mt19937_64 random;
  std::map<std::uint64_t, truth> records;
  unsigned next_value = 0;
};

unsigned long from_environment(const char* name, unsigned long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

TEST_F(shelf_simulation, no_schedule_gives_a_wrong_byte_or_brings_back_what_was_purged) {
  log::set_level(log::level::error);
  const auto seed = from_environment("FOREBAY_SIMULATION_SEED", 0);
  const auto schedules = seed != 0 ? 1 : from_environment("FOREBAY_SIMULATION_SCHEDULES", schedules_default);
  for (unsigned long i = 0; i < schedules && !HasFailure(); ++i) {
    const std::uint64_t chosen = seed != 0 ? seed : i + 1;
    SCOPED_TRACE("FOREBAY_SIMULATION_SEED=" + std::to_string(chosen));
    run(chosen);
  }
  log::set_level(log::level::info);
}

} // namespace
} // namespace forebay::storage::disk
