// Whose word counts, for how long and for what: rights of readers that an origin decides about.
#include "space/access.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "base/base64.h"
#include "net/loop.h"
#include "net/testing/waiting.h"
#include "space/refusal_watch.h"
#include "space/token_end.h"

namespace forebay::space {
namespace {

using namespace std::chrono_literals;
using net::testing::eventually;
using net::testing::outcome_of;

/// An origin that knows tokens, and may be held back.
class guarded_origin final : public origin::source {
public:
  std::atomic<unsigned> heads{0}, gets{0}, lists{0}, waiting{0};
  std::atomic<bool> has_pages{true};
  std::atomic<bool> held{false}, has_heads{true};
  std::mutex mutex;
  std::set<std::string> tokens{"good"}, listers{"lister"};
  std::set<std::string> absent;
  std::optional<error> failing;

  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string&) const override {
    return {"fake", name_, "bucket", key, "readers", ""};
  }
  net::task<result<origin::read_answer>> read(origin::read_request asked) override {
    ++(asked.head_only ? heads : gets);
    ++waiting;
    while (held) co_await net::yield();
    --waiting;
    const std::lock_guard lock(mutex);
    if (asked.head_only && !has_heads) co_return fail(error{error_kind::unsupported, name_, "405", false, 405, {}});
    if (failing) co_return fail(*failing);
    if (asked.token == nullptr || !tokens.contains(asked.token->secret())) {
      if (asked.probe != nullptr) asked.probe->challenge = "Bearer realm=\"fake\"";
      const auto kind = asked.token == nullptr ? error_kind::unauthorised : error_kind::forbidden;
      co_return fail(error{kind, name_, "refused", false, 403, {}});
    }
    if (absent.contains(asked.key)) co_return fail(error{error_kind::not_found, name_, "none", false, 404, {}});
    co_return origin::read_answer{};
  }
  net::task<result<origin::listing>> list(origin::list_request asked) override {
    ++lists;
    const std::lock_guard lock(mutex);
    if (asked.token != nullptr && listers.contains(asked.token->secret())) co_return origin::listing{};
    if (asked.probe != nullptr) asked.probe->challenge = "Bearer realm=\"lists\"";
    co_return fail(error{error_kind::forbidden, name_, "refused", false, 403, {}});
  }
  bool lists_on_pages() const noexcept override { return has_pages; }
  net::task<result<origin::write_answer>> write(origin::write_request) override {
    co_return fail(error_kind::unsupported, name_, "read only");
  }

private:
  std::string name_ = "fake";
};

class access_test : public ::testing::Test {
protected:
  void SetUp() override {
    origin = std::make_shared<guarded_origin>();
    loops = std::make_unique<net::loop_group>(2);
    loops->start();
    make({}, {});
  }
  void TearDown() override {
    origin->held = false;
    loops->stop();
    access.reset();
    table.reset();
    loops.reset();
  }
  void make(access_policy policy, access_limits limits) {
    table = std::make_shared<access_table>(limits, time);
    access = std::make_shared<origin_access>("/d", policy, origin, table);
  }
  static origin::shown_token token(const char* text) {
    return text == nullptr ? nullptr : std::make_shared<const origin::reader_token>(text);
  }
  verdict decide(const char* shown, const std::string& key = "a/b") {
    return outcome_of(loops->at(0), access->decide(key, "", token(shown)));
  }
  /// "yes", or the kind of the failure.
  std::string word(const char* shown, const std::string& key = "a/b") {
    const verdict said = decide(shown, key);
    return said.outcome ? "yes" : std::string(to_string(said.outcome.error().kind));
  }

  fake_clock time;
  std::shared_ptr<guarded_origin> origin;
  std::shared_ptr<access_table> table;
  std::shared_ptr<origin_access> access;
  std::unique_ptr<net::loop_group> loops;
};

TEST_F(access_test, AYesIsBelievedForItsTimeAndANoForLess) {
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(word("good"), "yes");
  for (int turn = 0; turn < 3; ++turn) EXPECT_EQ(word("bad"), "forbidden");
  EXPECT_EQ(decide(nullptr).challenge, "Bearer realm=\"fake\"");
  EXPECT_EQ(word(nullptr), "unauthorised");
  EXPECT_EQ(origin->heads, 3u);
  time.advance(6s);
  EXPECT_EQ(word("good"), "yes");
  EXPECT_EQ(origin->heads, 3u);
  EXPECT_EQ(word("bad"), "forbidden");
  EXPECT_EQ(origin->heads, 4u);
  origin->tokens.clear();
  time.advance(53s);
  EXPECT_EQ(word("good"), "yes");
  time.advance(1s);
  EXPECT_EQ(word("good"), "forbidden");
}

TEST_F(access_test, AnAnswerIsForLeadingSegments) {
  make({60s, 5s, 2}, {});
  EXPECT_EQ(word("good", "a/b/1"), "yes");
  EXPECT_EQ(word("good", "a/b/2/3"), "yes");
  EXPECT_EQ(word("good", "a/b/"), "yes"); // a listing of what it covers
  EXPECT_EQ(origin->heads, 1u);
  for (const char* other : {"a/c/1", "a/b", "a", "", "ab/"}) EXPECT_EQ(word("good", other), "yes");
  EXPECT_EQ(origin->heads, 6u);
  EXPECT_TRUE(access->covers_below("a/b/"));
  EXPECT_FALSE(access->covers_below("a/"));
  EXPECT_FALSE(access->covers_below(""));
  make({60s, 5s, 0}, {});
  for (const char* any : {"a/c/1", "b", ""}) EXPECT_EQ(word("good", any), "yes");
  EXPECT_EQ(origin->heads, 7u);
  EXPECT_TRUE(access->covers_below(""));
}

TEST_F(access_test, NotFoundIsOfItsObjectAlone) {
  make({60s, 5s, 1}, {});
  origin->absent = {"a/none"};
  EXPECT_EQ(word("good", "a/none"), "not_found");
  EXPECT_EQ(word("good", "a/none"), "not_found");
  EXPECT_EQ(origin->heads, 1u);
  EXPECT_EQ(word("good", "a/b"), "yes");
  EXPECT_EQ(word("good", "a/none"), "yes"); // who may read the prefix is told by the cache
  EXPECT_EQ(origin->heads, 2u);
}

TEST_F(access_test, AStormIsOneQuestion) {
  make({60s, 5s, 1}, {});
  origin->held = true;
  std::vector<std::optional<verdict>> said(50);
  for (std::size_t i = 0; i < said.size(); ++i) {
    net::loop& where = loops->at(static_cast<unsigned>(i % 2));
    auto work = net::testing::keep_outcome(access->decide("a/" + std::to_string(i), "", token("good")), &said[i]);
    where.post([&where, work = std::make_shared<net::task<void>>(std::move(work))] { where.spawn(std::move(*work)); });
  }
  eventually([&] { return origin->waiting == 1u; });
  net::testing::take_turns(*loops, 3);
  origin->held = false;
  eventually([&] { return table->usage_now().running == 0; });
  net::testing::take_turns(*loops, 3);
  for (const auto& each : said) {
    ASSERT_TRUE(each.has_value());
    EXPECT_TRUE(each->outcome.has_value());
  }
  EXPECT_EQ(origin->heads, 1u);
}

TEST_F(access_test, WhatIsRememberedIsBounded) {
  make({}, {.answers = 10});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(word(("bad" + std::to_string(i)).c_str()), "forbidden");
  EXPECT_EQ(table->usage_now().answers, 10u);
  EXPECT_EQ(word("bad99"), "forbidden");
  EXPECT_EQ(origin->heads, 100u);
  EXPECT_EQ(word("bad0"), "forbidden"); // it had made room
  EXPECT_EQ(origin->heads, 101u);
}

TEST_F(access_test, AnOriginThatGivesNoWordLetsNobodyInAndIsAskedAgain) {
  origin->failing = error{error_kind::unreachable, "fake", "away", true, 0, {}};
  EXPECT_EQ(word("good"), "unreachable");
  EXPECT_EQ(word("good"), "unreachable");
  EXPECT_EQ(origin->heads, 2u);
  EXPECT_EQ(table->usage_now().answers, 0u);
}

TEST_F(access_test, AStoreOfObjectsIsAskedForAList) {
  make({60s, 5s, 1}, {});
  origin->has_pages = false;
  const auto word_on_list = [&](const char* shown, const std::string& key) {
    const verdict said = outcome_of(loops->at(0), access->decide(key, "", token(shown), access_action::list));
    return said.outcome ? std::string("yes") : said.challenge;
  };
  EXPECT_EQ(word_on_list("lister", "a/"), "yes");
  EXPECT_EQ(word_on_list("lister", "a/b/"), "yes"); // one answer covers what lies below
  EXPECT_EQ(origin->lists, 1u);
  EXPECT_EQ(word("lister", "a/b"), "forbidden"); // who may list may not read for that
  EXPECT_EQ(word("good", "a/b"), "yes");
  EXPECT_EQ(word_on_list("good", "a/"), "Bearer realm=\"lists\""); // nor the other way round
  EXPECT_EQ(word("good", ""), "forbidden");                        // the root is no object
  EXPECT_EQ(origin->heads, 2u);
  origin->has_pages = true;
  EXPECT_EQ(word_on_list("good", "a/"), "yes");
  EXPECT_EQ(origin->heads, 2u);
}

TEST_F(access_test, ARefusedTransferEndsAnAnswer) {
  make({3600s, 5s, 1}, {});
  const auto watched = watch_refusals(origin, access);
  const auto transfer = [&](const char* shown, const std::string& key) {
    origin::read_request asked;
    asked.key = key;
    asked.token = token(shown);
    return outcome_of(loops->at(0), watched->read(std::move(asked))).has_value();
  };
  origin->tokens.insert("other");
  EXPECT_EQ(word("good"), "yes");
  EXPECT_EQ(word("other"), "yes");
  EXPECT_TRUE(transfer("good", "a/b"));
  EXPECT_EQ(word("good"), "yes");
  EXPECT_EQ(origin->heads, 2u);
  origin->tokens.erase("good");
  EXPECT_EQ(word("good"), "yes"); // nobody has noticed
  EXPECT_FALSE(transfer("good", "a/c"));
  EXPECT_EQ(word("good"), "forbidden");
  EXPECT_EQ(word("other"), "yes");
  EXPECT_EQ(origin->heads, 3u);
  EXPECT_FALSE(transfer("good", "a/c")); // a no stays as long as it is believed
  EXPECT_EQ(word("good"), "forbidden");
  EXPECT_EQ(origin->heads, 3u);
  origin->absent = {"a/gone"};
  EXPECT_FALSE(transfer("other", "a/gone")); // which says nothing of a right
  EXPECT_EQ(word("other"), "yes");
  EXPECT_EQ(origin->heads, 3u);
}

TEST_F(access_test, ARefusedListEndsAnAnswer) {
  make({3600s, 5s, 1000}, {});
  const auto watched = watch_refusals(origin, access);
  EXPECT_EQ(word("good", "a/"), "yes");
  origin::list_request asked;
  asked.prefix = "a/b";
  asked.token = token("good");
  EXPECT_FALSE(outcome_of(loops->at(0), watched->list(std::move(asked))));
  EXPECT_EQ(word("good", "a/"), "yes");
  EXPECT_EQ(origin->heads, 2u);
}

TEST_F(access_test, WhereHeadsAreNotKnownTheFirstByteIsAskedFor) {
  origin->has_heads = false;
  EXPECT_EQ(word("good"), "yes");
  EXPECT_EQ(origin->gets, 1u);
  origin->failing = error{error_kind::range_unsatisfiable, "fake", "empty", false, 416, {}};
  EXPECT_EQ(word("good", "empty"), "yes");
}

std::string jwt(const std::string& claims) { return "e30." + base64url_encode(claims) + ".c2ln"; }

TEST_F(access_test, AnAnswerEndsWithItsToken) {
  make({3600s, 5s, 0}, {});
  const auto now = std::chrono::floor<std::chrono::seconds>(time.wall().time_since_epoch()).count();
  const std::string ends = jwt("{\"exp\":" + std::to_string(now + 100) + "}");
  const std::string ended = jwt("{\"exp\":" + std::to_string(now - 100) + "}");
  origin->tokens = {ends, ended};
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(word(ends.c_str()), "yes");
  EXPECT_EQ(origin->heads, 1u);
  for (int turn = 0; turn < 2; ++turn) EXPECT_EQ(word(ended.c_str()), "yes");
  EXPECT_EQ(origin->heads, 3u); // the origin's word counts, and is asked for each time
  time.advance(100s);
  EXPECT_EQ(word(ends.c_str()), "yes");
  EXPECT_EQ(origin->heads, 4u);
}

TEST_F(access_test, AClockThatIsSetForwardEndsATokenToo) {
  make({3600s, 5s, 0}, {});
  const auto now = std::chrono::floor<std::chrono::seconds>(time.wall().time_since_epoch()).count();
  const std::string ends = jwt("{\"exp\":" + std::to_string(now + 100) + "}");
  origin->tokens = {ends};
  EXPECT_EQ(word(ends.c_str()), "yes");
  time.jump_wall(200s);
  EXPECT_EQ(word(ends.c_str()), "yes");
  EXPECT_EQ(origin->heads, 2u);
}

TEST(TokenEnd, ReadsWhatATokenSaysAndNothingElse) {
  EXPECT_EQ(token_end(jwt("{\"exp\":1700000000}")), wall_time(1'700'000'000s));
  EXPECT_EQ(token_end(jwt("{\"exp\":1700000000.9,\"x\":[{}]}")), wall_time(1'700'000'000s));
  EXPECT_EQ(token_end(jwt("{\"exp\":-5}")), wall_time(0s));
  EXPECT_EQ(token_end(jwt("{\"exp\":1e18}")), wall_time(4'000'000'000s));
  for (const std::string& other :
       {jwt("{}"), jwt("{\"exp\":\"1\"}"), jwt("[1]"), jwt("{\"exp\":1"), jwt("{\"exp\":1e999}"), std::string("opaque"),
        std::string("a.b.c"), std::string("e30.+w==.x"), std::string()})
    EXPECT_FALSE(token_end(other)) << other;
}

TEST(Access, ListingsShowDirectories) {
  EXPECT_EQ(directory_of(""), "");
  EXPECT_EQ(directory_of("a"), "");
  EXPECT_EQ(directory_of("a/b"), "a/");
  EXPECT_EQ(directory_of("a/b/"), "a/b/");
}

} // namespace
} // namespace forebay::space
