#include "storage/disk/segment_store.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <gtest/gtest.h>

#include "net/testing/waiting.h"
#include "storage/disk/fake_volume.h"
#include "storage/disk/recovery.h"
#include "storage/memory_tier_access.h"

namespace forebay::storage::disk {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;
using testing_bytes::version_of;
constexpr std::uint64_t kib = 1024, mib = 1024 * kib;

class store_scene : public ::testing::Test {
protected:
  void SetUp() override {
    memory = std::move(*memory_tier::make({.capacity_bytes = 64 * mib}));
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
    settings.flush_interval = 0ms;
    settings.shelf.errors_limit = 100;
  }
  void TearDown() override {
    store.reset();
    loops->stop();
    loops.reset();
    memory.reset();
  }

  void open(std::size_t count = 1) {
    while (disks.size() < count) disks.push_back(std::make_unique<fake_disk>());
    std::vector<segment_store::directory> directories;
    for (std::size_t i = 0; i < count; ++i) {
      directories.push_back({std::make_unique<fake_volume>(*disks[i], "disk" + std::to_string(i)), 16 * mib});
    }
    auto made = segment_store::open(std::move(directories), settings, *memory);
    ASSERT_TRUE(made) << made.error().message();
    store = std::move(*made);
  }
  void reopen(std::size_t count = 1) {
    store.reset();
    memory = std::move(*memory_tier::make({.capacity_bytes = 64 * mib}));
    open(count);
  }

  void open_without_the_second() {
    std::vector<segment_store::directory> one;
    one.push_back({std::make_unique<fake_volume>(*disks[0], "disk0"), 16 * mib});
    store = std::move(*segment_store::open(std::move(one), settings, *memory));
  }

  void put(std::uint64_t number, std::uint64_t length) {
    std::string text(length, '\0');
    testing_bytes::fill(std::as_writable_bytes(std::span(text)), number, 0);
    store->write(version_of(number), 0, {net::make_slice(std::move(text))}, 0);
    eventually([&] { return store->find(version_of(number), {0, length}) == byte_range{0, length}; });
  }
  template <class T>
  T wait(net::task<T> work) {
    return net::testing::outcome_of(loops->at(0), std::move(work));
  }
  result<byte_range> read(std::uint64_t number, byte_range wanted, std::chrono::milliseconds within = 20s) {
    return wait(store->read(version_of(number), wanted, net::deadline::after(within)));
  }
  std::string record_of(std::uint64_t number) {
    auto found = wait(store->find_record(object_key{version_of(number)}, net::deadline::after(20s)));
    if (!found) return found.error().message();
    return *found ? (*found)->encoded : "none";
  }
  void put_record(std::uint64_t number, const std::string& text) {
    store->put_record(object_key{version_of(number)}, version_of(number), text, false);
    eventually([&] { return record_of(number) == text; });
  }

  std::vector<std::unique_ptr<fake_disk>> disks;
  fake_clock time;
  segment_store_settings settings;
  std::unique_ptr<memory_tier> memory;
  std::unique_ptr<net::loop_group> loops;
  std::unique_ptr<segment_store> store;
};

TEST_F(store_scene, what_is_read_is_in_memory_and_right) {
  open();
  put(1, 2 * mib + 77);
  for (std::uint64_t at = 0; at < 2 * mib + 77;) {
    const auto got = read(1, {at, 2 * mib + 77});
    ASSERT_TRUE(got) << got.error().message();
    ASSERT_EQ(got->begin, at);
    for (; at < got->end;) {
      const auto piece = memory->read(version_of(1), at, got->end);
      ASSERT_FALSE(piece.empty()) << at;
      EXPECT_TRUE(testing_bytes::matches(piece.bytes, 1, at));
      at += piece.length_bytes();
    }
  }
  EXPECT_EQ(read(9, {0, 10}).error().kind, error_kind::not_found);
}

TEST_F(store_scene, many_readers_of_one_place_read_the_disk_once) {
  open();
  put(1, 512 * kib);
  std::atomic<unsigned> reads{0}, ended{0};
  std::promise<void> go;
  auto released = go.get_future().share();
  disks[0]->judge = [&](const char* operation, const std::string&) {
    if (std::string_view(operation) == "read") {
      ++reads;
      released.wait();
    }
    return fake_disk::verdict::ok;
  };
  struct one {
    static net::task<void> run(segment_store* from, std::atomic<unsigned>* ended) {
      auto got = co_await from->read(version_of(1), {0, 512 * kib}, net::deadline::after(60s));
      EXPECT_TRUE(got);
      ++*ended;
    }
  };
  for (unsigned i = 0; i < 20; ++i) loops->at(i % 2).spawn(one::run(store.get(), &ended));
  eventually([&] { return reads == 1; });
  net::run_blocking(loops->at(0), net::yield());
  net::run_blocking(loops->at(1), net::yield());
  go.set_value();
  eventually([&] { return ended == 20; });
  EXPECT_EQ(reads, 1u);
}

TEST_F(store_scene, a_disk_that_hangs_costs_the_deadline_and_no_loop) {
  open();
  put(1, 4096);
  std::promise<void> go;
  auto released = go.get_future().share();
  disks[0]->judge = [&](const char* operation, const std::string&) {
    if (std::string_view(operation) == "read") released.wait();
    return fake_disk::verdict::ok;
  };
  const auto got = read(1, {0, 4096}, 100ms);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::timeout);
  go.set_value();
  eventually([&] { return memory->find(version_of(1), {0, 4096}).has_value(); }); // the work went on
}

TEST_F(store_scene, a_sync_that_takes_its_time_holds_up_no_write) {
  open();
  std::promise<void> go;
  auto released = go.get_future().share();
  std::atomic<unsigned> syncs{0};
  disks[0]->judge = [&](const char* operation, const std::string&) {
    if (std::string_view(operation) == "sync") {
      ++syncs;
      released.wait();
    }
    return fake_disk::verdict::ok;
  };
  const auto segment_bytes = store->shelf_at(0).usage_now().segment_bytes;
  // More than one segment, and what is put is found though none of them is closed yet.
  for (std::uint64_t number = 1; number * 100 * kib < 3 * segment_bytes; ++number) put(number, 100 * kib);
  eventually([&] { return syncs == 1; });
  go.set_value();
  eventually([&] { return syncs >= 4; }); // two for each
  disks[0]->judge = nullptr;
}

TEST_F(store_scene, segments_that_a_kill_left_unclosed_are_closed_by_the_next_run) {
  settings.shelf.recovery_threads = 0;
  open();
  disks[0]->judge = [&](const char* operation, const std::string&) {
    return std::string_view(operation) == "sync" ? fake_disk::verdict::io_error : fake_disk::verdict::ok;
  };
  const auto segment_bytes = store->shelf_at(0).usage_now().segment_bytes;
  std::uint64_t count = 0;
  while (++count * 100 * kib < 3 * segment_bytes) put(count, 100 * kib);
  reopen(); // no footer could be written
  for (std::uint64_t number = 1; number < count; ++number)
    EXPECT_TRUE(store->find(version_of(number), {0, 100 * kib})) << number;
  disks[0]->judge = nullptr;
  reopen(); // this run closes what it found
  reopen(); // and this one reads footers
  for (std::uint64_t number = 1; number < count; ++number)
    EXPECT_TRUE(store->find(version_of(number), {0, 100 * kib})) << number;
  const auto unclosed = std::count_if(disks[0]->files.begin(), disks[0]->files.end(), [&](const auto& each) {
    if (!segment_number(each.first)) return false;
    fake_file from(*disks[0], each.second, each.first);
    return !read_footer(from, *segment_number(each.first), segment_bytes).has_value();
  });
  EXPECT_LE(unclosed, 2) << "the heads of the two streams";
}

TEST_F(store_scene, reads_beyond_the_queue_are_refused_at_once) {
  settings.readers = 1;
  settings.reads_limit = 1;
  open();
  for (std::uint64_t i = 1; i <= 3; ++i) put(i, 4096);
  std::promise<void> go;
  auto released = go.get_future().share();
  std::atomic<unsigned> reads{0}, ended{0};
  disks[0]->judge = [&](const char* operation, const std::string&) {
    if (std::string_view(operation) == "read") {
      ++reads;
      released.wait();
    }
    return fake_disk::verdict::ok;
  };
  struct one {
    static net::task<void> run(segment_store* from, std::uint64_t number, std::atomic<unsigned>* ended) {
      co_await from->read(version_of(number), {0, 4096}, net::deadline::after(60s));
      ++*ended;
    }
  };
  loops->at(0).spawn(one::run(store.get(), 1, &ended));
  eventually([&] { return reads == 1; });
  loops->at(0).spawn(one::run(store.get(), 2, &ended)); // waits in the queue
  net::run_blocking(loops->at(0), net::yield());
  EXPECT_EQ(read(3, {0, 4096}).error().kind, error_kind::exhausted);
  go.set_value();
  eventually([&] { return ended == 2; });
}

TEST_F(store_scene, purges_outlive_a_restart) {
  open(2);
  put_record(1, "one");
  put_record(2, "two");
  const std::uint64_t before = store->stamp();
  EXPECT_TRUE(wait(store->put_tombstone(object_key{version_of(1)}, net::deadline::after(20s))));
  EXPECT_TRUE(wait(store->put_rule("prefix s3://bucket/with space/", net::deadline::after(20s))));
  EXPECT_EQ(record_of(1), "none");
  reopen(2);
  EXPECT_EQ(record_of(1), "none");
  EXPECT_EQ(record_of(2), "two");
  ASSERT_EQ(store->rules().size(), 1u);
  EXPECT_EQ(store->rules()[0].text, "prefix s3://bucket/with space/");
  EXPECT_GT(store->rules()[0].sequence, before);
  EXPECT_GT(store->stamp(), store->rules()[0].sequence) << "numbers are never given twice";
  put_record(1, "one, anew");
  reopen(2);
  EXPECT_EQ(record_of(1), "one, anew");
}

TEST_F(store_scene, a_directory_that_was_away_begins_empty) {
  open(2);
  for (std::uint64_t i = 1; i <= 40; ++i) put_record(i, std::to_string(i));
  store.reset();
  open_without_the_second();
  for (std::uint64_t i = 1; i <= 40; ++i)
    EXPECT_TRUE(wait(store->put_tombstone(object_key{version_of(i)}, net::deadline::after(20s))));
  reopen(2);
  for (std::uint64_t i = 1; i <= 40; ++i) EXPECT_EQ(record_of(i), "none") << "resurrected";
}

TEST_F(store_scene, a_directory_that_was_away_and_cannot_be_emptied_is_left_out) {
  open(2);
  for (std::uint64_t i = 1; i <= 40; ++i) put_record(i, std::to_string(i));
  store.reset();
  open_without_the_second();
  for (std::uint64_t i = 1; i <= 40; ++i)
    EXPECT_TRUE(wait(store->put_tombstone(object_key{version_of(i)}, net::deadline::after(20s))));
  disks[1]->judge = [](const char* operation, const std::string&) {
    return std::string_view(operation) == "remove" ? fake_disk::verdict::read_only : fake_disk::verdict::ok;
  };
  reopen(2);
  EXPECT_EQ(store->shelf_count(), 1u);
  EXPECT_EQ(store->refused(), 1u);
  disks[1]->judge = nullptr; // a later start empties it
  reopen(2);
  EXPECT_EQ(store->shelf_count(), 2u);
  for (std::uint64_t i = 1; i <= 40; ++i) EXPECT_EQ(record_of(i), "none") << "resurrected";
}

TEST_F(store_scene, a_damaged_log_of_purges_forgets_everything_for_good) {
  open();
  put_record(1, "one");
  put(5, 4096);
  EXPECT_TRUE(wait(store->put_tombstone(object_key{version_of(2)}, net::deadline::after(20s))));
  store.reset();
  disks[0]->flip_bit(control_log::file_name, 30);
  reopen();
  EXPECT_EQ(record_of(1), "none");
  put_record(3, "three");
  reopen();
  EXPECT_EQ(record_of(1), "none");
  EXPECT_EQ(record_of(3), "three");
}

TEST_F(store_scene, a_torn_last_line_of_the_log_is_nothing) {
  open();
  put_record(1, "one");
  store.reset();
  fake_volume(*disks[0]).append_small(control_log::file_name, "77 object 0011");
  reopen();
  EXPECT_EQ(record_of(1), "one");
}

TEST_F(store_scene, a_directory_that_cannot_be_used_is_left_out_and_the_rest_serves) {
  disks.push_back(std::make_unique<fake_disk>());
  disks.push_back(std::make_unique<fake_disk>());
  fake_volume(*disks[1]).write_small("photo.jpg", "x");
  open(2);
  EXPECT_EQ(store->shelf_count(), 1u);
  EXPECT_EQ(store->refused(), 1u);
  put(1, 4096);
  EXPECT_TRUE(read(1, {0, 4096}));

  std::vector<segment_store::directory> bad;
  bad.push_back({std::make_unique<fake_volume>(*disks[1], "disk1"), 16 * mib});
  EXPECT_FALSE(segment_store::open(std::move(bad), settings, *memory));
}

TEST_F(store_scene, a_real_directory_is_locked_and_survives_a_restart) {
  const auto path = std::filesystem::path(::testing::TempDir()) / ("forebay-store-" + std::to_string(::getpid())) / "a";
  const auto open_real = [&] {
    std::vector<segment_store::directory> one;
    auto in = open_directory(path.string());
    EXPECT_TRUE(in) << in.error().message();
    one.push_back({std::move(*in), 16 * mib});
    auto made = segment_store::open(std::move(one), settings, *memory);
    EXPECT_TRUE(made) << made.error().message();
    store = std::move(*made);
  };
  open_real();
  put(1, 200 * kib);
  put_record(1, "one");
  const auto second = open_directory(path.string());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, error_kind::exhausted);
  store.reset();
  open_real();
  EXPECT_EQ(record_of(1), "one");
  EXPECT_EQ(read(1, {0, 200 * kib})->end, 200 * kib);
  EXPECT_TRUE(memory->find(version_of(1), {0, 200 * kib}));
  store.reset();
  std::filesystem::remove_all(path.parent_path());
}

TEST_F(store_scene, a_log_of_purges_that_was_emptied_or_removed_forgets_everything) {
  for (const bool removed : {false, true}) {
    open();
    put_record(1, "of one");
    store.reset();
    if (removed) {
      ASSERT_TRUE(fake_volume(*disks[0]).remove(control_log::file_name));
    } else {
      ASSERT_TRUE(fake_volume(*disks[0]).write_small(control_log::file_name, ""));
    }
    reopen();
    EXPECT_EQ(record_of(1), "none");
    put_record(2, "of two");
    reopen();
    EXPECT_EQ(record_of(2), "of two");
    store.reset();
    disks.clear();
  }
}

TEST(sector_buffers, a_thread_uses_the_memory_of_its_last_large_one_again) {
  constexpr std::size_t mib = 1u << 20;
  const std::byte* first = nullptr;
  {
    const sector_buffer one(2 * mib), other(2 * mib);
    EXPECT_NE(one.data(), other.data());
    first = one.data(); // goes last
  }
  const sector_buffer again(mib), beside(mib);
  EXPECT_TRUE(again.data() == first);
  EXPECT_EQ(again.size_bytes(), mib);
  EXPECT_NE(beside.data(), again.data());
  const sector_buffer small(sector_bytes);
  EXPECT_NE(small.data(), nullptr);
}

TEST(control_lines, with_a_number_that_would_overflow_are_damaged) {
  control_entry entry, read;
  entry.sequence = UINT64_MAX;
  std::string line = control_log::render(entry);
  line.pop_back();
  EXPECT_FALSE(control_log::parse(line, read));
}

TEST(control_lines, are_read_as_they_were_written) {
  for (const std::string text : {"", "-", "a b", "100%", "line\nbreak", "\x7f\x01", "s3://b/ü"}) {
    control_entry entry, read;
    entry.kind = control_entry::kind_of::rule;
    entry.sequence = 12345;
    entry.key = version_of(7);
    entry.text = text;
    std::string line = control_log::render(entry);
    ASSERT_EQ(line.back(), '\n');
    line.pop_back();
    ASSERT_TRUE(control_log::parse(line, read)) << line;
    EXPECT_EQ(read.text, text);
    EXPECT_EQ(read.key, entry.key);
    EXPECT_EQ(read.sequence, entry.sequence);
    for (std::size_t i = 0; i < line.size(); ++i) {
      std::string damaged = line;
      damaged[i] ^= 1;
      EXPECT_FALSE(control_log::parse(damaged, read)) << damaged;
    }
  }
}

TEST_F(store_scene, namespaces_keep_their_numbers_in_whatever_order_they_are_named) {
  open(2);
  EXPECT_EQ(store->tenant_of("/era5"), 1);
  EXPECT_EQ(store->tenant_of("/a b%c"), 2);
  EXPECT_EQ(store->tenant_of("/era5"), 1);
  reopen(2);
  EXPECT_EQ(store->tenant_of("/new"), 3);
  EXPECT_EQ(store->tenant_of("/a b%c"), 2);
  EXPECT_EQ(store->tenant_of("/era5"), 1);
  disks.pop_back(); // the rest of the directories know as much
  reopen(1);
  EXPECT_EQ(store->tenant_of("/new"), 3);
}

TEST_F(store_scene, more_namespaces_than_there_are_numbers_share_the_last_one) {
  open();
  for (unsigned i = 1; i < tenant_table::shared; ++i) ASSERT_EQ(store->tenant_of("/" + std::to_string(i)), i);
  EXPECT_EQ(store->tenant_of("/one-more"), tenant_table::shared);
  EXPECT_EQ(store->tenant_of("/another"), tenant_table::shared);
  reopen();
  EXPECT_EQ(store->tenant_of("/7"), 7);
  EXPECT_EQ(store->tenant_of("/another"), tenant_table::shared);
}

TEST_F(store_scene, what_was_put_waits_for_the_interval_or_a_full_batch) {
  using worker = segment_store::worker;
  settings.by_hand = true;
  settings.flush_interval = 200ms;
  settings.shelf.time = &time;
  settings.shelf.batch_bytes = 128 * kib;
  open();
  const auto offer = [&](std::uint64_t number, std::uint64_t length) {
    store->write(version_of(number), 0, {net::make_slice(std::string(length, 'x'))}, 0);
  };
  const auto is_there = [&](std::uint64_t number) { return store->find(version_of(number), {0, kib}).has_value(); };
  offer(1, 4 * kib);
  time.advance(199ms);
  EXPECT_FALSE(store->step(worker::ticker, 0));
  EXPECT_FALSE(is_there(1));
  time.jump_wall(1h);
  EXPECT_FALSE(store->step(worker::ticker, 0)) << "the wall clock is none of its business";
  time.advance(1ms);
  EXPECT_TRUE(store->step(worker::ticker, 0));
  EXPECT_TRUE(is_there(1));
  offer(2, 128 * kib);
  time.advance(settings.shelf.burst_pause);
  EXPECT_TRUE(store->step(worker::ticker, 0)) << "a full batch waits for no interval";
  EXPECT_TRUE(is_there(2));
}

TEST_F(store_scene, directories_are_made_with_segments_of_their_own_size) {
  fake_disk first, second;
  const auto start = [&](std::uint64_t segment_bytes) {
    store.reset();
    std::vector<segment_store::directory> directories;
    directories.push_back({std::make_unique<fake_volume>(first), 256 * mib, segment_bytes});
    directories.push_back({std::make_unique<fake_volume>(second), 256 * mib});
    store = std::move(*segment_store::open(std::move(directories), settings, *memory));
  };
  settings.shelf.segment_bytes = mib;
  start(2 * mib);
  EXPECT_EQ(store->shelf_at(0).usage_now().segment_bytes, 2 * mib);
  EXPECT_EQ(store->shelf_at(1).usage_now().segment_bytes, mib);
  start(4 * mib);
  EXPECT_EQ(store->shelf_at(0).usage_now().segment_bytes, 2 * mib) << "those of a directory stay as it was made";
  start(0);
  EXPECT_EQ(store->shelf_at(0).usage_now().segment_bytes, 2 * mib);
  store.reset(); // before its disks
}

TEST_F(store_scene, a_quota_holds_for_all_directories_together) {
  open(2);
  store->set_quotas({{1, 4 * mib}});
  // Less than one directory holds: which of them has what is up to their identities, and nothing shall be evicted.
  for (unsigned i = 0; i < 24; ++i) {
    store->write(version_of(i), 0, {net::make_slice(std::string(mib / 2, 'x'))}, 1);
    store->write(version_of(100 + i), 0, {net::make_slice(std::string(64 * kib, 'x'))}, 2);
  }
  // Another namespace has no quota; its last extent came last.
  eventually([&] { return store->tenant_bytes(2) == 24 * 64 * kib; });
  EXPECT_LE(store->tenant_bytes(1), 4 * mib);
  EXPECT_GT(store->tenant_bytes(1), mib);
  reopen(2);
  store->set_quotas({{1, 2 * mib}});
  eventually([&] { return store->tenant_bytes(1) <= 2 * mib; });
  EXPECT_GT(store->tenant_bytes(1), 0u);
  EXPECT_EQ(store->tenant_bytes(2), 24 * 64 * kib);
}

} // namespace
} // namespace forebay::storage::disk
