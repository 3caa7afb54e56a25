// A connection whose peer is a script, for tests: no sockets, no time, the same bytes in the same pieces each run.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/stream.h"

namespace forebay::http::testing {

/// What the peer does and what it saw. Shared by the test and the stream, which the server owns and destroys.
struct wire {
  /// One step of the peer; reads see them one after the other.
  struct step {
    enum class kind { bytes, timeout, reset } what;
    std::string text;
    std::function<void()> before; ///< called when a read reaches the step
  };
  std::deque<step> script;        ///< after the last step the peer has ended its side
  std::string sent;               ///< all bytes the server sent
  std::vector<std::size_t> sends; ///< bytes of each `send`
  std::size_t reads = 0, read_size_limit = SIZE_MAX;
  std::vector<steady_time> read_deadlines;
  std::size_t accepts_bytes = SIZE_MAX; ///< after so many the peer takes no more
  std::chrono::milliseconds last_stall{};
  bool closed = false, aborted = false, destroyed = false;

  wire& says(std::string text, std::function<void()> before = nullptr) {
    script.push_back({step::kind::bytes, std::move(text), std::move(before)});
    return *this;
  }
  wire& stalls(std::function<void()> before = nullptr) {
    script.push_back({step::kind::timeout, {}, std::move(before)});
    return *this;
  }
  wire& resets() {
    script.push_back({step::kind::reset, {}, nullptr});
    return *this;
  }
};

class scripted_stream final : public net::stream {
public:
  explicit scripted_stream(std::shared_ptr<wire> on) : wire_(std::move(on)) {
    peer_ = {*net::ip_address::parse("192.0.2.1"), 1234};
    local_ = {*net::ip_address::parse("192.0.2.2"), 80};
  }
  ~scripted_stream() override { wire_->destroyed = true; }

  net::task<result<std::size_t>> read_some(std::span<std::byte> into, net::deadline until) override {
    ++wire_->reads;
    wire_->read_deadlines.push_back(until.at);
    if (wire_->script.empty()) co_return std::size_t{0};
    wire::step& now = wire_->script.front();
    if (auto before = std::exchange(now.before, nullptr)) before();
    const auto what = now.what;
    if (what == wire::step::kind::timeout) {
      wire_->script.pop_front();
      co_return fail(error_kind::timeout, "script", "nothing came");
    }
    if (what == wire::step::kind::reset) co_return fail(error_kind::cancelled, "script", "reset");
    const std::size_t count = std::min({into.size(), now.text.size(), wire_->read_size_limit});
    std::memcpy(into.data(), now.text.data(), count);
    now.text.erase(0, count);
    if (now.text.empty()) wire_->script.pop_front();
    co_return count;
  }

  net::task<result<void>> send(std::span<const net::slice> pieces, bool, std::chrono::milliseconds stall) override {
    wire_->last_stall = stall;
    std::size_t total = 0;
    for (const net::slice& piece : pieces) {
      const std::size_t room = wire_->accepts_bytes - wire_->sent.size();
      const std::size_t taken = std::min(room, piece.length_bytes());
      wire_->sent.append(reinterpret_cast<const char*>(piece.bytes.data()), taken);
      total += taken;
      if (taken < piece.length_bytes()) co_return fail(error_kind::timeout, "script", "the reader takes no more");
    }
    wire_->sends.push_back(total);
    co_return result<void>{};
  }

  void close() noexcept override { wire_->closed = true; }
  void abort() noexcept override { wire_->aborted = true; }
  bool peer_closed() noexcept override { return wire_->script.empty(); }
  const net::endpoint& peer() const noexcept override { return peer_; }
  const net::endpoint& local() const noexcept override { return local_; }

private:
  std::shared_ptr<wire> wire_;
  net::endpoint peer_, local_;
};

} // namespace forebay::http::testing
