// The cold tier alone: what goes in, what comes back, and what a store that misbehaves costs.
#include <gtest/gtest.h>

#include "cache/cold/cold_tier.h"
#include "cache/cold/fake_store.h"
#include "net/loop.h"
#include "net/testing/waiting.h"
#include "storage/disk/format.h"

using namespace std::chrono_literals;

namespace forebay::cache::cold::testing {
namespace {

using storage::version_key;
constexpr std::uint64_t mib = 1u << 20;
constexpr storage::tenant_id tenant = 7;

/// A disk tier that holds nothing, and remembers what it was given.
class no_disk final : public storage::lower_tier {
public:
  std::optional<byte_range> find(const version_key&, byte_range) override { return std::nullopt; }
  net::task<result<byte_range>> read(version_key, byte_range, net::deadline) override {
    co_return fail(error_kind::not_found, "no disk", "");
  }
  void write(const version_key&, std::uint64_t offset, std::vector<net::slice> bytes, storage::tenant_id) override {
    for (const auto& each : bytes) given.push_back({offset, offset + each.length_bytes()});
  }
  void erase(const version_key&) override {}
  void put_record(const storage::object_key&, const version_key&, std::string, bool) override {}
  void set_keep_check(keep_check) override {}
  bool may_have_record(const storage::object_key&) const override { return false; }
  net::task<result<std::optional<storage::stored_record>>> find_record(storage::object_key, net::deadline) override {
    co_return result<std::optional<storage::stored_record>>(std::nullopt);
  }
  net::task<result<void>> put_tombstone(storage::object_key, net::deadline) override { co_return result<void>{}; }
  net::task<result<void>> put_rule(std::string, net::deadline) override { co_return result<void>{}; }
  std::vector<storage::purge_rule> rules() const override { return {}; }
  std::uint64_t stamp() override { return ++stamps; }

  std::vector<byte_range> given;
  std::atomic<std::uint64_t> stamps{1000};
};

class cold_tier_of : public ::testing::Test {
protected:
  void SetUp() override { start(); }
  void TearDown() override { stop(); }

  void start() {
    memory = std::move(*storage::memory_tier::make({.capacity_bytes = 64 * mib}));
    loops = std::make_unique<net::loop_group>(1);
    loops->start();
    cold_tier_settings settings;
    settings.node_name = node;
    settings.stores = stores;
    settings.queue_bytes = queue_bytes;
    settings.erased = [this](const version_key& version) { return version == erased; };
    tier = std::make_unique<cold_tier>(settings, *memory, disk, time);
    tier->configure({place()});
    round();
  }
  void stop() {
    loops->stop();
    tier->stop();
    loops.reset();
    tier.reset();
    memory.reset();
  }
  /// A new process with the same disk and store.
  void restart() {
    stop();
    start();
  }
  place_settings place() const {
    place_settings of;
    of.label = "/data";
    of.tenant = tenant;
    of.url = "fake://cold";
    of.store = store;
    of.size_bytes = size_bytes;
    of.lifetime = lifetime;
    of.timeout = timeout;
    return of;
  }

  static net::task<bool> done(net::task<void> work) {
    co_await std::move(work);
    co_return true;
  }
  void round() { net::testing::outcome_of(loops->at(0), done(tier->round())); }
  result<byte_range> read(const version_key& version, byte_range wanted) {
    return net::testing::outcome_of(loops->at(0), tier->read(version, wanted, net::deadline::after(60s)));
  }

  static version_key key_of(unsigned number) {
    version_key key{};
    key.bytes.fill(static_cast<std::uint8_t>(number));
    return key;
  }
  static std::vector<std::byte> bytes_of(unsigned number, std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((i * 31 + number * 7) >> 3);
    return bytes;
  }
  /// The disk lets an extent go.
  bool evict(unsigned number, std::uint64_t offset, std::size_t count) {
    if (!tier->wants(key_of(number), {offset, offset + count}, tenant)) return false;
    tier->take(key_of(number), offset, bytes_of(number, count), tenant);
    return true;
  }
  /// What was evicted is in the store.
  void settle() {
    time.advance(6s);
    round();
  }
  bool in_memory(unsigned number, byte_range range) {
    const auto expected = bytes_of(number, range.end);
    for (std::uint64_t at = range.begin; at < range.end;) {
      const auto piece = memory->read(key_of(number), at, range.end);
      if (piece.empty() || std::memcmp(piece.bytes.data(), expected.data() + at, piece.length_bytes()) != 0)
        return false;
      at += piece.length_bytes();
    }
    return true;
  }
  /// Flips a byte of the only pack, `from_begin` behind its start.
  void damage(std::size_t from_begin) {
    const auto key = store->packs().front();
    store->set([&](auto& of) { of.objects[key][from_begin] = static_cast<char>(of.objects[key][from_begin] ^ 1); });
  }
  const place_metrics& counts() const { return tier->place_of(tenant)->counts; }
  bool up() const { return tier->place_of(tenant)->state_now() == cold::place::state::serving; }

  fake_clock time;
  std::string node = "one";
  std::vector<std::string> stores{"00112233445566778899aabbccddeeff"};
  std::uint64_t queue_bytes = 16 * mib, size_bytes = 64 * mib;
  std::chrono::milliseconds lifetime{24h}, timeout{20s};
  version_key erased{};
  no_disk disk;
  std::shared_ptr<fake_store> store = std::make_shared<fake_store>();
  std::unique_ptr<storage::memory_tier> memory;
  std::unique_ptr<net::loop_group> loops;
  std::unique_ptr<cold_tier> tier;
};

TEST_F(cold_tier_of, what_the_disk_lets_go_comes_back) {
  EXPECT_TRUE(evict(1, 0, 300'000));
  EXPECT_TRUE(evict(2, 4 * mib, mib));
  EXPECT_FALSE(evict(1, 0, 300'000)) << "it is on its way";
  EXPECT_TRUE(read(key_of(1), {0, 300'000})) << "and can be read already";
  memory->erase(key_of(1));
  disk.given.clear();
  settle();
  EXPECT_EQ(store->packs().size(), 1u) << "many extents, one object";
  EXPECT_FALSE(evict(1, 0, 300'000)) << "it is there";
  EXPECT_EQ(tier->find(key_of(1), {0, mib}), (byte_range{0, 300'000}));
  EXPECT_EQ(tier->find(key_of(2), {0, 16 * mib}), (byte_range{4 * mib, 5 * mib}));
  EXPECT_FALSE(tier->find(key_of(3), {0, mib}));

  const auto reads = store->reads.load();
  const auto got = read(key_of(1), {0, 300'000});
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, (byte_range{0, 300'000}));
  EXPECT_EQ(store->reads, reads + 1);
  EXPECT_TRUE(in_memory(1, {0, 300'000}));
  ASSERT_EQ(disk.given.size(), 1u) << "it is offered to the disk again";
  EXPECT_EQ(disk.given.front(), (byte_range{0, 300'000}));
}

TEST_F(cold_tier_of, a_part_of_an_extent_is_read_alone) {
  EXPECT_TRUE(evict(1, 0, mib));
  settle();
  const auto got = read(key_of(1), {200'000, 210'000});
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, (byte_range{196'608, 262'144})) << "whole blocks: they are what is verified";
  EXPECT_EQ(memory->held_bytes(key_of(1)), 65'536u);
}

TEST_F(cold_tier_of, what_waits_to_be_written_can_be_read) {
  store->set([](auto& of) { of.write_status = 503; });
  EXPECT_TRUE(evict(1, 0, 100'000));
  settle();
  EXPECT_TRUE(store->packs().empty());
  const auto reads = store->reads.load();
  EXPECT_TRUE(read(key_of(1), {0, 100'000}));
  EXPECT_EQ(store->reads, reads);
  EXPECT_TRUE(in_memory(1, {0, 100'000}));
}

TEST_F(cold_tier_of, a_new_process_finds_what_an_earlier_one_wrote) {
  for (unsigned i = 1; i <= 5; ++i) {
    EXPECT_TRUE(evict(i, 0, 5'000 * i));
    settle();
  }
  EXPECT_EQ(store->packs().size(), 5u);
  restart();
  for (unsigned i = 1; i <= 5; ++i) {
    EXPECT_TRUE(read(key_of(i), {0, 5'000 * i})) << i;
    EXPECT_TRUE(in_memory(i, {0, 5'000 * i})) << i;
  }
}

TEST_F(cold_tier_of, records_are_kept_until_the_store_was_read) {
  EXPECT_FALSE(tier->may_hold(key_of(1)));
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  EXPECT_TRUE(tier->may_hold(key_of(1)));
  store->set([](auto& of) { of.failing = error{error_kind::unreachable, "x", "", true}; });
  restart();
  EXPECT_FALSE(up());
  EXPECT_TRUE(tier->may_hold(key_of(2))) << "nobody knows";
  store->set([](auto& of) { of.failing.reset(); });
  time.advance(10s);
  round();
  EXPECT_TRUE(up());
  EXPECT_FALSE(tier->may_hold(key_of(2)));
  EXPECT_TRUE(tier->may_hold(key_of(1)));
}

TEST_F(cold_tier_of, a_damaged_block_is_a_miss_and_the_rest_is_not) {
  EXPECT_TRUE(evict(1, 0, 300'000));
  settle();
  damage(storage::disk::block_position(0, 2) + 5);
  const auto damaged_before = counts().damaged.value();
  const auto got = read(key_of(1), {0, 300'000});
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, (byte_range{0, 131'072})) << "what was good before the damage";
  EXPECT_TRUE(in_memory(1, {0, 131'072}));
  EXPECT_EQ(counts().damaged.value(), damaged_before + 1);
  EXPECT_FALSE(tier->find(key_of(1), {0, mib})) << "it is forgotten";
}

TEST_F(cold_tier_of, a_damaged_footer_costs_its_pack) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  EXPECT_TRUE(evict(2, 0, 5'000));
  settle();
  damage(store->get().objects[store->packs().front()].size() - storage::disk::sector_bytes + 10);
  restart();
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  EXPECT_TRUE(tier->find(key_of(2), {0, mib}));
}

TEST_F(cold_tier_of, a_pack_that_is_gone_is_a_miss) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  const auto gone = store->packs().front();
  store->set([&](auto& of) { of.objects.erase(gone); });
  ASSERT_TRUE(store->packs().empty());
  const auto got = read(key_of(1), {0, 5'000});
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, error_kind::not_found);
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  EXPECT_TRUE(up()) << "a store that answers is well";
}

TEST_F(cold_tier_of, a_version_that_proved_wrong_is_not_found) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  EXPECT_TRUE(tier->find(key_of(1), {0, mib}));
  erased = key_of(1);
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
}

TEST_F(cold_tier_of, a_dead_store_is_left_alone_and_comes_back) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  store->set([](auto& of) { of.failing = error{error_kind::unreachable, "x", "refused", true}; });
  for (unsigned i = 0; i < 3; ++i) EXPECT_FALSE(read(key_of(1), {0, 5'000}));
  EXPECT_FALSE(up());
  EXPECT_FALSE(tier->find(key_of(1), {0, mib})) << "no reader asks a dead store";
  EXPECT_FALSE(evict(2, 0, 5'000)) << "nothing is read from the disk for it";
  const auto reads = store->reads.load();
  round();
  EXPECT_EQ(store->reads, reads) << "not before its time";
  store->set([](auto& of) { of.failing.reset(); });
  time.advance(6s);
  round();
  EXPECT_TRUE(up());
  EXPECT_TRUE(read(key_of(1), {0, 5'000}));
}

TEST_F(cold_tier_of, readers_do_not_wait_long_for_a_store_that_hangs) {
  timeout = 30ms;
  restart();
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  store->set([](auto& of) { of.hangs = true; });
  for (unsigned i = 0; i < 3; ++i) {
    const auto got = read(key_of(1), {0, 5'000});
    ASSERT_FALSE(got);
    if (got.error().kind == error_kind::not_found) break; // it is left alone already
    EXPECT_EQ(got.error().kind, error_kind::timeout);
  }
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
}

TEST_F(cold_tier_of, a_full_store_is_read_and_not_written) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  for (const unsigned status : {403u, 507u}) {
    store->set([&](auto& of) { of.write_status = status; });
    EXPECT_TRUE(evict(2, 0, 5'000));
    settle();
    EXPECT_FALSE(evict(3, 0, 5'000)) << "not for a while";
    EXPECT_FALSE(tier->find(key_of(2), {0, mib})) << "it was dropped";
    EXPECT_TRUE(read(key_of(1), {0, 5'000}));
    EXPECT_TRUE(up());
    time.advance(61s);
  }
  store->set([](auto& of) { of.write_status = 200; });
  EXPECT_TRUE(evict(2, 0, 5'000));
  settle();
  EXPECT_TRUE(tier->find(key_of(2), {0, mib}));
}

TEST_F(cold_tier_of, a_write_whose_answer_was_lost_is_deleted) {
  store->set([](auto& of) { of.write_status = 500; });
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  round();
  round(); // three tries
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  store->set([](auto& of) { of.write_status = 200; });
  time.advance(10s);
  const auto deletes = store->deletes.load();
  round();
  EXPECT_EQ(store->deletes, deletes + 1) << "the store may have it after all";
}

TEST_F(cold_tier_of, the_queue_is_bounded) {
  queue_bytes = 4 * mib;
  restart();
  store->set([](auto& of) { of.write_status = 503; });
  const auto dropped = counts().dropped_queue.value();
  for (unsigned i = 1; i <= 3; ++i) EXPECT_TRUE(evict(i, 0, mib));
  EXPECT_FALSE(evict(4, 0, mib));
  EXPECT_EQ(counts().dropped_queue.value(), dropped + mib);
  store->set([](auto& of) { of.write_status = 200; });
  settle();
  EXPECT_TRUE(evict(4, 0, mib)) << "there is room again";
}

TEST_F(cold_tier_of, packs_that_are_too_old_are_deleted) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  time.advance(23h);
  EXPECT_TRUE(evict(2, 0, 5'000));
  settle();
  time.advance(2h);
  round();
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  EXPECT_TRUE(tier->find(key_of(2), {0, mib}));
  EXPECT_EQ(store->packs().size(), 1u);
  time.advance(24h);
  restart();
  EXPECT_TRUE(store->packs().empty()) << "also those of an earlier process";
}

TEST_F(cold_tier_of, the_oldest_make_room) {
  size_bytes = 3 * mib;
  restart();
  for (unsigned i = 1; i <= 4; ++i) {
    EXPECT_TRUE(evict(i, 0, 900'000));
    settle();
    std::uint64_t held = 0;
    for (const auto& [key, bytes] : store->get().objects)
      if (key.ends_with(".pack")) held += bytes.size();
    EXPECT_LE(held, size_bytes) << i;
  }
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  for (unsigned i = 2; i <= 4; ++i) EXPECT_TRUE(tier->find(key_of(i), {0, mib})) << i;
}

TEST_F(cold_tier_of, what_cannot_be_deleted_counts_and_is_tried_again) {
  size_bytes = 2 * mib;
  restart();
  for (unsigned i = 1; i <= 2; ++i) {
    EXPECT_TRUE(evict(i, 0, 900'000));
    settle();
  }
  store->set([](auto& of) { of.deletes_failing = error{error_kind::forbidden, "x", "denied"}; });
  EXPECT_TRUE(evict(3, 0, 900'000));
  settle();
  EXPECT_EQ(store->packs().size(), 2u) << "no room, so nothing was written";
  EXPECT_TRUE(tier->find(key_of(2), {0, mib})) << "one attempt, not all packs one after the other";
  store->set([](auto& of) { of.deletes_failing.reset(); });
  round();
  EXPECT_EQ(store->packs().size(), 1u);
}

TEST_F(cold_tier_of, a_prefix_belongs_to_one_node) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  stores = {"ffeeddccbbaa99887766554433221100"};
  node = "two";
  restart();
  EXPECT_FALSE(up());
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  EXPECT_FALSE(evict(2, 0, 5'000));
  EXPECT_EQ(store->packs().size(), 1u) << "nothing of the other's is touched";
  stores = {"00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"};
  restart();
  EXPECT_TRUE(up()) << "a directory was added to the owner's disk tier";
  EXPECT_TRUE(read(key_of(1), {0, 5'000}));
  stores = {"ffeeddccbbaa99887766554433221100"};
  restart();
  EXPECT_TRUE(up()) << "and the first one taken away";
  EXPECT_TRUE(read(key_of(1), {0, 5'000}));
}

TEST_F(cold_tier_of, a_node_that_lost_its_prefix_stops) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  const marker other{"two", {"ffeeddccbbaa99887766554433221100"}};
  store->set([&](auto& of) { of.objects[std::string(marker_key)] = other.render(); });
  time.advance(11min);
  round();
  EXPECT_FALSE(up());
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
}

TEST_F(cold_tier_of, a_place_that_left_the_configuration_is_forgotten) {
  EXPECT_TRUE(evict(1, 0, 5'000));
  settle();
  auto bigger = place();
  bigger.size_bytes *= 2;
  tier->configure({bigger});
  EXPECT_TRUE(tier->find(key_of(1), {0, mib})) << "the same place";
  tier->configure({});
  EXPECT_FALSE(tier->find(key_of(1), {0, mib}));
  EXPECT_FALSE(tier->wants(key_of(2), {0, 5'000}, tenant));
  EXPECT_EQ(store->packs().size(), 1u) << "the store keeps it";
}

TEST(cold_pack, names_are_read_as_they_are_written) {
  const pack_name name{"0123456789abcdef", 1'700'000'000, 77};
  const auto read = pack_name::parse(name.key());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->key(), "v1/0123456789abcdef/6553f100-000000000000004d.pack");
  EXPECT_EQ(read->number, 77u);
  for (const std::string_view other :
       {"", "v1/", "v2/0123456789abcdef/6553f100-000000000000004d.pack",
        "v1/0123456789ABCDEF/6553F100-000000000000004D.pack", "v1/0123456789abcdef/6553f100-000000000000004d.pac",
        "v1/0123456789abcdeg/6553f100-000000000000004d.pack", "v1/0123456789abcdef/+553f100-000000000000004d.pack"})
    EXPECT_FALSE(pack_name::parse(other)) << other;
}

TEST(cold_pack, a_footer_that_points_elsewhere_is_refused) {
  pack_builder builder;
  const std::vector<std::byte> bytes(5'000, std::byte{1});
  builder.add(version_key{}, 0, bytes, 1);
  const std::string whole = builder.finish(9);
  const auto sector = std::as_bytes(std::span(whole)).last(storage::disk::sector_bytes);
  const auto trailer = read_pack_trailer(sector, 9, whole.size());
  ASSERT_TRUE(trailer);
  EXPECT_FALSE(read_pack_trailer(sector, 8, whole.size())) << "of another pack";
  EXPECT_FALSE(read_pack_trailer(sector, 9, whole.size() + 64)) << "cut or grown";
  const auto footer = std::as_bytes(std::span(whole)).subspan(trailer->rows_at);
  EXPECT_TRUE(read_pack_rows(*trailer, footer));
  auto rows = *read_pack_rows(*trailer, footer);
  rows[0].position = 1'000'000; // a row whose checksum is right and whose place is not
  const auto lying = storage::disk::render_footer(9, rows, trailer->rows_at, trailer->data_end);
  const auto other = read_pack_trailer(std::span(lying).last(storage::disk::sector_bytes), 9, whole.size());
  ASSERT_TRUE(other);
  EXPECT_FALSE(read_pack_rows(*other, lying));
}

} // namespace
} // namespace forebay::cache::cold::testing
