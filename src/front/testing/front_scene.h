// For tests: a data front over a real cache and an origin that the test directs, without sockets.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "cache/cache.h"
#include "cache/fake_origin.h"
#include "front/web/web_front.h"
#include "net/loop.h"
#include "storage/memory_tier.h"

namespace forebay::front::testing {

/// `fake_origin` with a listing, and a memory of what was written.
class scene_origin : public origin::source {
public:
  cache::testing::fake_origin reads;
  result<origin::listing> listed = origin::listing{};
  origin::list_request asked_listing;
  std::vector<std::string> writes;
  http::header_table written_fields, write_answer_fields;
  unsigned write_status = 201;
  std::optional<error> write_failure;

  const std::string& name() const noexcept override { return reads.name(); }
  origin::identity identify(const std::string& key, const std::string& query) const override {
    return reads.identify(key, query);
  }
  net::task<result<origin::read_answer>> read(origin::read_request asked) override {
    return reads.read(std::move(asked));
  }
  net::task<result<origin::listing>> list(origin::list_request asked) override {
    asked_listing = std::move(asked);
    co_return listed;
  }
  net::task<result<origin::write_answer>> write(origin::write_request asked) override {
    writes.push_back(asked.method + " " + asked.key);
    written_fields = asked.fields;
    if (write_failure) co_return fail(*write_failure);
    origin::write_answer answer;
    answer.head.status = write_status;
    answer.head.fields = write_answer_fields;
    co_return answer;
  }
  double egress_usd_per_gb() const noexcept override { return 0.09; }
};

/// What a reader would see.
struct seen_answer {
  unsigned status = 0;
  http::header_table fields; ///< those sent by reference included
  std::optional<std::uint64_t> length_bytes;
  std::string body;
  bool broken = false;
  std::string field(std::string_view name) const { return std::string(fields.get(name).value_or("")); }
};

class front_scene : public ::testing::Test {
protected:
  void SetUp() override {
    memory = std::move(*storage::memory_tier::make({.capacity_bytes = 64ull << 20}));
    cache = std::make_unique<cache::content_cache>(cache::cache_limits{}, *memory, nullptr, system_clock());
    origin = std::make_shared<scene_origin>();
    origin->reads.set([](auto& state) { state.length_bytes = 1'000; });
    settings = std::make_shared<web_settings>();
    settings->node_name = "near";
    make_space([](space::name_space&) {});
    loops = std::make_unique<net::loop_group>(1);
    loops->start();
  }
  void TearDown() override {
    loops->stop();
    front.reset();
    cache.reset();
    settings.reset();
    loops.reset();
    memory.reset();
  }

  /// One namespace at /data, changed as the test wants, and a front of it.
  void make_space(const std::function<void(space::name_space&)>& change) {
    auto made = std::make_shared<space::name_space>();
    made->path = "/data";
    made->label = "/data";
    made->origins = {origin};
    change(*made);
    space::open_store_policy closed;
    auto none = [](std::string_view) -> result<std::shared_ptr<origin::source>> {
      return fail(error_kind::internal, "test", "no open stores here");
    };
    auto fresh = std::make_shared<web_settings>(*settings);
    fresh->spaces =
        std::make_shared<space::space_map>(std::vector<std::shared_ptr<const space::name_space>>{made}, closed, none);
    settings = fresh;
    if (front == nullptr) {
      front = std::make_unique<web_front>(*cache, settings, nullptr);
    } else {
      front->update(settings);
    }
  }

  using field_list = std::initializer_list<std::pair<const char*, const char*>>;

  seen_answer ask(http::handler& handler, const std::string& method, const std::string& target, field_list fields = {},
                  const std::string& body = {}, const std::string& raw_head = {}) {
    seen_answer seen;
    http::request asked;
    asked.head.method = method;
    asked.head.target = target;
    asked.peer.address = *net::ip_address::parse("192.0.2.1");
    asked.id = "request-1";
    asked.raw_head = raw_head;
    for (const auto& [name, value] : fields) asked.head.fields.add(name, value);
    if (!body.empty()) asked.body = http::make_body(body);
    net::run_blocking(loops->at(0), exchange(&handler, &asked, &seen));
    return seen;
  }
  seen_answer ask(const std::string& method, const std::string& target, field_list fields = {}) {
    return ask(*front, method, target, fields);
  }

  /// Bytes [begin, end) of the origin's object.
  static std::string bytes(std::uint64_t begin, std::uint64_t end, std::uint64_t version = 1) {
    std::string text;
    for (std::uint64_t at = begin; at < end; ++at)
      text.push_back(static_cast<char>(cache::testing::byte_at(version, at)));
    return text;
  }

  std::unique_ptr<storage::memory_tier> memory;
  std::unique_ptr<cache::content_cache> cache;
  std::shared_ptr<scene_origin> origin;
  std::shared_ptr<web_settings> settings;
  std::unique_ptr<web_front> front;
  std::unique_ptr<net::loop_group> loops;

private:
  static net::task<void> exchange(http::handler* handler, http::request* asked, seen_answer* seen) {
    auto answer = co_await handler->handle(*asked);
    seen->status = answer.head.status;
    seen->fields = answer.head.fields;
    if (answer.shared_fields) add_lines(seen->fields, *answer.shared_fields);
    seen->length_bytes = answer.length_bytes;
    while (answer.body != nullptr) {
      auto piece = co_await answer.body->next(64 * 1024);
      seen->broken = !piece;
      if (!piece || piece->empty()) break;
      seen->body.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
    }
    const http::exchange_record record{asked,         answer.head.status,           seen->body.size(),
                                       !seen->broken, std::chrono::milliseconds(1), std::chrono::milliseconds(2)};
    handler->finished(record, answer);
    answer = {};
    asked->body.reset();
    asked->notes.reset();
  }
  static void add_lines(http::header_table& fields, std::string_view lines) {
    while (!lines.empty()) {
      const auto end = lines.find("\r\n"), colon = lines.find(':');
      fields.add(lines.substr(0, colon), lines.substr(colon + 1, end - colon - 1));
      lines.remove_prefix(end + 2);
    }
  }
};

} // namespace forebay::front::testing
