// The cache over a disk tier: what outlives a restart, and what a failing disk costs.
#include <gtest/gtest.h>

#include <array>

#include "cache/cache_scene.h"
#include "cache/record.h"
#include "storage/disk/fake_volume.h"
#include "storage/disk/segment_store.h"

using namespace std::chrono_literals;

namespace forebay::cache::testing {
namespace {

using net::testing::eventually;
using storage::disk::fake_disk;
using storage::disk::segment_store;

class cache_disk : public cache_scene {
protected:
  storage::lower_tier* lower() override { return store.get(); }
  void SetUp() override {
    platters.remembers = false; // a process ends here, not the power
    start();
  }
  void TearDown() override {
    loops->stop();
    store->end_reads(); // one that was begun ahead may be in progress
    cache.reset();
    space.reset();
    loops.reset();
    store.reset(); // what waits to be written lies in memory
    memory.reset();
  }

  void start() {
    memory = std::move(*storage::memory_tier::make({.capacity_bytes = 64 * mib}));
    storage::disk::segment_store_settings settings;
    settings.flush_interval = 0ms;
    settings.shelf.errors_limit = 1000;
    settings.by_hand = by_hand;
    settings.reads_limit = reads_limit;
    std::vector<segment_store::directory> one;
    one.push_back({std::make_unique<storage::disk::fake_volume>(platters), disk_bytes});
    store = std::move(*segment_store::open(std::move(one), settings, *memory));
    auto kept = origin;
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
    origin = kept != nullptr ? kept : std::make_shared<fake_origin>();
    auto made = std::make_shared<space::name_space>();
    made->path = "/data";
    made->origins = {origin};
    space = made;
    cache = std::make_unique<content_cache>(cache_limits{}, *memory, store.get(), time);
  }
  /// A new process over the same disk.
  void restart() {
    TearDown();
    start();
  }
  void settle(std::uint64_t bytes) {
    eventually([&] { return store->shelf_at(0).counts().stored_bytes >= bytes; });
    eventually([&] { return store->shelf_at(0).usage_now().queued_bytes == 0; });
  }
  /// Lets memory forget what it holds of the keys: other objects take its place.
  void flush_memory() {
    for (unsigned i = 0; i < 24; ++i) read("filler" + std::to_string(i), http::range_spec{0, 4 * mib - 1});
  }

  std::uint64_t disk_bytes = 256 * mib;
  bool by_hand = false;
  std::size_t reads_limit = 1024;
  fake_disk platters;
  std::unique_ptr<segment_store> store;
};

TEST_F(cache_disk, a_restart_costs_the_origin_nothing) {
  origin->set([](auto& now) { now.length_bytes = 3 * mib + 17; });
  EXPECT_TRUE(read("a").right);
  EXPECT_TRUE(read("b", http::range_spec{mib, mib + 99'999}).right);
  settle(3 * mib + 17);
  const auto bytes = origin->bytes.load(), requests = origin->requests.load();
  restart();
  const auto a = read("a");
  EXPECT_TRUE(a.outcome) << a.outcome.error().message();
  EXPECT_TRUE(a.right);
  EXPECT_EQ(a.bytes, 3 * mib + 17);
  EXPECT_TRUE(a.report.hit);
  EXPECT_EQ(a.report.disk_bytes, 3 * mib + 17);
  const auto b = read("b", http::range_spec{mib, mib + 99'999});
  EXPECT_TRUE(b.right);
  EXPECT_TRUE(b.report.hit);
  EXPECT_EQ(origin->requests, requests);
  EXPECT_EQ(origin->bytes, bytes);
  EXPECT_EQ(read("a").report.memory_bytes, 3 * mib + 17) << "it is in memory now";
}

TEST_F(cache_disk, age_goes_on_while_the_node_is_off) {
  origin->set([](auto& now) { now.length_bytes = 5000; });
  EXPECT_TRUE(read("a").right);
  settle(5000);
  restart();
  time.advance(30s);
  EXPECT_TRUE(read("a").report.hit);
  time.advance(31s); // max-age=60
  const auto later = read("a");
  EXPECT_TRUE(later.report.revalidated);
  EXPECT_TRUE(later.right);
  EXPECT_EQ(origin->bytes, 5000u);
  restart();
  time.jump_wall(-1h);
  EXPECT_FALSE(read("a").report.hit) << "the clock went back: how old it is nobody knows";
  EXPECT_EQ(origin->bytes, 5000u);
}

TEST_F(cache_disk, a_clock_that_jumps_ahead_costs_a_question_and_no_bytes) {
  origin->set([](auto& now) { now.length_bytes = 300'000; });
  EXPECT_TRUE(read("a").right);
  settle(300'000);
  time.jump_wall(24h * 365);
  EXPECT_TRUE(read("a").report.hit) << "what is in the table ages by the steady clock";
  restart();
  const auto jumped = read("a");
  EXPECT_TRUE(jumped.report.revalidated) << "max-age=60, and a year by the wall clock";
  EXPECT_TRUE(jumped.right);
  EXPECT_EQ(jumped.bytes, 300'000u);
  EXPECT_EQ(origin->bytes, 300'000u) << "no byte came twice";
}

TEST_F(cache_disk, a_clock_that_jumps_to_and_fro_never_makes_a_reloaded_record_younger) {
  origin->set([](auto& now) { now.length_bytes = 5000; });
  EXPECT_TRUE(read("a").right);
  settle(5000);
  time.jump_wall(1h); // while it runs
  time.advance(90s);
  time.jump_wall(-1h - 60s);
  restart(); // by the wall clock it is 30 s old
  const auto back = read("a");
  EXPECT_TRUE(back.report.revalidated) << "max-age=60, and 90 s passed";
  EXPECT_TRUE(back.right);
  time.jump_wall(-24h);
  restart();
  EXPECT_TRUE(read("a").report.revalidated) << "its record was written tomorrow";
  restart();
  time.advance(30s);
  EXPECT_TRUE(read("a").report.hit) << "a record that was written under this clock";
  time.jump_wall(24h);
  restart();
  EXPECT_TRUE(read("a").report.revalidated) << "the clock is right again: written yesterday";
  EXPECT_EQ(origin->bytes, 5000u);
}

TEST_F(cache_disk, what_memory_lost_comes_from_disk) {
  origin->set([](auto& now) { now.length_bytes = 4 * mib; });
  EXPECT_TRUE(read("a").right);
  settle(4 * mib);
  flush_memory();
  const auto bytes = origin->bytes.load();
  const auto again = read("a");
  EXPECT_TRUE(again.right);
  EXPECT_GT(again.report.disk_bytes, 0u);
  EXPECT_EQ(origin->bytes, bytes);
}

TEST_F(cache_disk, a_new_version_replaces_the_old_one_also_after_a_restart) {
  origin->set([](auto& now) { now.length_bytes = 300'000; });
  EXPECT_TRUE(read("a").right);
  settle(300'000);
  origin->set([](auto& now) { now.version = 2; });
  time.advance(61s);
  EXPECT_TRUE(read("a", {}, 2).right);
  settle(600'000);
  restart();
  const auto seen = read("a", {}, 2);
  EXPECT_TRUE(seen.right);
  EXPECT_TRUE(seen.report.hit);
}

TEST_F(cache_disk, what_was_purged_stays_purged) {
  origin->set([](auto& now) { now.length_bytes = 10'000; });
  for (const std::string key : {"x/a", "x/b", "y/c"}) EXPECT_TRUE(read(key).right);
  settle(30'000);
  EXPECT_TRUE(wait(cache->purge_object({space, "y/c", ""})));
  restart();
  EXPECT_TRUE(wait(cache->purge_prefix(space, "x/a"))) << "not in memory: only the disk knows it";
  origin->set([](auto& now) { now.version = 2; }); // under the same length, so that only purges tell
  EXPECT_TRUE(read("x/a", {}, 2).right);
  EXPECT_TRUE(read("y/c", {}, 2).right);
  EXPECT_TRUE(read("x/b", {}, 1).report.hit);
  restart();
  EXPECT_TRUE(read("x/a", {}, 2).right);
}

TEST_F(cache_disk, the_same_validator_after_a_purge_does_not_bring_the_old_bytes_back) {
  origin->set([](auto& now) { now.length_bytes = 10'000; });
  EXPECT_TRUE(read("a").right);
  settle(10'000);
  EXPECT_TRUE(wait(cache->purge_object({space, "a", ""})));
  EXPECT_TRUE(read("a").right);
  EXPECT_EQ(origin->bytes, 20'000u);
  settle(20'000);
  restart();
  EXPECT_TRUE(wait(cache->purge_object({space, "a", ""})));
  EXPECT_TRUE(read("a").right);
  EXPECT_EQ(origin->bytes, 30'000u);
}

TEST_F(cache_disk, what_broke_off_inside_a_grain_is_not_kept_and_bars_no_later_read) {
  origin->set([](auto& now) {
    now.length_bytes = 36'576;
    now.cut_at = 3'808;
    now.cuts = 1000;
  });
  EXPECT_FALSE(read("a").outcome);
  origin->set([](auto& now) { now.cuts = 0; });
  EXPECT_TRUE(read("b").right);
  settle(36'576); // written in order: with all of b, what there was of a is on disk
  const auto again = read("a");
  EXPECT_TRUE(again.outcome) << again.outcome.error().message();
  EXPECT_TRUE(again.right);
  EXPECT_EQ(again.bytes, 36'576u);
}

TEST_F(cache_disk, what_found_the_disk_busy_is_taken_when_memory_lets_it_go) {
  origin->set([](auto& now) { now.length_bytes = 4 * mib; });
  const auto refuses = std::make_shared<std::atomic<bool>>(true); // the disk's threads end after this function
  platters.judge = [refuses](const char* operation, const std::string&) {
    const bool writes = std::string_view(operation) == "write";
    return *refuses && writes ? fake_disk::verdict::io_error : fake_disk::verdict::ok;
  };
  EXPECT_TRUE(read("a").right);
  eventually([&] { return store->shelf_at(0).counts().write_errors > 0; });
  eventually([&] { return store->shelf_at(0).usage_now().queued_bytes == 0; });
  *refuses = false;
  flush_memory();
  const auto bytes = origin->bytes.load();
  const auto again = read("a");
  EXPECT_TRUE(again.right);
  EXPECT_EQ(origin->bytes, bytes);
  EXPECT_EQ(again.report.disk_bytes, 4 * mib);
}

TEST_F(cache_disk, what_the_operator_keeps_outlives_scans_and_restarts) {
  origin->set([](auto& now) { now.length_bytes = 2 * mib; });
  const auto keep = [&] {
    auto made = std::make_shared<space::name_space>(*space);
    made->label = "/data";
    made->disk.keep = {"kept/**"};
    space = made;
  };
  const auto scan = [&](const std::string& name) {
    for (unsigned i = 0; i < 64; ++i) EXPECT_TRUE(read(name + std::to_string(i)).right);
    eventually([&] { return store->shelf_at(0).usage_now().queued_bytes == 0; });
  };
  disk_bytes = 64 * mib;
  TearDown();
  platters.files.clear();
  start();
  keep();
  EXPECT_TRUE(read("kept/a").right);
  scan("one");
  restart();
  keep();
  scan("two");
  const auto bytes = origin->bytes.load();
  EXPECT_TRUE(read("kept/a").right);
  EXPECT_EQ(origin->bytes, bytes) << "four times the disk went by";
}

TEST_F(cache_disk, a_kept_record_is_asked_for_by_its_name_and_the_rules) {
  origin->set([](auto& now) { now.length_bytes = 10'000; });
  auto made = std::make_shared<space::name_space>(*space);
  made->label = "/data";
  space = made;
  EXPECT_TRUE(read("kept/a").right); // before the operator wants it
  made = std::make_shared<space::name_space>(*made);
  made->disk.keep = {"kept/**"};
  space = made;
  EXPECT_TRUE(read("kept/a").report.hit);
  const auto key = origin->identify("kept/a", "").key128();
  const auto record = [&] { return wait(store->find_record(key, net::deadline::after(20s))); };
  const auto kept = [&](bool keeps) {
    const auto by_name = [&](const kept_name& of) { return keeps && of == kept_name{"/data", "kept/a"}; };
    return still_kept(*store, **record(), by_name);
  };
  eventually([&] { return record() && *record() && kept(true); });
  EXPECT_FALSE(kept(false)) << "he changed his mind";
  EXPECT_TRUE(wait(cache->purge_prefix(space, "other/")));
  EXPECT_TRUE(kept(true));
  EXPECT_TRUE(wait(store->put_rule(rule_of_prefix(origin->identify("kept/", "")), net::deadline::after(20s))));
  EXPECT_FALSE(kept(true)) << "purged, and the cache has not looked since";
}

TEST_F(cache_disk, an_object_that_is_gone_does_not_come_back) {
  origin->set([](auto& now) { now.length_bytes = 10'000; });
  EXPECT_TRUE(read("a").right);
  settle(10'000);
  time.advance(61s);
  origin->set([](auto& now) { now.missing = true; });
  EXPECT_EQ(read("a").outcome.error().kind, error_kind::not_found);
  eventually([&] { return store->shelf_at(0).usage_now().queued_bytes == 0; });
  restart();
  EXPECT_EQ(read("a").outcome.error().kind, error_kind::not_found);
}

TEST_F(cache_disk, a_disk_that_fails_costs_the_origin_a_request_and_the_reader_nothing) {
  origin->set([](auto& now) { now.length_bytes = 2 * mib; });
  EXPECT_TRUE(read("a").right);
  settle(2 * mib);
  restart();
  platters.judge = [](const char* operation, const std::string&) {
    return std::string_view(operation) == "read" ? fake_disk::verdict::io_error : fake_disk::verdict::ok;
  };
  const auto seen = read("a");
  EXPECT_TRUE(seen.outcome) << seen.outcome.error().message();
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 2 * mib);
  platters.judge = nullptr;
}

TEST_F(cache_disk, is_read_ahead_of_who_reads_on_but_not_far) {
  origin->set([](auto& now) { now.length_bytes = 16 * mib; });
  EXPECT_TRUE(read("a").right);
  settle(16 * mib);
  restart();
  const auto& disk_bytes_read = store->shelf_at(0).counts().read_bytes;
  EXPECT_TRUE(read("a", http::range_spec{9 * mib, 9 * mib + 99'999}).right);
  EXPECT_LE(disk_bytes_read, 256u << 10) << "what nobody asked for was read";
  const std::uint64_t before = disk_bytes_read;
  stalled slow;
  begin(slow, 0, "a");
  eventually([&] { return disk_bytes_read - before >= 4 * mib; });
  net::testing::take_turns(*loops, 64); // each would bring some more
  EXPECT_LE(disk_bytes_read - before, 5 * mib + mib / 4);
  slow.leave();
  eventually([&] { return slow.left.load(); });
  const auto all = read("a");
  EXPECT_TRUE(all.outcome) << all.outcome.error().message();
  EXPECT_TRUE(all.right);
  EXPECT_EQ(all.bytes, 16 * mib);
  EXPECT_LE(disk_bytes_read, 17 * mib) << "a byte was read twice";
  EXPECT_EQ(origin->bytes, 16 * mib);
}

TEST_F(cache_disk, many_who_stall_have_little_of_memory_read_ahead_of_them) {
  constexpr unsigned readers = 5;
  origin->set([](auto& now) { now.length_bytes = 6 * mib; });
  for (unsigned i = 0; i < readers; ++i) EXPECT_TRUE(read("a" + std::to_string(i)).right);
  settle(readers * 6 * mib);
  restart();
  std::array<stalled, readers> slow;
  for (unsigned i = 0; i < readers; ++i) {
    begin(slow[i], 0, "a" + std::to_string(i)); // the share is of all loops
    eventually([&] { return slow[i].first.load(); });
  }
  const auto& disk_bytes_read = store->shelf_at(0).counts().read_bytes;
  eventually([&] { return disk_bytes_read >= 7 * mib; });
  net::testing::take_turns(*loops, 64);
  EXPECT_LE(disk_bytes_read, 64 * mib / 8 + readers * mib / 2) << "an eighth of memory, and the first pieces";
  for (auto& each : slow) each.leave();
  eventually([&] { return std::all_of(slow.begin(), slow.end(), [](const auto& each) { return each.left.load(); }); });
  EXPECT_TRUE(read("a4").right);
  EXPECT_EQ(origin->bytes, readers * 6 * mib);
}

TEST_F(cache_disk, what_could_not_be_read_ahead_is_read_when_somebody_waits) {
  origin->set([](auto& now) { now.length_bytes = 4 * mib; });
  EXPECT_TRUE(read("a").right);
  settle(4 * mib);
  by_hand = true;
  reads_limit = 2; // of four pieces behind the first
  restart();
  const auto read_one = [&] { return store->step(segment_store::worker::reader, 0); };
  const auto& ahead = cache_metrics().disk_ahead_reads;
  const auto before = ahead.value();
  background waiting;
  begin(waiting, 0, "a");
  eventually(read_one); // the record
  eventually(read_one); // the first piece
  eventually([&] { return ahead.value() >= before + 4; });
  net::testing::take_turns(*loops, 8);
  eventually([&] {
    read_one();
    return waiting.ended.load();
  });
  EXPECT_TRUE(waiting.seen.outcome);
  EXPECT_TRUE(waiting.seen.right);
  EXPECT_EQ(waiting.seen.bytes, 4 * mib);
  EXPECT_EQ(waiting.seen.report.disk_bytes, 4 * mib);
  EXPECT_EQ(origin->bytes, 4 * mib);
}

TEST_F(cache_disk, a_damaged_block_is_fetched_again_and_alone) {
  origin->set([](auto& now) { now.length_bytes = 2 * mib; });
  EXPECT_TRUE(read("a").right);
  settle(2 * mib);
  restart();
  platters.flip_bit("000000000001.seg", 4096 + 64 + 5 * storage::disk::block_stride_bytes + 7);
  const auto bytes = origin->bytes.load();
  const auto seen = read("a");
  EXPECT_TRUE(seen.right);
  EXPECT_EQ(seen.bytes, 2 * mib);
  EXPECT_EQ(origin->bytes - bytes, storage::disk::block_bytes);
}

TEST(records, are_read_as_they_were_written) {
  fake_clock time;
  origin::read_answer answer;
  answer.status = 206;
  answer.fields.add("Content-Type", "application/x-netcdf");
  answer.fields.add("ETag", "\"a\xFF\"");
  answer.fields.add("Cache-Control", "max-age=100");
  answer.fields.add("Surrogate-Key", "era5 2020");
  answer.fields.add("x-amz-checksum-crc32c", "AAAA");
  answer.fields.add("Date", "Tue, 14 Nov 2023 22:13:20 GMT");
  answer.requested = answer.received = time.wall();
  answer.pinned = {origin::validator_kind::strong_etag, "\"a\xFF\""};
  answer.length_bytes = 12345;
  const auto head = make_stored_head(answer, time.steady());
  const origin::identity name{"s3", "e", "b", "k/ü", "anonymous", ""};
  time.advance(7s);
  const auto bytes = encode_record(name, 42, head, time.steady(), time.wall());
  time.advance(5s);
  const auto read = decode_record(bytes, name, time.steady(), time.wall());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->generation, 42u);
  EXPECT_EQ(*read->head->rendered, *head.rendered);
  EXPECT_EQ(read->head->pinned, head.pinned);
  EXPECT_EQ(read->head->length_bytes, head.length_bytes);
  EXPECT_EQ(read->head->date, head.date);
  EXPECT_EQ(read->head->tags, head.tags);
  EXPECT_EQ(read->head->whole_fields.size(), 1u);
  EXPECT_EQ(age_of(*read->head, time.steady()), age_of(head, time.steady()));
  auto other = name;
  other.key = "another";
  EXPECT_FALSE(decode_record(bytes, other, time.steady(), time.wall()));
  EXPECT_FALSE(decode_record(encode_absence(), name, time.steady(), time.wall()));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_record(std::string_view(bytes).substr(0, length), name, time.steady(), time.wall()));
  }
}

TEST(records, rules_cover_prefixes_of_one_bucket_and_tags) {
  const origin::identity name{"s3", "e", "b", "k/1", "anonymous", ""};
  stored_head head;
  head.tags = {"era5"};
  auto prefix = name;
  prefix.key = "k/";
  EXPECT_TRUE(covers(rule_of_prefix(prefix), name, head));
  prefix.key = "k/2";
  EXPECT_FALSE(covers(rule_of_prefix(prefix), name, head));
  prefix.key = "";
  prefix.bucket = "bb";
  EXPECT_FALSE(covers(rule_of_prefix(prefix), name, head));
  EXPECT_TRUE(covers(rule_of_tag("era5"), name, head));
  EXPECT_FALSE(covers(rule_of_tag("era"), name, head));
}

} // namespace
} // namespace forebay::cache::testing
