// For tests: an origin whose every move the test decides.
#pragma once

#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "http/date.h"
#include "http/etag.h"
#include "net/loop.h"
#include "net/wait.h"
#include "origin/checked_body.h"
#include "origin/source.h"

namespace forebay::cache::testing {

/// The byte at `offset` of version number `version`: different for neighbours and for versions.
inline std::byte byte_at(std::uint64_t version, std::uint64_t offset) {
  const std::uint64_t mixed = (offset + 1) * 0x9E3779B97F4A7C15ull + version * 0xC2B2AE3D27D4EB4Full;
  return static_cast<std::byte>(mixed >> 56);
}

/// A source with one object per key, all alike. Thread-safe; bodies are made on the fly.
class fake_origin final : public origin::source {
public:
  struct state {
    std::uint64_t length_bytes = 0;
    std::uint64_t version = 1;
    bool validator = true, length_known = true, ranges = true, missing = false;
    std::string cache_control = "max-age=60";
    std::optional<error> failing;         ///< every read fails so
    std::uint64_t cut_at = UINT64_MAX;    ///< bodies break off at this offset ...
    unsigned cuts = 0;                    ///< ... this many times
    std::uint64_t cut_after = UINT64_MAX; ///< every body breaks off after so many bytes
    std::uint64_t gate_at = UINT64_MAX;   ///< bodies wait at this offset until it is raised
    bool damaged = false;                 ///< whole objects come with the checksum of other bytes
    bool at_once = false;                 ///< bodies are there already: no read of them waits
    bool answers_wait = false;            ///< until it is false again; then they tell the state of when they were asked
    std::set<std::string> refused;        ///< tokens of readers who may not
    bool same_date = false;               ///< conditions hold by date alone: a 304 names whatever version there is
  };

  explicit fake_origin(std::string named = "fake") : name_(std::move(named)) {}

  /// Wakes who waits for another state.
  void set(const std::function<void(state&)>& change) {
    std::vector<std::weak_ptr<const net::event>> waiting;
    {
      const std::lock_guard lock(mutex_);
      change(state_);
      waiting.swap(waiting_);
    }
    for (const auto& each : waiting) {
      if (const auto alive = each.lock()) alive->notify();
    }
  }
  state get() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }
  std::atomic<std::uint64_t> requests{0}, bytes{0}, conditional{0}, heads{0};
  std::atomic<std::uint64_t> at_gate{0};

  const std::string& name() const noexcept override { return name_; }
  origin::identity identify(const std::string& key, const std::string& query) const override {
    return {"fake", name_, "bucket", key + (query.empty() ? "" : "?" + query), "anonymous", ""};
  }

  net::task<result<origin::read_answer>> read(origin::read_request asked) override {
    ++requests;
    if (asked.head_only) ++heads;
    const state now = get();
    while (const auto change = change_while([](const state& of) { return of.answers_wait; })) {
      co_await change->wait(net::deadline::after(wait_limit));
    }
    if (now.failing) co_return fail(*now.failing);
    if (asked.token != nullptr && now.refused.contains(asked.token->secret()))
      co_return fail(error{error_kind::forbidden, name_, "not for this reader", false, 403, {}});
    if (now.missing) co_return fail(error{error_kind::not_found, name_, "no such object", false, 404, {}});
    origin::read_answer answer;
    answer.requested = answer.received = std::chrono::system_clock::now();
    const std::string tag = "\"v" + std::to_string(now.version) + "\"";
    if (asked.pin && asked.pin.value != tag) {
      co_return fail(error{error_kind::changed, name_, "another version", false, 412, {}});
    }
    if (now.validator) {
      answer.fields.add("ETag", tag);
      answer.pinned = {origin::validator_kind::strong_etag, tag};
    }
    if (!now.cache_control.empty()) answer.fields.add("Cache-Control", now.cache_control);
    if (asked.if_none_match) ++conditional;
    if (asked.if_none_match == tag || (asked.if_none_match && now.same_date)) {
      answer.status = 304;
      co_return answer;
    }
    if (now.length_known) answer.length_bytes = now.length_bytes;
    byte_range part{0, now.length_bytes};
    if (asked.range && now.ranges) {
      const auto found = http::resolve(*asked.range, now.length_bytes);
      if (!found) co_return fail(error_kind::range_unsatisfiable, name_, "beyond the end");
      part = *found;
      answer.status = 206;
      answer.range = part;
    }
    if (!asked.head_only) answer.body = std::make_unique<body>(*this, part, now.version, now.cut_at, now.cuts > 0);
    if (now.damaged) answer.fields.add("x-amz-checksum-crc32c", "AAAAAA==");
    origin::check_whole(answer, name_);
    co_return answer;
  }
  net::task<result<origin::listing>> list(origin::list_request) override { co_return origin::listing{}; }
  net::task<result<origin::write_answer>> write(origin::write_request) override {
    co_return fail(error_kind::unsupported, name_, "read only");
  }

private:
  class body final : public http::client_body {
  public:
    body(fake_origin& from, byte_range part, std::uint64_t version, std::uint64_t cut_at, bool cuts)
        : from_(from), at_(part.begin), end_(part.end), version_(version), cut_at_(cuts ? cut_at : UINT64_MAX) {
      const std::uint64_t cut_after = from.get().cut_after;
      if (cut_after < part.length_bytes()) cut_at_ = std::min(cut_at_, part.begin + cut_after);
    }
    net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
      if (!from_.get().at_once) co_await net::yield();
      while (const auto change =
                 from_.change_while([this](const state& of) { return at_ >= of.gate_at && at_ < end_; })) {
        ++from_.at_gate;
        co_await change->wait(net::deadline::after(wait_limit));
      }
      if (at_ >= end_) co_return std::size_t{0};
      if (at_ >= cut_at_) {
        from_.set([](state& now) { now.cuts -= now.cuts > 0 ? 1 : 0; });
        co_return fail(error_kind::broken, from_.name_, "connection reset", true);
      }
      const std::uint64_t stop = std::min({end_, cut_at_, std::max(from_.get().gate_at, at_)});
      const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), stop > at_ ? stop - at_ : 0));
      for (std::size_t i = 0; i < most; ++i) into[i] = byte_at(version_, at_ + i);
      at_ += most;
      from_.bytes += most;
      co_return most;
    }
    bool at_end() const noexcept override { return at_ >= end_; }

  private:
    fake_origin& from_;
    std::uint64_t at_, end_, version_, cut_at_;
  };

  /// An event that the next `set` raises, for the loop that asks, while `holds`; null when it does not hold.
  template <class F>
  std::shared_ptr<const net::event> change_while(F&& holds) {
    const auto change = std::make_shared<const net::event>();
    const std::lock_guard lock(mutex_);
    if (!holds(state_)) return nullptr;
    waiting_.push_back(change);
    return change;
  }
  static constexpr std::chrono::minutes wait_limit{5}; ///< beyond any test

  std::string name_;
  mutable std::mutex mutex_;
  state state_;
  std::vector<std::weak_ptr<const net::event>> waiting_; ///< those whose loop has ended are gone
};

} // namespace forebay::cache::testing
