#include "origin/checked_body.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"

namespace forebay::origin {
namespace {

constexpr std::string_view mismatch_words = "what came does not match the store's checksum";

class checked_body final : public http::client_body {
public:
  checked_body(std::unique_ptr<http::client_body> inner, expected_digest expected, std::uint64_t length,
               std::string source)
      : state_(std::make_shared<state>(std::move(inner), std::move(expected), length, std::move(source))) {}
  ~checked_body() override { state_->inner.reset(); }
  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override { return read(state_, into); }
  bool at_end() const noexcept override { return state_->verified && state_->inner->at_end(); }
  const http::header_table* trailers() const noexcept override { return state_->inner->trailers(); }

private:
  struct state {
    state(std::unique_ptr<http::client_body> from, expected_digest wanted, std::uint64_t length, std::string name)
        : inner(std::move(from)),
          sum(digester::make(wanted.kind)),
          expected(std::move(wanted)),
          open_bytes(length - std::min<std::uint64_t>(length, held_tail_bytes)),
          tail(static_cast<std::size_t>(length - open_bytes)),
          source(std::move(name)) {}
    std::unique_ptr<http::client_body> inner;
    std::unique_ptr<digester> sum;
    expected_digest expected;
    std::uint64_t open_bytes; ///< still to be passed on as they come
    std::vector<std::byte> tail;
    std::size_t filled = 0, given = 0; ///< of the tail
    bool verified = false;
    std::string source;
  };

  static error mismatch(const state& of) {
    mismatches_of(of.source).add();
    log::warn("origin", "{}: {} ({} in {})", of.source, mismatch_words, to_string(of.expected.kind), of.expected.field);
    return {error_kind::broken, of.source,
            fmt::format("{} ({} in {})", mismatch_words, to_string(of.expected.kind), of.expected.field)};
  }

  /// Reads the tail; 0 or the failure of the transfer.
  static net::task<result<std::size_t>> take_tail(std::shared_ptr<state> mine) {
    while (mine->filled < mine->tail.size()) {
      const auto room = std::span(mine->tail).subspan(mine->filled);
      auto got = co_await mine->inner->read_some(room);
      if (!got) co_return fail(std::move(got.error()));
      if (*got == 0) co_return fail(error_kind::broken, mine->source, "the body ended early", true);
      mine->sum->update(room.first(*got));
      mine->filled += *got;
    }
    if (mine->sum->finish() != mine->expected.value) co_return fail(mismatch(*mine));
    mine->verified = true;
    co_return std::size_t{0};
  }

  static net::task<result<std::size_t>> read(std::shared_ptr<state> mine, std::span<std::byte> into) {
    if (mine->open_bytes > 0) {
      const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), mine->open_bytes));
      auto got = co_await mine->inner->read_some(into.first(most));
      if (!got || *got == 0) co_return got;
      mine->sum->update(into.first(*got));
      mine->open_bytes -= *got;
      co_return got;
    }
    if (!mine->verified) {
      auto whole = co_await take_tail(mine);
      if (!whole) co_return whole;
    }
    if (mine->given == mine->tail.size()) {
      auto end = co_await mine->inner->read_some(into); // its end gives the connection back
      co_return end;
    }
    const std::size_t count = std::min(into.size(), mine->tail.size() - mine->given);
    std::memcpy(into.data(), mine->tail.data() + mine->given, count);
    mine->given += count;
    co_return count;
  }

  std::shared_ptr<state> state_;
};

} // namespace

metrics::counter& mismatches_of(const std::string& source) {
  const std::array<metrics::label, 1> labels = {metrics::label{"origin", source}};
  return metrics::global().get_counter("forebay_origin_checksum_mismatches_total",
                                       "Whole objects whose bytes did not match the checksum that their origin gave.",
                                       labels);
}

std::unique_ptr<http::client_body> check_body(std::unique_ptr<http::client_body> inner, expected_digest expected,
                                              std::uint64_t length_bytes, std::string source) {
  return std::make_unique<checked_body>(std::move(inner), std::move(expected), length_bytes, std::move(source));
}

void check_whole(read_answer& answer, const std::string& source) {
  const bool all = answer.status == 200 || (answer.range && answer.length_bytes && answer.range->begin == 0 &&
                                            answer.range->end == *answer.length_bytes);
  if (answer.body == nullptr || !all || !answer.length_bytes) return;
  auto expected = find_quick_digest(answer.fields);
  if (!expected) return;
  answer.body = check_body(std::move(answer.body), std::move(*expected), *answer.length_bytes, source);
}

bool is_checksum_mismatch(const error& failure) {
  return failure.kind == error_kind::broken && failure.context.starts_with(mismatch_words);
}

} // namespace forebay::origin
