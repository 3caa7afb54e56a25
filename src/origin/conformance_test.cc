// What every kind of origin does alike. A new kind adds its store to `all_stores`.
#include <gmock/gmock.h>

#include <functional>

#include "origin/testing/file_store.h"
#include "origin/testing/http_stores.h"
#include "origin/testing/ipfs_store.h"
#include "origin/testing/source_fixture.h"
#include "origin/testing/store_under_test.h"

namespace forebay::origin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::outcome;
using testing::store_under_test;

struct kind_of_store {
  const char* name;
  std::function<std::unique_ptr<store_under_test>()> make;
};

std::vector<kind_of_store> all_stores() {
  return {
      {"web", [] { return std::make_unique<testing::web_store>(); }},
      {"s3", [] { return std::make_unique<testing::s3_store>(); }},
      {"gcs", [] { return std::make_unique<testing::gcs_store>(); }},
      {"azure", [] { return std::make_unique<testing::azure_store>(); }},
      {"swift", [] { return std::make_unique<testing::swift_store>(); }},
      {"file", [] { return std::make_unique<testing::file_store>(); }},
      {"ipfs", [] { return std::make_unique<testing::ipfs_store>(); }},
  };
}

class Conformance : public testing::source_test, public ::testing::WithParamInterface<kind_of_store> {
protected:
  Conformance() : store_(GetParam().make()), from_(open(store_->url())) {}
  void put(const std::string& key, const std::string& body) {
    store_->put(key, body);
    if (!store_->replaces()) from_ = open(store_->url());
  }
  outcome read_range(const std::string& key, http::range_spec range, validator pin = {}) {
    read_request asked;
    asked.key = key;
    asked.range = range;
    asked.pin = std::move(pin);
    return read(from_, std::move(asked));
  }
  std::vector<std::string> keys(list_request asked) {
    const auto found = list(from_, std::move(asked));
    EXPECT_TRUE(found) << (found ? "" : found.error().message());
    std::vector<std::string> out;
    if (found)
      for (const list_entry& each : found->entries) out.push_back(each.key);
    return out;
  }
  std::unique_ptr<store_under_test> store_;
  std::shared_ptr<source> from_;
};

TEST_P(Conformance, ReadsWholeObjectsRangesAndEnds) {
  put("k", "0123456789");
  const outcome whole = read(from_, "k");
  ASSERT_TRUE(whole.answer) << whole.failed->message();
  EXPECT_EQ(whole.body, "0123456789");
  EXPECT_EQ(whole.answer->length_bytes, 10u);
  EXPECT_TRUE(whole.answer->pinned);
  const outcome part = read_range("k", {2, 4});
  ASSERT_TRUE(part.answer) << part.failed->message();
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.answer->length_bytes, 10u);
  EXPECT_EQ(part.answer->pinned, whole.answer->pinned);
  EXPECT_EQ(read_range("k", {std::nullopt, 3}).body, "789");
  EXPECT_EQ(read_range("k", {7, std::nullopt}).body, "789");
}

TEST_P(Conformance, AHeadTellsWhatAReadWould) {
  put("k", "0123456789");
  read_request asked;
  asked.key = "k";
  asked.head_only = true;
  const outcome head = read(from_, asked);
  ASSERT_TRUE(head.answer) << head.failed->message();
  EXPECT_EQ(head.answer->length_bytes, 10u);
  EXPECT_EQ(head.answer->pinned, read(from_, "k").answer->pinned);
  EXPECT_EQ(head.body, "");
}

TEST_P(Conformance, APinnedReadIsOfThatVersionOrChanged) {
  put("k", "first");
  const outcome before = read(from_, "k");
  ASSERT_TRUE(before.answer);
  EXPECT_EQ(read_range("k", {1, 2}, before.answer->pinned).body, "ir");
  put("k", "other");
  const outcome after = read_range("k", {1, 2}, before.answer->pinned);
  ASSERT_TRUE(after.failed);
  EXPECT_EQ(after.failed->kind, error_kind::changed);
  EXPECT_NE(read(from_, "k").answer->pinned, before.answer->pinned);
}

TEST_P(Conformance, BeyondTheEndIsUnsatisfiableAndTellsTheLength) {
  put("k", "0123456789");
  const outcome got = read_range("k", {10, 12});
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::range_unsatisfiable);
  EXPECT_EQ(unsatisfied_length(*got.failed), 10u);
}

TEST_P(Conformance, WhatIsNotThereIsNotFoundAndNothingElse) {
  const outcome got = read(from_, "absent");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::not_found);
}

TEST_P(Conformance, RefusalsAndFailuresKeepTheirKinds) {
  if (!store_->speaks_http()) GTEST_SKIP();
  put("k", "data");
  source_settings once = testing::quick_settings();
  once.limits.attempts = 1;
  const auto from = open(store_->url(), once);
  for (const auto& [status, kind] :
       std::vector<std::pair<std::string, error_kind>>{{"401 Unauthorized", error_kind::unauthorised},
                                                       {"403 Forbidden", error_kind::forbidden},
                                                       {"404 Not Found", error_kind::not_found},
                                                       {"410 Gone", error_kind::gone},
                                                       {"429 Too Many Requests", error_kind::throttled},
                                                       {"500 Internal Server Error", error_kind::broken},
                                                       {"502 Bad Gateway", error_kind::unreachable},
                                                       {"503 Service Unavailable", error_kind::unreachable},
                                                       {"504 Gateway Timeout", error_kind::timeout}}) {
    store_->answer_with({status});
    const outcome got = read(from, "k");
    ASSERT_TRUE(got.failed) << status;
    EXPECT_EQ(to_string(got.failed->kind), to_string(kind)) << status;
  }
}

TEST_P(Conformance, PassingFailuresAreTriedAgainAndRefusalsAreNot) {
  if (!store_->speaks_http()) GTEST_SKIP();
  put("k", "data");
  store_->answer_with({"503 Service Unavailable", "429 Too Many Requests"});
  EXPECT_EQ(read(from_, "k").body, "data");
  EXPECT_EQ(store_->requests(), 3u);
  store_->answer_with({"403 Forbidden"});
  EXPECT_TRUE(read(from_, "k").failed);
  EXPECT_EQ(store_->requests(), 4u);
}

TEST_P(Conformance, ArchivedAndMovedObjectsAreRefusalsThatSayWhatToDo) {
  if (!store_->speaks_http()) GTEST_SKIP();
  put("k", "data");
  store_->answer_with({"403 Forbidden\n\n<Error><Code>InvalidObjectState</Code></Error>"});
  const outcome archived = read(from_, "k");
  ASSERT_TRUE(archived.failed);
  EXPECT_EQ(archived.failed->kind, error_kind::forbidden);
  EXPECT_THAT(archived.failed->context, HasSubstr("restore it"));
  store_->answer_with({"409 Conflict\n\n<Error><Code>BlobArchived</Code></Error>"});
  const outcome cold = read(from_, "k");
  ASSERT_TRUE(cold.failed);
  EXPECT_EQ(cold.failed->kind, error_kind::forbidden);
  EXPECT_THAT(cold.failed->context, HasSubstr("restore it"));
  EXPECT_EQ(store_->requests(), 2u) << "what has to be restored is not asked for again and again";
  for (const std::string status : {"301 Moved Permanently", "307 Temporary Redirect"}) {
    store_->answer_with(
        std::vector<std::string>(4, status + "\n\n<Error><Code>PermanentRedirect</Code></Error>")); // at any address
    const outcome moved = read(from_, "k");
    ASSERT_TRUE(moved.failed) << status;
    EXPECT_EQ(to_string(moved.failed->kind), to_string(error_kind::broken)) << status;
    store_->answer_with({});
  }
}

TEST_P(Conformance, OddKeysArriveAsTheyAre) {
  for (const std::string key : {"a b", "a+b", "a%20b", "日本語/ü", "x=1&y=2", "semi;colon", "tilde~(1)!", "ha#sh",
                                "quo'te", "deep/er/still.zarr/0.0.0"}) {
    put(key, "of " + key);
    EXPECT_EQ(read(from_, key).body, "of " + key);
  }
}

TEST_P(Conformance, ListsOneLevel) {
  for (const char* key : {"d/a", "d/b", "d/e/f", "d/e/g", "other"}) put(key, "x");
  list_request asked;
  asked.prefix = "d/";
  EXPECT_THAT(keys(asked), ElementsAre("d/a", "d/b", "d/e/"));
  const auto found = list(from_, asked);
  EXPECT_EQ(found->entries[0].length_bytes, 1u);
  EXPECT_TRUE(found->entries[2].directory);
}

TEST_P(Conformance, ListsAllInOrderOverPages) {
  for (const char* key : {"d/a", "d/b c", "d/e/f", "d/e/g+h", "d/z"}) put(key, "x");
  list_request asked;
  asked.prefix = "d/";
  asked.recursive = true;
  asked.max_entries = 2;
  std::vector<std::string> all;
  for (unsigned pages = 0; pages < 5; ++pages) {
    const auto found = list(from_, asked);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_LE(found->entries.size(), 2u);
    for (const list_entry& each : found->entries) all.push_back(each.key);
    if (!found->truncated()) break;
    asked.continuation = found->next;
  }
  EXPECT_THAT(all, ElementsAre("d/a", "d/b c", "d/e/f", "d/e/g+h", "d/z"));
}

TEST_P(Conformance, ListsBehindAKey) {
  for (const char* key : {"d/a", "d/b", "d/c", "d/d/e"}) put(key, "x");
  list_request asked;
  asked.prefix = "d/";
  asked.recursive = true;
  asked.start_after = "d/b";
  EXPECT_THAT(keys(asked), ElementsAre("d/c", "d/d/e"));
  asked.start_after = "d/bb"; // no key of the store
  EXPECT_THAT(keys(asked), ElementsAre("d/c", "d/d/e"));
}

TEST_P(Conformance, WritesPassThrough) {
  if (!store_->writes()) GTEST_SKIP();
  write_request asked;
  asked.method = "PUT";
  asked.key = "new/k y";
  asked.body = http::make_body("12345");
  asked.length_bytes = 5;
  const auto put = write(from_, std::move(asked));
  ASSERT_FALSE(put.failed) << put.failed->message();
  EXPECT_EQ(put.status / 100, 2u);
  EXPECT_EQ(store_->get("new/k y"), "12345");
}

INSTANTIATE_TEST_SUITE_P(Kinds, Conformance, ::testing::ValuesIn(all_stores()),
                         [](const auto& each) { return std::string(each.param.name); });

} // namespace
} // namespace forebay::origin
