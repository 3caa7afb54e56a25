// Listings: asked for once, kept for a while, forgotten when something below them changes.
#include "cache/listings.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "net/loop.h"
#include "net/testing/waiting.h"

namespace forebay::cache {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;
using page_result = result<std::shared_ptr<const listing_page>>;

/// A store of numbered keys whose answers the test may hold back.
class listed_store final : public origin::source {
public:
  explicit listed_store(std::string name) : name_(std::move(name)) {}
  std::atomic<unsigned> requests{0};
  std::atomic<std::uint64_t> keys{3};
  std::mutex mutex;
  std::optional<error> failing;
  std::atomic<bool> held{false};
  std::shared_ptr<net::event> gate; ///< on the loop that asked; under the mutex
  std::vector<origin::list_request> asked_for;

  void release() {
    held = false;
    const std::lock_guard lock(mutex);
    if (gate) gate->notify();
  }

  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string&) const override {
    return {"fake", name_, "bucket", "base/" + key, scope, ""};
  }
  net::task<result<origin::read_answer>> read(origin::read_request) override {
    co_return fail(error_kind::unsupported, name_, "lists only");
  }
  net::task<result<origin::write_answer>> write(origin::write_request) override {
    co_return fail(error_kind::unsupported, name_, "lists only");
  }
  net::task<result<origin::listing>> list(origin::list_request asked) override {
    ++requests;
    const std::uint64_t count = keys; // as of now, whenever the answer leaves
    std::optional<error> refused;
    {
      const std::lock_guard lock(mutex);
      asked_for.push_back(asked);
      gate = std::make_shared<net::event>();
      refused = failing;
      if (asked.token != nullptr && asked.token->secret() == "refused")
        refused = error{error_kind::forbidden, name_, "not for this reader"};
    }
    const auto mine = gate;
    while (held) co_await mine->wait(net::deadline::after(std::chrono::minutes(5)));
    if (refused) co_return fail(*refused);
    origin::listing page;
    const std::uint64_t from = asked.continuation.empty() ? 0 : std::stoull(asked.continuation);
    for (std::uint64_t n = from; n < count && page.entries.size() < asked.max_entries; ++n)
      page.entries.push_back({asked.prefix + std::to_string(n), false, n, {}, "\"e\""});
    if (from + page.entries.size() < count) page.next = std::to_string(from + page.entries.size());
    co_return page;
  }
  std::string scope = "anonymous";

private:
  std::string name_;
};

class listings : public ::testing::Test {
protected:
  void SetUp() override {
    store = std::make_shared<listed_store>("near");
    make_space({store});
    cache = std::make_unique<listing_cache>(listing_limits{}, time);
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
  }
  void TearDown() override {
    loops->stop();
    cache.reset();
    loops.reset();
  }
  void make_space(std::vector<std::shared_ptr<origin::source>> origins) {
    auto made = std::make_shared<space::name_space>();
    made->origins = std::move(origins);
    space = made;
  }
  page_request wish(const std::string& prefix) const {
    page_request asked;
    asked.space = space;
    asked.prefix = prefix;
    return asked;
  }
  page_result list(page_request asked) {
    report = {};
    return net::testing::outcome_of(loops->at(0), cache->list(std::move(asked), &report));
  }
  page_result list(const std::string& prefix) { return list(wish(prefix)); }

  struct waiting {
    std::optional<page_result> got;
    std::atomic<bool> done{false};
  };
  static net::task<void> wait_for(listing_cache* from, page_request asked, waiting* into) {
    into->got.emplace(co_await from->list(std::move(asked), nullptr));
    into->done = true;
  }
  void begin(waiting& into, unsigned loop, const std::string& prefix, const char* token = nullptr) {
    page_request asked = wish(prefix);
    if (token != nullptr) asked.token = std::make_shared<const origin::reader_token>(token);
    loops->at(loop).spawn(wait_for(cache.get(), std::move(asked), &into));
  }
  void fail_with(std::optional<error_kind> kind) {
    const std::lock_guard lock(store->mutex);
    store->failing.reset();
    if (kind) store->failing = error{*kind, "near", "as the test wants", true};
  }

  fake_clock time;
  std::shared_ptr<listed_store> store;
  std::shared_ptr<const space::name_space> space;
  std::unique_ptr<listing_cache> cache;
  std::unique_ptr<net::loop_group> loops;
  lookup_report report;
};

TEST_F(listings, a_page_is_fresh_for_its_ttl) {
  EXPECT_EQ((*list("a/"))->entries.size(), 3u);
  EXPECT_FALSE(report.hit);
  store->keys = 4;
  EXPECT_EQ((*list("a/"))->entries.size(), 3u);
  EXPECT_TRUE(report.hit);
  time.advance(60s);
  EXPECT_EQ((*list("a/"))->entries.size(), 4u);
  EXPECT_EQ(store->requests, 2u);
}

TEST_F(listings, a_reader_who_insists_is_given_what_there_is_now) {
  ASSERT_TRUE(list("a/"));
  store->keys = 4;
  auto asked = wish("a/");
  asked.insists = true;
  EXPECT_EQ((*list(asked))->entries.size(), 4u);
  EXPECT_EQ((*list("a/"))->entries.size(), 4u); // and those after him too
  EXPECT_EQ(store->requests, 2u);
}

TEST_F(listings, a_storm_for_one_page_is_one_request) {
  store->held = true;
  std::deque<waiting> all(100);
  for (unsigned i = 0; i < all.size(); ++i) begin(all[i], i % 2, "a/");
  eventually([&] { return store->requests == 1; });
  net::testing::take_turns(*loops, 20);
  store->release();
  for (auto& each : all) {
    eventually([&] { return each.done.load(); });
    EXPECT_EQ((**each.got)->entries.size(), 3u);
  }
  EXPECT_EQ(store->requests, 1u);
}

TEST_F(listings, who_waits_for_a_page_is_not_refused_for_another) {
  store->held = true;
  waiting refused, other;
  begin(refused, 0, "a/", "refused");
  eventually([&] { return store->requests == 1; });
  begin(other, 1, "a/", "good");
  net::testing::take_turns(*loops, 20);
  store->release();
  eventually([&] { return refused.done && other.done; });
  EXPECT_EQ(refused.got->error().kind, error_kind::forbidden);
  EXPECT_EQ((**other.got)->entries.size(), 3u);
  EXPECT_EQ(store->requests, 2u);
}

TEST_F(listings, waiters_of_a_page_are_bounded) {
  cache->update_limits({1 << 20, 1});
  store->held = true;
  waiting first, second;
  begin(first, 0, "a/");
  eventually([&] { return store->requests == 1; });
  begin(second, 1, "a/");
  eventually([&] { return second.done.load(); });
  EXPECT_EQ(second.got->error().kind, error_kind::exhausted);
  store->release();
  eventually([&] { return first.done.load(); });
  EXPECT_TRUE(first.got->has_value());
}

TEST_F(listings, an_exchange_that_outlived_its_deadline_does_not_stand_in_the_way) {
  cache->update_limits({1 << 20, 10, 0ms});
  store->held = true;
  auto asked = wish("a/");
  asked.timeout = 1ms;
  const auto given_up = list(asked);
  ASSERT_FALSE(given_up);
  EXPECT_EQ(given_up.error().kind, error_kind::timeout);
  waiting next;
  begin(next, 0, "a/");
  eventually([&] { return store->requests == 2; });
  store->release();
  eventually([&] { return next.done.load(); });
  EXPECT_TRUE(next.got->has_value());
  EXPECT_TRUE(list("a/"));
  EXPECT_TRUE(report.hit);
}

TEST_F(listings, pages_follow_each_other_at_one_origin) {
  store->keys = 5;
  auto asked = wish("a/");
  asked.max_entries = 2;
  const auto one = *list(asked);
  ASSERT_TRUE(one->truncated());
  asked.continuation = one->next;
  const auto two = *list(asked);
  EXPECT_EQ(two->entries.front().key, "a/2");
  asked.continuation = two->next;
  EXPECT_FALSE((*list(asked))->truncated());
  EXPECT_EQ(store->requests, 3u);
  for (const char* foreign : {"7.x", "x", "0.", ".1"}) {
    asked.continuation = foreign;
    EXPECT_EQ(list(asked).error().kind, error_kind::invalid_input) << foreign;
  }
}

TEST_F(listings, a_write_below_the_prefix_is_seen_by_who_asks_next) {
  for (const char* prefix : {"", "a/", "a/b", "b/"}) ASSERT_TRUE(list(prefix));
  ASSERT_EQ(store->requests, 4u);
  store->scope = "s3:other"; // what one credential wrote the other sees
  cache->forget_object(store->identify("a/bc", ""));
  store->scope = "anonymous";
  for (const char* prefix : {"", "a/", "a/b", "b/"}) ASSERT_TRUE(list(prefix));
  EXPECT_EQ(store->requests, 7u);
}

TEST_F(listings, a_purged_prefix_takes_the_pages_above_and_below_it) {
  for (const char* prefix : {"", "a/", "a/b/c/", "b/"}) ASSERT_TRUE(list(prefix));
  cache->forget_prefix(store->identify("a/b", ""));
  for (const char* prefix : {"", "a/", "a/b/c/", "b/"}) ASSERT_TRUE(list(prefix));
  EXPECT_EQ(store->requests, 7u);
}

TEST_F(listings, a_page_on_its_way_while_something_changes_is_not_kept) {
  store->held = true;
  waiting early;
  begin(early, 0, "a/");
  eventually([&] { return store->requests == 1; });
  store->keys = 4;
  cache->forget_object(store->identify("a/3", ""));
  store->release();
  eventually([&] { return early.done.load(); });
  EXPECT_EQ((*list("a/"))->entries.size(), 4u);
  EXPECT_EQ(store->requests, 2u);
}

TEST_F(listings, absence_is_kept_as_long_as_that_of_objects) {
  fail_with(error_kind::not_found);
  EXPECT_EQ(list("a/").error().kind, error_kind::not_found);
  EXPECT_EQ(list("a/").error().kind, error_kind::not_found);
  EXPECT_EQ(store->requests, 1u);
  fail_with({});
  time.advance(5s);
  EXPECT_TRUE(list("a/"));
}

TEST_F(listings, failures_are_not_kept_and_an_old_page_may_stand_in) {
  fail_with(error_kind::unreachable);
  EXPECT_EQ(list("a/").error().kind, error_kind::unreachable);
  fail_with({});
  EXPECT_TRUE(list("a/"));
  fail_with(error_kind::throttled);
  time.advance(61s);
  EXPECT_TRUE(list("a/"));
  EXPECT_TRUE(report.stale);
  time.advance(3600s);
  EXPECT_EQ(list("a/").error().kind, error_kind::throttled);
}

TEST_F(listings, a_mirror_answers_for_a_dead_origin_and_goes_on) {
  const auto mirror = std::make_shared<listed_store>("far");
  make_space({store, mirror});
  fail_with(error_kind::unreachable);
  auto asked = wish("a/");
  asked.max_entries = 2;
  const auto page = list(asked);
  ASSERT_TRUE(page);
  fail_with({});
  asked.continuation = (*page)->next;
  EXPECT_EQ((*list(asked))->entries.front().key, "a/2");
  EXPECT_EQ(mirror->requests, 2u);
  EXPECT_EQ(store->requests, 1u);
}

TEST_F(listings, memory_is_bounded_however_many_pages_are_read) {
  cache->update_limits({64 * 1024, 100});
  store->keys = 100'000;
  auto asked = wish("a/");
  asked.max_entries = 50;
  for (unsigned page = 0; page < 100; ++page) {
    const auto got = list(asked);
    ASSERT_TRUE(got);
    asked.continuation = (*got)->next;
    ASSERT_LE(cache->usage_now().bytes, 64u * 1024);
  }
  EXPECT_GT(cache->usage_now().pages, 2u);
  asked.max_entries = 5'000; // larger than its share: given, not kept
  const std::size_t before = cache->usage_now().pages;
  ASSERT_TRUE(list(asked));
  EXPECT_EQ(cache->usage_now().pages, before);
}

} // namespace
} // namespace forebay::cache
