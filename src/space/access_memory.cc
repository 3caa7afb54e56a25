#include "space/access_memory.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <openssl/rand.h>

namespace forebay::space {
namespace {

metrics::counter& decided(std::string_view how) {
  const metrics::label labels[] = {{"result", how}};
  return metrics::global().get_counter("forebay_access_decisions_total",
                                       "Requests to namespaces whose origin decides, by how it was decided.", labels);
}
metrics::counter& answered(std::string_view how) {
  const metrics::label labels[] = {{"answer", how}};
  return metrics::global().get_counter("forebay_access_checks_total",
                                       "Questions to origins whether a reader may read, by their answer.", labels);
}
metrics::counter& refused(std::string_view limit) {
  const metrics::label labels[] = {{"limit", limit}};
  return metrics::global().get_counter("forebay_limit_refused_total", "What a named limit refused or delayed.", labels);
}

} // namespace

access_metrics::access_metrics()
    : remembered(decided("remembered")),
      asked(decided("asked")),
      collapsed(decided("collapsed")),
      allowed(answered("allowed")),
      unauthorised(answered("unauthorised")),
      forbidden(answered("forbidden")),
      absent(answered("not_found")),
      failed(answered("failed")),
      evicted(
          metrics::global().get_counter("forebay_access_evictions_total",
                                        "Answers about readers that made room for others (limits.access_answers).")),
      forgotten(metrics::global().get_counter(
          "forebay_access_forgotten_total",
          "Answers that let a reader in and ended early: the origin refused the same token a transfer.")),
      refused_checks(refused("access_checks")),
      refused_waiters(refused("waiters_per_object")),
      held(metrics::global().get_gauge("forebay_access_answers", "Answers about readers that are remembered.")) {}

metrics::counter& access_metrics::of(const result<void>& outcome) noexcept {
  if (outcome) return allowed;
  switch (outcome.error().kind) {
  case error_kind::unauthorised: return unauthorised;
  case error_kind::forbidden: return forbidden;
  case error_kind::not_found:
  case error_kind::gone: return absent;
  default: return failed;
  }
}

access_memory::access_memory(access_limits with, const clock& clock_used)
    : limits(with), time(clock_used), places(std::make_shared<origin::limiter>(with.checks)) {
  // Without randomness tokens could be guessed from their hashes: no node rather than such a one.
  if (RAND_bytes(secret.data(), static_cast<int>(secret.size())) != 1) std::abort();
}
access_memory::~access_memory() { counts.held.add(-static_cast<std::int64_t>(answers.size())); }

key128 access_memory::name_of(std::initializer_list<std::string_view> parts) const {
  std::string text;
  for (const std::string_view each : parts) {
    text += fmt::format("{}:", each.size());
    text += each;
  }
  const auto digest = hmac_sha256(secret, text);
  key128 name;
  std::copy_n(digest.begin(), name.bytes.size(), name.bytes.begin());
  return name;
}

std::optional<verdict> access_memory::recall(const key128& name) {
  const auto found = by_name.find(name);
  if (found == by_name.end()) return std::nullopt;
  const auto at = found->second;
  if (time.steady() >= at->until || time.wall() >= at->token_end) {
    drop(at);
    return std::nullopt;
  }
  answers.splice(answers.begin(), answers, at);
  return at->said;
}

void access_memory::drop(order::iterator at) {
  by_name.erase(at->name);
  answers.erase(at);
  counts.held.add(-1);
}

void access_memory::remember(answer made) {
  if (const auto before = by_name.find(made.name); before != by_name.end()) drop(before->second);
  answers.push_front(std::move(made));
  by_name.emplace(answers.front().name, answers.begin());
  counts.held.add(1);
  while (answers.size() > limits.answers) {
    counts.evicted.add();
    drop(std::prev(answers.end()));
  }
}

void access_memory::forget(std::initializer_list<key128> names) {
  const std::lock_guard lock(mutex);
  for (const key128& name : names) {
    const auto found = by_name.find(name);
    if (found == by_name.end() || !found->second->said.outcome) continue;
    counts.forgotten.add();
    drop(found->second);
  }
}

access_table::access_table(access_limits limits, const clock& time)
    : memory_(std::make_shared<access_memory>(limits, time)) {}
access_table::~access_table() = default;

access_table::usage access_table::usage_now() const {
  const std::lock_guard lock(memory_->mutex);
  return {memory_->answers.size(), memory_->running.size()};
}

} // namespace forebay::space
