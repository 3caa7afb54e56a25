// For tests: the S3 listener before a store that the test directs, and a client that may write.
#pragma once

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "front/s3/s3_front.h"
#include "front/testing/front_scene.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3::testing {

using front::testing::front_scene;
using front::testing::scene_origin;
using front::testing::seen_answer;

/// A text, at whose end the connection may break.
class text_body final : public http::client_body {
public:
  text_body(std::string text, bool breaks) : text_(std::move(text)), breaks_(breaks) {}
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    const std::size_t count = std::min(into.size(), text_.size());
    std::memcpy(into.data(), text_.data(), count);
    text_.erase(0, count);
    if (count == 0 && breaks_) co_return fail(error_kind::broken, "store", "connection reset", true);
    co_return count;
  }
  bool at_end() const noexcept override { return true; }

private:
  std::string text_;
  bool breaks_;
};

/// A store that speaks S3 (or what `kind` says), in one of two scopes.
class s3_store final : public scene_origin {
public:
  origin::identity identify(const std::string& key, const std::string& query) const override {
    std::string name = key;
    if (const auto at = query.find("versionId="); at != std::string::npos) name += '\0' + query.substr(at);
    return {kind, "https://h:443", "bucket", std::move(name), scope, ""};
  }
  net::task<result<origin::write_answer>> write(origin::write_request asked) override {
    writes.push_back(asked.method + " " + asked.key + (asked.query.empty() ? "" : "?" + asked.query));
    written_fields = asked.fields;
    if (write_failure) co_return fail(*write_failure);
    origin::write_answer answer;
    answer.head.status = write_status;
    answer.head.fields = write_answer_fields;
    answer.body = std::make_unique<text_body>(document, breaks_off);
    co_return answer;
  }
  std::string kind = "s3", scope = "s3:me", document;
  bool breaks_off = false; ///< the document
};

class s3_writes : public front_scene {
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

} // namespace forebay::front::s3::testing
