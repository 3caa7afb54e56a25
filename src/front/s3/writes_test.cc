// Writes of the S3 listener, to a store that the test directs.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/text.h"
#include "front/s3/s3_front.h"
#include "front/testing/front_scene.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::seen_answer;

class text_body final : public http::client_body {
public:
  explicit text_body(std::string text) : text_(std::move(text)) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    const std::size_t count = std::min(into.size(), text_.size());
    std::memcpy(into.data(), text_.data(), count);
    text_.erase(0, count);
    co_return count;
  }
  bool at_end() const noexcept override { return true; }

private:
  std::string text_;
};

/// A store that speaks S3, in one of two scopes.
class s3_store final : public testing::scene_origin {
public:
  origin::identity identify(const std::string& key, const std::string& query) const override {
    std::string name = key;
    if (const auto at = query.find("versionId="); at != std::string::npos) name += '\0' + query.substr(at);
    return {"s3", "https://h:443", "bucket", std::move(name), scope, ""};
  }
  net::task<result<origin::write_answer>> write(origin::write_request asked) override {
    writes.push_back(asked.method + " " + asked.key + (asked.query.empty() ? "" : "?" + asked.query));
    origin::write_answer answer;
    answer.head.status = write_status;
    answer.body = std::make_unique<text_body>(document);
    co_return answer;
  }
  std::string scope = "s3:me", document;
};

constexpr const char* no_such_key = "<Error><Code>NoSuchKey</Code><Message>none</Message></Error>";

class s3_writes : public testing::front_scene {
protected:
  void SetUp() override {
    front_scene::SetUp();
    store = std::make_shared<s3_store>();
    origin = store;
    store->reads.set([](auto& state) { state.length_bytes = 1'000; });
    store->write_status = 200;
    make_space([](space::name_space& space) {
      space.bucket = "box";
      space.write = true;
    });
    serve();
  }
  void serve() {
    auto keyed = std::make_shared<s3_settings>();
    keyed->common = settings;
    keyed->keys = {{"me", "secret", {"*"}, true}};
    s3 = std::make_unique<s3_front>(*cache, keyed, nullptr);
  }
  void TearDown() override {
    s3.reset();
    front_scene::TearDown();
  }
  seen_answer ask(const std::string& method, const std::string& target, field_list more = {},
                  const std::string& body = {}) {
    origin::s3::signed_request wanted{method, "node:9000", target.substr(0, target.find('?')), canonical_query(target),
                                      payload};
    http::header_table fields;
    for (const auto& [name, value] : more) fields.add(name, value);
    origin::s3::sign(wanted, fields, {"me", "secret", ""}, "us-east-1", system_clock().wall());
    std::vector<std::pair<std::string, std::string>> all = {{"Host", "node:9000"}};
    fields.each([&](std::string_view name, std::string_view value) { all.emplace_back(name, value); });
    if (!body.empty()) all.emplace_back("Content-Length", std::to_string(body.size()));
    return ask_all(method, target, all, body);
  }
  static std::string canonical_query(const std::string& target) {
    const std::size_t mark = target.find('?');
    if (mark == std::string::npos) return {};
    std::vector<std::string> pairs;
    for (const std::string_view each : split(std::string_view(target).substr(mark + 1), '&'))
      pairs.push_back(std::string(each) + (each.find('=') == std::string_view::npos ? "=" : ""));
    std::sort(pairs.begin(), pairs.end());
    return fmt::format("{}", fmt::join(pairs, "&"));
  }
  seen_answer ask_all(const std::string& method, const std::string& target,
                      const std::vector<std::pair<std::string, std::string>>& fields, const std::string& body) {
    extra_fields relay{*s3, fields};
    return front_scene::ask(relay, method, target, {}, body);
  }

  /// Adds fields whose number a test does not write down.
  struct extra_fields final : http::handler {
    extra_fields(http::handler& to, const std::vector<std::pair<std::string, std::string>>& with)
        : inner(to), fields(with) {}
    net::task<http::response> handle(http::request& asked) override {
      for (const auto& [name, value] : fields) asked.head.fields.add(name, value);
      return inner.handle(asked);
    }
    http::response refuse(const error& why, unsigned status) override { return inner.refuse(why, status); }
    void finished(const http::exchange_record& record, const http::response& sent) noexcept override {
      inner.finished(record, sent);
    }
    http::handler& inner;
    const std::vector<std::pair<std::string, std::string>>& fields;
  };

  std::shared_ptr<s3_store> store;
  std::unique_ptr<s3_front> s3;
  std::string payload{origin::s3::unsigned_payload}; ///< x-amz-content-sha256
};

TEST_F(s3_writes, a_delete_is_acknowledged_only_by_the_stores_own_document) {
  ask("GET", "/box/a");
  store->reads.set([](auto& state) { state.version = 2; });
  store->write_status = 404;
  store->document = "<html>404 Not Found, nginx</html>";
  EXPECT_EQ(ask("DELETE", "/box/a").status, 503u);
  store->document = no_such_key;
  EXPECT_EQ(ask("DELETE", "/box/a").status, 204u);
  EXPECT_EQ(ask("GET", "/box/a").body, bytes(0, 1'000, 2)) << "what the store does not have is not held on to";
}

TEST_F(s3_writes, unknown_parameters_do_not_make_a_plain_write) {
  for (const char* target : {"/box/a?renameObject", "/box/a?encryption", "/box/a?tagging", "/box/a?acl",
                             "/box/a?versionId=1", "/box/a?x-amz-copy-source=b%2Fc"})
    EXPECT_EQ(ask("PUT", target).status, 501u) << target;
  EXPECT_EQ(ask("DELETE", "/box/a?tagging").status, 501u);
  EXPECT_EQ(ask("POST", "/box/a?restore").status, 501u);
  for (const char* target : {"/box/a?uploadId=1", "/box/a?partNumber=1", "/box/a?partNumber=1&uploadId="})
    EXPECT_EQ(ask("PUT", target).status, 400u) << target;
  EXPECT_EQ(ask("DELETE", "/box/a?uploadId=").status, 400u);
  EXPECT_THAT(store->writes, IsEmpty());
  EXPECT_EQ(ask("PUT", "/box/a?x-id=PutObject").status, 200u);
  EXPECT_THAT(store->writes, ElementsAre("PUT a"));
}

TEST_F(s3_writes, keys_that_lead_out_of_the_bucket_are_not_removed_or_copied) {
  const std::string list = "<Delete><Object><Key>../../victim</Key></Object><Object><Key>good</Key></Object></Delete>";
  const auto seen = ask("POST", "/box?delete", {}, list);
  EXPECT_EQ(seen.status, 200u);
  EXPECT_THAT(seen.body, HasSubstr("<Error><Key>../../victim</Key><Code>InvalidArgument</Code>"));
  EXPECT_THAT(seen.body, HasSubstr("<Deleted><Key>good</Key></Deleted>"));
  EXPECT_EQ(ask("PUT", "/box/a", {{"x-amz-copy-source", "/box/x/%2e%2e/%2e%2e/victim"}}).status, 400u);
  EXPECT_THAT(store->writes, ElementsAre("DELETE good"));
}

TEST_F(s3_writes, a_length_beyond_all_bounds_is_too_large) {
  payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
  for (const char* length : {"18446744073709551615", "9223372036854775807"}) {
    const auto seen = ask("PUT", "/box/a", {{"x-amz-decoded-content-length", length}}, "0\r\n\r\n");
    EXPECT_THAT(seen.body, HasSubstr("<Code>EntityTooLarge</Code>"));
  }
  EXPECT_THAT(store->writes, IsEmpty());
}

TEST_F(s3_writes, the_version_that_was_removed_is_forgotten) {
  EXPECT_EQ(ask("GET", "/box/a?versionId=abc").body, bytes(0, 1'000));
  store->reads.set([](auto& state) { state.missing = true; });
  store->write_status = 204;
  EXPECT_EQ(ask("DELETE", "/box/a?versionId=abc").status, 204u);
  EXPECT_EQ(ask("GET", "/box/a?versionId=abc").status, 404u);
}

TEST_F(s3_writes, a_write_is_seen_through_every_namespace_of_the_bucket) {
  const auto open = std::make_shared<s3_store>();
  open->scope = "anonymous";
  open->reads.set([](auto& state) { state.length_bytes = 1'000; });
  auto rw = std::make_shared<space::name_space>(), ro = std::make_shared<space::name_space>();
  rw->path = rw->label = "/rw";
  rw->bucket = "rw";
  rw->write = true;
  rw->origins = {store};
  ro->path = ro->label = "/ro";
  ro->bucket = "ro";
  ro->origins = {open};
  auto both = std::make_shared<web_settings>(*settings);
  both->spaces = std::make_shared<space::space_map>(std::vector<std::shared_ptr<const space::name_space>>{rw, ro},
                                                    space::open_store_policy{},
                                                    [](std::string_view) -> result<std::shared_ptr<origin::source>> {
                                                      return fail(error_kind::internal, "test", "no open stores here");
                                                    });
  settings = both;
  serve();
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 1));
  open->reads.set([](auto& state) { state.version = 2; });
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 1)); // fresh, as far as we know
  EXPECT_EQ(ask("PUT", "/rw/a", {}, "x").status, 200u);
  EXPECT_EQ(ask("GET", "/ro/a").body, bytes(0, 1'000, 2));
}

TEST_F(s3_writes, a_prefix_that_leads_out_of_the_namespace_is_no_prefix) {
  for (const char* target : {"/box?list-type=2&prefix=..%2F..%2Fsecret%2F", "/box?prefix=a%2F.%2F", "/box?marker=..",
                             "/box?list-type=2&start-after=a%2F..", "/box?list-type=2&prefix=a%00b",
                             "/box?list-type=2&continuation-token=6b2e2e2f78"}) // "k../x"
    EXPECT_THAT(ask("GET", target).body, HasSubstr("<Code>InvalidArgument</Code>")) << target;
}

TEST_F(s3_writes, one_closed_file_does_not_close_its_directory) {
  store->listed->entries = {{"closed", false, {}, {}, {}}, {"open", false, 5, {}, {}}};
  store->reads.set([](auto& state) { state.failing = error{error_kind::forbidden, "fake", "closed"}; });
  const auto seen = ask("GET", "/box?list-type=2");
  EXPECT_EQ(seen.status, 200u);
  EXPECT_THAT(seen.body, HasSubstr("<Key>open</Key>"));
  EXPECT_THAT(seen.body, Not(HasSubstr("<Key>closed</Key>")));
  store->listed->entries = {{"closed", false, {}, {}, {}}};
  EXPECT_EQ(ask("GET", "/box?list-type=2&prefix=closed").status, 403u) << "all of them closed is no empty directory";
}

} // namespace
} // namespace forebay::front::s3
