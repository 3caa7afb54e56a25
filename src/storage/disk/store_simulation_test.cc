// Random schedules of a whole store: several directories, with their readers, writers, closers and the purger stepped
// by one seed; directories that are away for a run, fail or are given up, kills and losses of power. A failing one
// reproduces exactly:
//   FOREBAY_SIMULATION_SEED=123 storage_test --gtest_filter='store_simulation*'
// FOREBAY_SIMULATION_SCHEDULES says how many (make check asks for thousands).
#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <random>

#include "base/log.h"
#include "net/testing/waiting.h"
#include "storage/disk/fake_volume.h"
#include "storage/disk/recovery.h"
#include "storage/disk/segment_store.h"
#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {
namespace {

using namespace std::chrono_literals;
constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
#ifdef __SANITIZE_THREAD__ // one thread at a time takes its steps: there is little to find for so slow a run
constexpr unsigned schedules_default = 4;
#else
constexpr unsigned schedules_default = 30;
#endif
constexpr unsigned steps = 300;
constexpr std::size_t directories = 3;
constexpr std::uint64_t objects = 24;
constexpr std::uint64_t longest = 192 * kib;

version_key version(std::uint64_t number) { return testing_bytes::version_of(number); }
object_key object(std::uint64_t number) { return object_key{testing_bytes::version_of(number + (1u << 30))}; }

class store_simulation : public ::testing::Test {
protected:
  /// What may be read of an object's record. Values only grow.
  struct truth {
    unsigned latest = 0;    ///< put last
    bool waits = false;     ///< what was put last may not be on disk yet
    unsigned settled = 0;   ///< nothing before this one may be seen again
    unsigned purged_to = 0; ///< up to this one all is purged, and that was acknowledged
  };

  std::uint64_t below(std::uint64_t limit) { return random() % limit; }
  bool one_in(std::uint64_t chance) { return below(chance) == 0; }
  void settle() { net::testing::take_turns(*loops, 3); }

  void run(std::uint64_t seed) {
    random.seed(seed);
    name = "; FOREBAY_SIMULATION_SEED=" + std::to_string(seed);
    next_value = 0;
    logs_failed = false;
    truths.clear();
    rules.clear();
    knows_all = directories;
    platters.clear();
    for (std::size_t i = 0; i < directories; ++i) platters.push_back(make_disk());
    settings = {};
    settings.by_hand = true;
    settings.flush_interval = std::chrono::milliseconds(below(3) * 100);
    settings.shelf.time = &time;
    settings.reads_limit = 1 + below(20);
    settings.shelf.recovery_threads = 0; // one order of operations for one seed
    settings.shelf.batch_bytes = (1 + below(4)) * 128 * kib;
    settings.shelf.noted_every_bytes = (1 + below(8)) * 64 * kib;
    settings.shelf.index_every_bytes = below(4) * 256 * kib;
    settings.shelf.queue_bytes = (1 + below(4)) * 256 * kib;
    settings.shelf.errors_limit = one_in(3) ? 3 : 1000;
    loops = std::make_unique<net::loop_group>(1);
    loops->start();
    start();
    for (unsigned step = 0; step < steps && !HasFailure(); ++step) take_step();
    finish();
    loops->stop();
    loops.reset();
  }

  /// A directory whose identity, too, comes from the seed: it decides what lies where.
  std::unique_ptr<fake_disk> make_disk() {
    auto made = std::make_unique<fake_disk>();
    directory_mark mark;
    for (auto& each : mark.identity.bytes) each = static_cast<std::uint8_t>(below(256));
    mark.segment_bytes = mib;
    fake_volume(*made).write_small(directory_mark::file_name, mark.render());
    return made;
  }

  void start() {
    memory = std::move(*memory_tier::make({.capacity_bytes = 16 * mib}));
    std::vector<segment_store::directory> present;
    for (std::size_t i = 0; i < directories; ++i) {
      if (i != knows_all && knows_all < directories && one_in(6)) continue; // away
      present.push_back({std::make_unique<fake_volume>(*platters[i], "disk" + std::to_string(i)), 8 * mib});
    }
    store = std::move(*segment_store::open(std::move(present), settings, *memory));
    std::uint64_t oldest = UINT64_MAX;
    for (std::size_t i = 0; i < store->shelf_count(); ++i)
      oldest = std::min(oldest, store->shelf_at(i).oldest_sequence());
    const auto known = store->rules();
    for (const auto& each : rules) {
      const auto is_same = [&](const auto& rule) { return rule.text == each.text; };
      EXPECT_TRUE(each.sequence < oldest || std::any_of(known.begin(), known.end(), is_same)) << each.text;
    }
    // Rules that cover nothing any more are dropped; where nothing is left at all, their numbers are given again.
    std::erase_if(rules, [&](const auto& each) { return each.sequence < oldest; });
    for (std::uint64_t number = 0; number < objects; ++number) check_record(number);
  }
  void finish() {
    store->end_reads();
    settle();
    // A run without any of those that served to the last one's end knows nothing of it: nobody can tell it.
    knows_all = directories;
    for (std::size_t i = 0; i < store->shelf_count(); ++i) {
      const std::string& name = store->name_at(i);
      if (store->shelf_at(i).state_now() == shelf::state::serving)
        knows_all = static_cast<std::size_t>(name.back() - '0');
    }
    store.reset();
    memory.reset();
  }

  void take_step() {
    switch (below(12)) {
    case 0:
    case 1: put_bytes(); break;
    case 2: put_record(below(objects)); break;
    case 3: read(below(objects)); break;
    case 4: check_record(below(objects)); break;
    case 5: purge(below(objects)); break;
    case 6:
      if (one_in(4))
        put_rule();
      else
        store->erase(version(below(objects)));
      break;
    case 7: disturb(); break;
    case 8:
      if (one_in(3)) restart();
      break;
    default:
      for (std::uint64_t i = 0; i <= below(4); ++i) work();
    }
  }

  bool work() {
    if (one_in(3)) time.advance(std::chrono::milliseconds(below(150)));
    const auto what = static_cast<segment_store::worker>(below(5));
    const std::size_t where = below(store->shelf_count());
    const bool did = store->step(what, where);
    if (what == segment_store::worker::ticker && !did && store->shelf_at(where).usage_now().queued_bytes > 0) ++pauses;
    settle();
    return did;
  }
  /// All that the threads would do. What was put is on disk then, or known to be lost.
  void drain() {
    using worker = segment_store::worker;
    for (bool any = true; any;) {
      any = false;
      for (std::size_t i = 0; i < store->shelf_count(); ++i) {
        for (const auto what : {worker::reader, worker::writer, worker::closer, worker::purger})
          any = store->step(what, i) || any;
      }
      settle();
    }
    for (auto& [number, of] : truths)
      if (!logs_failed && std::exchange(of.waits, false)) of.settled = of.latest;
  }

  void put_bytes() {
    const std::uint64_t number = below(objects), offset = below(16) * 32 * kib;
    const std::uint64_t length = (1 + below(longest / grain_bytes)) * grain_bytes;
    std::string text(length, '\0');
    testing_bytes::fill(std::as_writable_bytes(std::span(text)), number, offset);
    store->write(version(number), offset, {net::make_slice(std::move(text))}, 0);
  }

  static std::string text_of(std::uint64_t number, unsigned value) {
    return std::to_string(number) + ":" + std::to_string(value) + std::string(value % 300, 'x');
  }
  void put_record(std::uint64_t number) {
    truth& of = truths[number];
    of.latest = ++next_value;
    of.waits = true;
    store->put_record(object(number), version(number), text_of(number, of.latest), false);
  }

  struct looking {
    static net::task<void> record(store_simulation* in, std::uint64_t number, truth then, net::deadline until) {
      auto found = co_await in->store->find_record(object(number), until);
      if (!found || !*found) co_return;
      const std::string& text = (*found)->encoded;
      const auto value = static_cast<unsigned>(std::stoul(text.substr(text.find(':') + 1)));
      EXPECT_EQ(text, text_of(number, value));
      EXPECT_GT(value, then.purged_to) << number << " was resurrected" << in->name;
      EXPECT_GE(value, then.settled) << "a change of " << number << " was undone" << in->name;
    }
    static net::task<void> bytes(store_simulation* in, std::uint64_t number, byte_range wanted, net::deadline until) {
      auto got = co_await in->store->read(version(number), wanted, until);
      if (!got) co_return;
      for (std::uint64_t at = got->begin; at < got->end;) {
        const auto piece = in->memory->read(version(number), at, got->end);
        if (piece.empty()) co_return; // memory has let it go
        EXPECT_TRUE(testing_bytes::matches(piece.bytes, number, at)) << number << " at " << at << in->name;
        at += piece.length_bytes();
      }
    }
    static net::task<void> purge(store_simulation* in, std::uint64_t number, unsigned covers, net::deadline until) {
      const auto done = co_await in->store->put_tombstone(object(number), until);
      if (done) in->truths[number].purged_to = std::max(in->truths[number].purged_to, covers);
    }
    static net::task<void> rule(store_simulation* in, std::string text, net::deadline until) {
      const auto done = co_await in->store->put_rule(text, until);
      if (!done) co_return;
      for (const auto& each : in->store->rules())
        if (each.text == text) in->rules.push_back(each);
    }
  };
  /// Some ask with a deadline that is over: they leave at once, and what they asked for goes on without them.
  net::deadline patience() {
    if (!one_in(4)) return net::deadline::after(60s);
    ++impatient;
    return net::deadline{};
  }
  void spawn(net::task<> work) {
    loops->at(0).spawn(std::move(work));
    settle();
  }
  void check_record(std::uint64_t number) {
    spawn(looking::record(this, number, truths[number], patience()));
    if (one_in(2)) drain_reads();
  }
  void read(std::uint64_t number) {
    const std::uint64_t from = below(20) * 32 * kib;
    const byte_range wanted{from, from + (1 + below(8)) * 64 * kib};
    spawn(looking::bytes(this, number, wanted, patience()));
  }
  void drain_reads() {
    for (std::size_t i = 0; i < store->shelf_count(); ++i)
      while (store->step(segment_store::worker::reader, i)) {}
    settle();
  }
  void purge(std::uint64_t number) { spawn(looking::purge(this, number, truths[number].latest, patience())); }
  void put_rule() { spawn(looking::rule(this, "rule-" + std::to_string(++next_value), patience())); }

  void disturb() {
    fake_disk& disk = *platters[below(directories)];
    if (one_in(2)) {
      disk.judge = nullptr;
      return;
    }
    const auto chance = 2 + below(20);
    const bool logs_too = one_in(4);
    logs_failed = logs_failed || logs_too; // then nobody remembers a record that is lost
    disk.judge = [this, chance, logs_too](const char* operation, const std::string& name) {
      const bool spared = std::string_view(operation) == "list" || (!logs_too && !name.ends_with(".seg"));
      return !spared && one_in(chance) ? fake_disk::verdict::io_error : fake_disk::verdict::ok;
    };
  }

  void restart() {
    if (one_in(2)) drain();
    const bool kill = one_in(2);
    if (kill) // nothing reaches the disks any more; what the store does to end is in vain
      for (const auto& each : platters)
        each->judge = [](const char*, const std::string&) { return fake_disk::verdict::io_error; };
    const auto before = truths;
    const auto rules_before = rules;
    finish();
    if (kill) {
      truths = before;
      rules = rules_before;
    }
    for (auto& [number, of] : truths) of.waits = false;
    logs_failed = false;
    for (const auto& each : platters) each->judge = nullptr;
    if (kill && one_in(3)) {
      for (const auto& each : platters) each->lose_power([this] { return !one_in(3); });
      for (auto& [number, of] : truths) of.settled = 0; // nothing but purges is promised
    }
    start();
  }

  std::mt19937_64 random;
  fake_clock time;
  std::uint64_t impatient = 0, pauses = 0; ///< so far: askers; ticks at which the writer left what waits alone
  segment_store_settings settings;
  std::vector<std::unique_ptr<fake_disk>> platters;
  std::unique_ptr<memory_tier> memory;
  std::unique_ptr<net::loop_group> loops;
  std::unique_ptr<segment_store> store;
  std::map<std::uint64_t, truth> truths;
  std::vector<purge_rule> rules;       ///< acknowledged
  std::size_t knows_all = directories; ///< a directory that must be there at the next start; or none, and all are
  unsigned next_value = 0;
  bool logs_failed = false; ///< in this run
  std::string name;         ///< of the schedule, for what fails on the loop
};

unsigned long from_environment(const char* name, unsigned long otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

TEST_F(store_simulation, no_schedule_gives_a_wrong_byte_or_undoes_what_was_acknowledged) {
  log::set_level(log::level::error);
  const auto seed = from_environment("FOREBAY_SIMULATION_SEED", 0);
  const auto schedules = seed != 0 ? 1 : from_environment("FOREBAY_SIMULATION_SCHEDULES", schedules_default);
  for (unsigned long i = 0; i < schedules && !HasFailure(); ++i) {
    const std::uint64_t chosen = seed != 0 ? seed : i + 1;
    SCOPED_TRACE("FOREBAY_SIMULATION_SEED=" + std::to_string(chosen));
    run(chosen);
  }
  EXPECT_TRUE(schedules == 1 || (impatient > 0 && pauses > 0)) << impatient << " and " << pauses;
  log::set_level(log::level::info);
}

} // namespace
} // namespace forebay::storage::disk
