// For tests: an object store that can be written, in memory, whose every move the test decides.
#pragma once

#include <atomic>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "net/wait.h"
#include "origin/source.h"

namespace forebay::cache::cold::testing {

/// Thread-safe.
class fake_store final : public origin::source {
public:
  struct state {
    std::map<std::string, std::string> objects;
    std::optional<error> failing;         ///< every exchange fails so
    bool hangs = false;                   ///< answers to reads wait for their deadline
    unsigned write_status = 200;          ///< what PUT is answered with; below 300: it is done
    std::optional<error> deletes_failing; ///< DELETE alone
  };
  void set(const std::function<void(state&)>& change) {
    const std::lock_guard guard(mutex_);
    change(state_);
  }
  /// What is set, without the objects.
  state mood() const {
    const std::lock_guard guard(mutex_);
    return {{}, state_.failing, state_.hangs, state_.write_status, state_.deletes_failing};
  }
  std::optional<std::string> object(const std::string& key) const {
    const std::lock_guard guard(mutex_);
    const auto found = state_.objects.find(key);
    return found == state_.objects.end() ? std::nullopt : std::optional(found->second);
  }
  state get() const {
    const std::lock_guard guard(mutex_);
    return state_;
  }
  std::vector<std::string> packs() const {
    std::vector<std::string> keys;
    for (const auto& [key, bytes] : get().objects)
      if (key.ends_with(".pack")) keys.push_back(key);
    return keys;
  }
  std::atomic<unsigned> reads{0}, writes{0}, deletes{0}, lists{0};

  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string&) const override {
    return {"fake", name_, "cold", key, "", ""};
  }
  net::task<result<origin::read_answer>> read(origin::read_request asked) override {
    ++reads;
    const state now = mood();
    if (now.failing) co_return fail(*now.failing);
    if (now.hangs) {
      const net::event never;
      co_await never.wait(asked.until);
      co_return fail(error_kind::timeout, name_, "no answer", true);
    }
    const auto found = object(asked.key);
    if (!found) co_return fail(error_kind::not_found, name_, "no such object");
    byte_range part{0, found->size()};
    origin::read_answer answer;
    answer.length_bytes = found->size();
    if (asked.range) {
      const auto range = http::resolve(*asked.range, found->size());
      if (!range) co_return fail(error_kind::range_unsatisfiable, name_, "beyond the end");
      part = *range;
      answer.status = 206;
      answer.range = part;
    }
    answer.body = std::make_unique<body>(found->substr(part.begin, part.length_bytes()));
    co_return answer;
  }
  net::task<result<origin::listing>> list(origin::list_request asked) override {
    ++lists;
    const state now = get();
    if (now.failing) co_return fail(*now.failing);
    origin::listing page;
    for (const auto& [key, bytes] : now.objects) {
      if (!key.starts_with(asked.prefix) || key <= asked.continuation) continue;
      if (page.entries.size() == 2) { // a small page: the next ones must be asked for, too
        page.next = page.entries.back().key;
        break;
      }
      origin::list_entry one;
      one.key = key;
      one.length_bytes = bytes.size();
      page.entries.push_back(std::move(one));
    }
    co_return page;
  }
  net::task<result<origin::write_answer>> write(origin::write_request asked) override {
    const state now = mood();
    if (now.failing) co_return fail(*now.failing);
    origin::write_answer answer;
    answer.body = std::make_unique<body>(std::string());
    if (asked.method == "DELETE") {
      ++deletes;
      if (now.deletes_failing) co_return fail(*now.deletes_failing);
      answer.head.status = object(asked.key) ? 204 : 404;
      set([&](state& of) { of.objects.erase(asked.key); });
      co_return answer;
    }
    ++writes;
    std::string text;
    for (;;) {
      auto piece = co_await asked.body->next(1u << 20);
      if (!piece) co_return fail(std::move(piece.error()));
      if (piece->empty()) break;
      text.append(reinterpret_cast<const char*>(piece->bytes.data()), piece->length_bytes());
    }
    answer.head.status = now.write_status;
    if (now.write_status >= 300) co_return answer;
    const bool only_new = asked.fields.has("If-None-Match");
    if (only_new && object(asked.key)) {
      answer.head.status = 412;
      co_return answer;
    }
    set([&](state& of) { of.objects[asked.key] = text; });
    co_return answer;
  }

private:
  class body final : public http::client_body {
  public:
    explicit body(std::string text) : text_(std::move(text)) {}
    net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
      const std::size_t count = std::min(into.size(), text_.size() - at_);
      if (count > 0) std::memcpy(into.data(), text_.data() + at_, count);
      at_ += count;
      co_return count;
    }
    bool at_end() const noexcept override { return at_ == text_.size(); }

  private:
    std::string text_;
    std::size_t at_ = 0;
  };

  std::string name_ = "fake://cold";
  mutable std::mutex mutex_;
  state state_;
};

} // namespace forebay::cache::cold::testing
